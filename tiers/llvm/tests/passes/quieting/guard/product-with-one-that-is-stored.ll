; Who stores a result looks at its bits.

define void @f(float %x, ptr %p) {
  %r = fmul float %x, 1.0
  store float %r, ptr %p
  ret void
}

; ---- after
; define void @f(float %x, ptr %p) {
;   %r = fmul float %x, 1.000000e+00
;   %1 = call float @llvm.canonicalize.f32(float %r)
;   store float %1, ptr %p, align 4
;   ret void
; }
