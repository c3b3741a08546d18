; A product of two numbers of 16 bits fits into 32, so it is made in lanes of 32 bits and extended.

define <8 x i16> @f(<8 x i16> %a, <8 x i16> %b) {
  %x = sext <8 x i16> %a to <8 x i64>
  %y = sext <8 x i16> %b to <8 x i64>
  %m = mul nsw <8 x i64> %x, %y
  %t = lshr <8 x i64> %m, splat (i64 40)
  %r = trunc <8 x i64> %t to <8 x i16>
  ret <8 x i16> %r
}

; ---- after
; define <8 x i16> @f(<8 x i16> %a, <8 x i16> %b) {
;   %x = sext <8 x i16> %a to <8 x i64>
;   %y = sext <8 x i16> %b to <8 x i64>
;   %1 = sext <8 x i16> %a to <8 x i32>
;   %2 = sext <8 x i16> %b to <8 x i32>
;   %3 = mul <8 x i32> %1, %2
;   %4 = sext <8 x i32> %3 to <8 x i64>
;   %t = lshr <8 x i64> %4, splat (i64 40)
;   %r = trunc <8 x i64> %t to <8 x i16>
;   ret <8 x i16> %r
; }
