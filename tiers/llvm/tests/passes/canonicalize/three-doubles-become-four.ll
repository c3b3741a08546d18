; Lanes that are no power of two are filled up to one.

define <3 x double> @f(<3 x double> %x) {
  %r = call <3 x double> @llvm.canonicalize.v3f64(<3 x double> %x)
  ret <3 x double> %r
}

declare <3 x double> @llvm.canonicalize.v3f64(<3 x double>)

; ---- after
; define <3 x double> @f(<3 x double> %x) {
;   %r = call <3 x double> @canonicalize(<3 x double> %x)
;   ret <3 x double> %r
; }
;
; define internal <3 x double> @canonicalize(<3 x double> %0) #1 {
;   %2 = shufflevector <3 x double> %0, <3 x double> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
;   %3 = call <4 x double> @llvm.canonicalize.v4f64(<4 x double> %2)
;   %4 = shufflevector <4 x double> %3, <4 x double> poison, <3 x i32> <i32 0, i32 1, i32 2>
;   ret <3 x double> %4
; }
;
; attributes #1 = { alwaysinline nounwind }
