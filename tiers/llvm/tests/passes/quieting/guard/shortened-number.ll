; A conversion to a shorter type may take back one to a longer type.

define float @f(double %x, double %y) {
  %r = fptrunc double %x to float
  ret float %r
}

; ---- after
; define float @f(double %x, double %y) {
;   %r = fptrunc double %x to float
;   %1 = call float @llvm.canonicalize.f32(float %r)
;   ret float %1
; }
