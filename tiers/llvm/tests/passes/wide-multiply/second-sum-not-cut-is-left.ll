; A second sum of which more than the lower half is added makes another number.

define i64 @f(i64 %a, i64 %b, ptr %low.half) {
  %al = and i64 %a, 4294967295
  %ah = lshr i64 %a, 32
  %bl = and i64 %b, 4294967295
  %bh = lshr i64 %b, 32
  %first = mul nuw i64 %al, %bl
  %m2 = mul nuw i64 %al, %bh
  %c1 = lshr i64 %first, 32
  %second = add nuw i64 %m2, %c1
  %m3 = mul nuw i64 %ah, %bl
  %c2 = and i64 %second, 8589934591
  %third = add nuw i64 %m3, %c2
  %up = shl i64 %third, 32
  %fl = and i64 %first, 4294967295
  %low = or disjoint i64 %up, %fl
  store i64 %low, ptr %low.half
  %m4 = mul nuw i64 %ah, %bh
  %s2 = lshr i64 %second, 32
  %s3 = lshr i64 %third, 32
  %sum = add i64 %m4, %s2
  %high = add i64 %sum, %s3
  ret i64 %high
}

; ---- unchanged
