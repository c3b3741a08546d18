; So may a number from memory.

define double @f(ptr %p) {
  %s = load double, ptr %p
  %r = call double @llvm.canonicalize.f64(double %s)
  ret double %r
}

declare double @llvm.canonicalize.f64(double)

; ---- unchanged
