; A vector of one double is half of a register.

define <1 x double> @f(<1 x double> %x) {
  %r = call <1 x double> @llvm.canonicalize.v1f64(<1 x double> %x)
  ret <1 x double> %r
}

declare <1 x double> @llvm.canonicalize.v1f64(<1 x double>)

; ---- after
; define <1 x double> @f(<1 x double> %x) {
;   %r = call <1 x double> @canonicalize(<1 x double> %x)
;   ret <1 x double> %r
; }
;
; define internal <1 x double> @canonicalize(<1 x double> %0) #1 {
;   %2 = shufflevector <1 x double> %0, <1 x double> poison, <2 x i32> <i32 0, i32 1>
;   %3 = call <2 x double> @llvm.canonicalize.v2f64(<2 x double> %2)
;   %4 = shufflevector <2 x double> %3, <2 x double> poison, <1 x i32> zeroinitializer
;   ret <1 x double> %4
; }
;
; attributes #1 = { alwaysinline nounwind }
