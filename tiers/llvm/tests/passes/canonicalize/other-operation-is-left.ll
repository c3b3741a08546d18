; Code generation widens every other operation by itself.

define <2 x float> @f(<2 x float> %x) {
  %r = call <2 x float> @llvm.sqrt.v2f32(<2 x float> %x)
  ret <2 x float> %r
}

declare <2 x float> @llvm.sqrt.v2f32(<2 x float>)

; ---- unchanged
