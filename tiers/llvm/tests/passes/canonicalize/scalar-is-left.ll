; A scalar is canonicalized as one.

define double @f(double %x) {
  %r = call double @llvm.canonicalize.f64(double %x)
  ret double %r
}

declare double @llvm.canonicalize.f64(double)

; ---- unchanged
