; A shift that brings the sign down is a shift to the right, whatever becomes of it.

define <8 x i64> @f(<8 x i16> %a, <8 x i16> %b) {
  %x = sext <8 x i16> %a to <8 x i64>
  %y = sext <8 x i16> %b to <8 x i64>
  %m = mul nsw <8 x i64> %x, %y
  %r = ashr <8 x i64> %m, splat (i64 24)
  ret <8 x i64> %r
}

; ---- after
; define <8 x i64> @f(<8 x i16> %a, <8 x i16> %b) {
;   %x = sext <8 x i16> %a to <8 x i64>
;   %y = sext <8 x i16> %b to <8 x i64>
;   %1 = sext <8 x i16> %a to <8 x i32>
;   %2 = sext <8 x i16> %b to <8 x i32>
;   %3 = mul <8 x i32> %1, %2
;   %4 = sext <8 x i32> %3 to <8 x i64>
;   %r = ashr <8 x i64> %4, splat (i64 24)
;   ret <8 x i64> %r
; }
