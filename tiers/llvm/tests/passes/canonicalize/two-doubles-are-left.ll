; Two doubles are a register.

define <2 x double> @f(<2 x double> %x) {
  %r = call <2 x double> @llvm.canonicalize.v2f64(<2 x double> %x)
  ret <2 x double> %r
}

declare <2 x double> @llvm.canonicalize.v2f64(<2 x double>)

; ---- unchanged
