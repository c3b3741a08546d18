; Which of the two may be a signalling NaN makes no difference.

define double @f(double %x, double %y, i1 %c) {
  %a = fadd double %x, 3.0
  %s = select i1 %c, double %y, double %a
  %r = call double @llvm.canonicalize.f64(double %s)
  ret double %r
}

declare double @llvm.canonicalize.f64(double)

; ---- unchanged
