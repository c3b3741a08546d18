; In a vector the NaNs are hidden, and other lanes stay constants.

define <2 x double> @f(<2 x double> %x, i1 %less) {
  %root = call <2 x double> @llvm.sqrt.v2f64(<2 x double> %x)
  %r = select i1 %less, <2 x double> <double 0x7FF8000000000000, double 1.0>, <2 x double> %root
  ret <2 x double> %r
}

declare <2 x double> @llvm.sqrt.v2f64(<2 x double>)

; ---- after
; define <2 x double> @f(<2 x double> %x, i1 %less) {
;   %1 = call double asm "", "=x,0"(double 0x7FF8000000000000) #1
;   %2 = insertelement <2 x double> <double 0x7FF8000000000000, double 1.000000e+00>, double %1, i32 0
;   %root = call <2 x double> @llvm.sqrt.v2f64(<2 x double> %x)
;   %r = select i1 %less, <2 x double> %2, <2 x double> %root
;   ret <2 x double> %r
; }
;
; attributes #1 = { nounwind memory(none) }
