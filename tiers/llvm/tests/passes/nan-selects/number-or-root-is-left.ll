; A number is not taken for the root of a negative one.

define double @f(double %x, i1 %less) {
  %root = call double @llvm.sqrt.f64(double %x)
  %r = select i1 %less, double 1.0, double %root
  ret double %r
}

declare double @llvm.sqrt.f64(double)

; ---- unchanged
