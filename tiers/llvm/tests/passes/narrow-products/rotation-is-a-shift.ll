; A rotation brings the same bits down.

define <8 x i64> @f(<8 x i16> %a, <8 x i16> %b) {
  %x = sext <8 x i16> %a to <8 x i64>
  %y = sext <8 x i16> %b to <8 x i64>
  %m = mul nsw <8 x i64> %x, %y
  %r = call <8 x i64> @llvm.fshl.v8i64(<8 x i64> %m, <8 x i64> %m, <8 x i64> splat (i64 24))
  ret <8 x i64> %r
}

declare <8 x i64> @llvm.fshl.v8i64(<8 x i64>, <8 x i64>, <8 x i64>)

; ---- after
; define <8 x i64> @f(<8 x i16> %a, <8 x i16> %b) {
;   %x = sext <8 x i16> %a to <8 x i64>
;   %y = sext <8 x i16> %b to <8 x i64>
;   %1 = sext <8 x i16> %a to <8 x i32>
;   %2 = sext <8 x i16> %b to <8 x i32>
;   %3 = mul <8 x i32> %1, %2
;   %4 = sext <8 x i32> %3 to <8 x i64>
;   %r = call <8 x i64> @llvm.fshl.v8i64(<8 x i64> %4, <8 x i64> %4, <8 x i64> splat (i64 24))
;   ret <8 x i64> %r
; }
