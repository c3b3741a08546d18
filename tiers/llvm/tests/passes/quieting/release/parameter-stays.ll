; A parameter may be a signalling NaN.

define double @f(double %x, double %y) {
  %r = call double @llvm.canonicalize.f64(double %x)
  ret double %r
}

declare double @llvm.canonicalize.f64(double)

; ---- unchanged
