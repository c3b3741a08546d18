; A product with -1 would become a negation, which changes the sign of a NaN.

define double @f(double %x, double %y) {
  %r = fmul double %x, -1.0
  ret double %r
}

; ---- after
; define double @f(double %x, double %y) {
;   %1 = call double asm "", "=x,0"(double -1.000000e+00) #1
;   %r = fmul double %x, %1
;   %2 = call double @llvm.canonicalize.f64(double %r)
;   ret double %2
; }
;
; attributes #1 = { nounwind memory(none) }
