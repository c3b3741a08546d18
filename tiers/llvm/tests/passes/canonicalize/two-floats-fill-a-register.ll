; Two floats are canonicalized as four, of which two are poison.

define <2 x float> @f(<2 x float> %x) {
  %r = call <2 x float> @llvm.canonicalize.v2f32(<2 x float> %x)
  ret <2 x float> %r
}

declare <2 x float> @llvm.canonicalize.v2f32(<2 x float>)

; ---- after
; define <2 x float> @f(<2 x float> %x) {
;   %r = call <2 x float> @canonicalize(<2 x float> %x)
;   ret <2 x float> %r
; }
;
; define internal <2 x float> @canonicalize(<2 x float> %0) #1 {
;   %2 = shufflevector <2 x float> %0, <2 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 2>
;   %3 = call <4 x float> @llvm.canonicalize.v4f32(<4 x float> %2)
;   %4 = shufflevector <4 x float> %3, <4 x float> poison, <2 x i32> <i32 0, i32 1>
;   ret <2 x float> %4
; }
;
; attributes #1 = { alwaysinline nounwind }
