; Of a number of 32 bits that was just loaded nobody knows that it is narrow.

define <8 x i16> @f(ptr %p, <8 x i16> %b) {
  %a = load <8 x i32>, ptr %p, align 1
  %x = sext <8 x i32> %a to <8 x i64>
  %y = sext <8 x i16> %b to <8 x i64>
  %m = mul nsw <8 x i64> %x, %y
  %t = lshr <8 x i64> %m, splat (i64 40)
  %r = trunc <8 x i64> %t to <8 x i16>
  ret <8 x i16> %r
}

; ---- unchanged
