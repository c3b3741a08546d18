; Who looks at the bits of a result gets it canonicalized; a comparison beside it keeps the sum.

define i1 @f(double %x, double %y, ptr %p) {
  %s = fadd double %x, %y
  store double %s, ptr %p, align 1
  %c = fcmp olt double %s, 2.0
  ret i1 %c
}

; ---- after
; define i1 @f(double %x, double %y, ptr %p) {
;   %s = fadd double %x, %y
;   %1 = call double @llvm.canonicalize.f64(double %s)
;   store double %1, ptr %p, align 1
;   %c = fcmp olt double %s, 2.000000e+00
;   ret i1 %c
; }
