; A factor that needs more than 16 bits does not fit the combine.

define <8 x i16> @f(<8 x i16> %a, <8 x i16> %b) {
  %x = sext <8 x i16> %a to <8 x i64>
  %m = mul nsw <8 x i64> %x, splat (i64 70000)
  %t = lshr <8 x i64> %m, splat (i64 40)
  %r = trunc <8 x i64> %t to <8 x i16>
  ret <8 x i16> %r
}

; ---- unchanged
