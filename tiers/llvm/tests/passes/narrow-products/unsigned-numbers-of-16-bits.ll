; Products of numbers without a sign may need all 32 bits, so they are extended by zeros.

define <8 x i16> @f(<8 x i16> %a, <8 x i16> %b) {
  %x = zext <8 x i16> %a to <8 x i64>
  %y = zext <8 x i16> %b to <8 x i64>
  %m = mul nsw <8 x i64> %x, %y
  %t = lshr <8 x i64> %m, splat (i64 40)
  %r = trunc <8 x i64> %t to <8 x i16>
  ret <8 x i16> %r
}

; ---- after
; define <8 x i16> @f(<8 x i16> %a, <8 x i16> %b) {
;   %x = zext <8 x i16> %a to <8 x i64>
;   %y = zext <8 x i16> %b to <8 x i64>
;   %1 = zext <8 x i16> %a to <8 x i32>
;   %2 = zext <8 x i16> %b to <8 x i32>
;   %3 = mul <8 x i32> %1, %2
;   %4 = zext <8 x i32> %3 to <8 x i64>
;   %t = lshr <8 x i64> %4, splat (i64 40)
;   %r = trunc <8 x i64> %t to <8 x i16>
;   ret <8 x i16> %r
; }
