; Where it is not known here that the product fits, the shift is one of the product and an unknown zero.

define <8 x i16> @f(<8 x i64> %a, <8 x i16> %b) {
  %x = call <8 x i64> @llvm.ctpop.v8i64(<8 x i64> %a)
  %y = sext <8 x i16> %b to <8 x i64>
  %m = mul nsw <8 x i64> %x, %y
  %t = lshr <8 x i64> %m, splat (i64 40)
  %r = trunc <8 x i64> %t to <8 x i16>
  ret <8 x i16> %r
}

declare <8 x i64> @llvm.ctpop.v8i64(<8 x i64>)

; ---- after
; define <8 x i16> @f(<8 x i64> %a, <8 x i16> %b) {
;   %1 = call i64 asm "", "=r,0"(i64 0)
;   %x = call <8 x i64> @llvm.ctpop.v8i64(<8 x i64> %a)
;   %y = sext <8 x i16> %b to <8 x i64>
;   %2 = mul <8 x i64> %x, %y
;   %3 = insertelement <8 x i64> poison, i64 %1, i32 0
;   %4 = shufflevector <8 x i64> %3, <8 x i64> poison, <8 x i32> zeroinitializer
;   %5 = xor <8 x i64> %2, %4
;   %t = lshr <8 x i64> %5, splat (i64 40)
;   %r = trunc <8 x i64> %t to <8 x i16>
;   ret <8 x i16> %r
; }
