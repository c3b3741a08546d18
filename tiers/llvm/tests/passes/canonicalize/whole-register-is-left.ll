; Four floats are a register.

define <4 x float> @f(<4 x float> %x) {
  %r = call <4 x float> @llvm.canonicalize.v4f32(<4 x float> %x)
  ret <4 x float> %r
}

declare <4 x float> @llvm.canonicalize.v4f32(<4 x float>)

; ---- unchanged
