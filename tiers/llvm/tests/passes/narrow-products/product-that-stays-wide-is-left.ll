; A product that is neither shifted to the right nor narrowed does not fit the combine.

define <8 x i64> @f(<8 x i16> %a, <8 x i16> %b) {
  %x = sext <8 x i16> %a to <8 x i64>
  %y = sext <8 x i16> %b to <8 x i64>
  %m = mul nsw <8 x i64> %x, %y
  %r = add <8 x i64> %m, splat (i64 1)
  ret <8 x i64> %r
}

; ---- unchanged
