; Arithmetic with the root is not moved out of the choice.

define double @f(double %x, i1 %less) {
  %root = call double @llvm.sqrt.f64(double %x)
  %n = fadd double %root, 1.0
  %r = select i1 %less, double 0x7FF8000000000000, double %n
  ret double %r
}

declare double @llvm.sqrt.f64(double)

; ---- unchanged
