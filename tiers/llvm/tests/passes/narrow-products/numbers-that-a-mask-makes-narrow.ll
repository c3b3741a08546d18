; Numbers need no extension to be narrow.

define <8 x i16> @f(<8 x i64> %a, <8 x i64> %b) {
  %x = and <8 x i64> %a, splat (i64 65535)
  %y = ashr <8 x i64> %b, splat (i64 50)
  %m = mul nsw <8 x i64> %x, %y
  %t = lshr <8 x i64> %m, splat (i64 40)
  %r = trunc <8 x i64> %t to <8 x i16>
  ret <8 x i16> %r
}

; ---- after
; define <8 x i16> @f(<8 x i64> %a, <8 x i64> %b) {
;   %x = and <8 x i64> %a, splat (i64 65535)
;   %y = ashr <8 x i64> %b, splat (i64 50)
;   %1 = trunc <8 x i64> %x to <8 x i32>
;   %2 = trunc <8 x i64> %y to <8 x i32>
;   %3 = mul <8 x i32> %1, %2
;   %4 = sext <8 x i32> %3 to <8 x i64>
;   %t = lshr <8 x i64> %4, splat (i64 40)
;   %r = trunc <8 x i64> %t to <8 x i16>
;   ret <8 x i16> %r
; }
