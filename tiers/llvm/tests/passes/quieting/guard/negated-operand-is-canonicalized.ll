; Negations are moved through arithmetic, where they change the sign of another NaN.

define double @f(double %x, double %y) {
  %n = fneg double %x
  %r = fmul double %n, 3.0
  ret double %r
}

; ---- after
; define double @f(double %x, double %y) {
;   %n = fneg double %x
;   %1 = call double @llvm.canonicalize.f64(double %n)
;   %r = fmul double %1, 3.000000e+00
;   ret double %r
; }
