; Either of two numbers may turn out to be -0 in later passes; a sum whose bits leave the function is canonicalized.

define double @f(double %x, double %y) {
  %r = fadd double %x, %y
  ret double %r
}

; ---- after
; define double @f(double %x, double %y) {
;   %r = fadd double %x, %y
;   %1 = call double @llvm.canonicalize.f64(double %r)
;   ret double %1
; }
