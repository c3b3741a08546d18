; What a choice is made by is not what is chosen.

define double @f(double %x, i1 %less) {
  %root = call double @llvm.sqrt.f64(double %x)
  %pos = fcmp ogt double %root, 1.0
  %r = select i1 %pos, double 0x7FF8000000000000, double %x
  ret double %r
}

declare double @llvm.sqrt.f64(double)

; ---- unchanged
