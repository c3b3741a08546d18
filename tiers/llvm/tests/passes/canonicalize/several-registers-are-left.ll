; A vector of several registers is split, not widened.

define <8 x float> @f(<8 x float> %x) {
  %r = call <8 x float> @llvm.canonicalize.v8f32(<8 x float> %x)
  ret <8 x float> %r
}

declare <8 x float> @llvm.canonicalize.v8f32(<8 x float>)

; ---- unchanged
