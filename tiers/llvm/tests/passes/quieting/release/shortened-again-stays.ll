; A conversion that takes back another one is folded to what was converted first.

define float @f(float %x) {
  %l = fpext float %x to double
  %s = fptrunc double %l to float
  %r = call float @llvm.canonicalize.f32(float %s)
  ret float %r
}

declare float @llvm.canonicalize.f32(float)

; ---- unchanged
