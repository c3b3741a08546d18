; In lanes of 32 bits the combine is right.

define <8 x i16> @f(<8 x i16> %a, <8 x i16> %b) {
  %x = sext <8 x i16> %a to <8 x i32>
  %y = sext <8 x i16> %b to <8 x i32>
  %m = mul nsw <8 x i32> %x, %y
  %t = lshr <8 x i32> %m, splat (i32 24)
  %r = trunc <8 x i32> %t to <8 x i16>
  ret <8 x i16> %r
}

; ---- unchanged
