; A sum with -0 is folded to the other number, bit by bit, and a signalling NaN with it.

define double @f(double %x, double %y) {
  %r = fadd double %x, -0.0
  ret double %r
}

; ---- after
; define double @f(double %x, double %y) {
;   %r = fadd double %x, -0.000000e+00
;   %1 = call double @llvm.canonicalize.f64(double %r)
;   ret double %1
; }
