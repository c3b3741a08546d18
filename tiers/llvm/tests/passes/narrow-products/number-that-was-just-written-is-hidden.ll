; What was written shortly before a load may be what is loaded, and that may be narrow.

define <8 x i16> @f(<8 x i64> %a, <8 x i16> %b, ptr %p) {
  %k = and <8 x i64> %a, splat (i64 255)
  store <8 x i64> %k, ptr %p, align 1
  %x = load <8 x i64>, ptr %p, align 1
  %y = sext <8 x i16> %b to <8 x i64>
  %m = mul <8 x i64> %x, %y
  %t = lshr <8 x i64> %m, splat (i64 40)
  %r = trunc <8 x i64> %t to <8 x i16>
  ret <8 x i16> %r
}

; ---- after
; define <8 x i16> @f(<8 x i64> %a, <8 x i16> %b, ptr %p) {
;   %1 = call i64 asm "", "=r,0"(i64 0)
;   %k = and <8 x i64> %a, splat (i64 255)
;   store <8 x i64> %k, ptr %p, align 1
;   %x = load <8 x i64>, ptr %p, align 1
;   %y = sext <8 x i16> %b to <8 x i64>
;   %2 = mul <8 x i64> %x, %y
;   %3 = insertelement <8 x i64> poison, i64 %1, i32 0
;   %4 = shufflevector <8 x i64> %3, <8 x i64> poison, <8 x i32> zeroinitializer
;   %5 = xor <8 x i64> %2, %4
;   %t = lshr <8 x i64> %5, splat (i64 40)
;   %r = trunc <8 x i64> %t to <8 x i16>
;   ret <8 x i16> %r
; }
