; A product of 32 bits has no halves of 32 bits.

define i32 @f(i32 %a, i32 %b) {
  %al = and i32 %a, 65535
  %ah = lshr i32 %a, 16
  %bl = and i32 %b, 65535
  %bh = lshr i32 %b, 16
  %first = mul i32 %al, %bl
  %m2 = mul i32 %al, %bh
  %c1 = lshr i32 %first, 16
  %second = add i32 %m2, %c1
  %m3 = mul i32 %ah, %bl
  %c2 = and i32 %second, 65535
  %third = add i32 %m3, %c2
  %s3 = lshr i32 %third, 16
  ret i32 %s3
}

; ---- unchanged
