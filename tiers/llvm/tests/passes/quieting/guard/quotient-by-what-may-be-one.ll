; A quotient is folded to its dividend where the divisor turns out to be one.

define double @f(double %x, double %y) {
  %r = fdiv double 3.0, %y
  ret double %r
}

; ---- after
; define double @f(double %x, double %y) {
;   %r = fdiv double 3.000000e+00, %y
;   %1 = call double @llvm.canonicalize.f64(double %r)
;   ret double %1
; }
