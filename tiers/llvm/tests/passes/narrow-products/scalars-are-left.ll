; The combine is one of vectors.

define i16 @f(i16 %a, i16 %b) {
  %x = sext i16 %a to i64
  %y = sext i16 %b to i64
  %m = mul nsw i64 %x, %y
  %t = lshr i64 %m, 40
  %r = trunc i64 %t to i16
  ret i16 %r
}

; ---- unchanged
