; A use of the third sum that is neither its carry nor the lower half stays as it is.

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
  %c2 = and i64 %second, 4294967295
  %third = add nuw i64 %m3, %c2
  %low = xor i64 %third, %first
  store i64 %low, ptr %low.half
  %m4 = mul nuw i64 %ah, %bh
  %s2 = lshr i64 %second, 32
  %s3 = lshr i64 %third, 32
  %sum = add i64 %m4, %s2
  %high = add i64 %sum, %s3
  ret i64 %high
}

; ---- after
; define i64 @f(i64 %a, i64 %b, ptr %low.half) {
;   %al = and i64 %a, 4294967295
;   %ah = lshr i64 %a, 32
;   %bl = and i64 %b, 4294967295
;   %bh = lshr i64 %b, 32
;   %first = mul nuw i64 %al, %bl
;   %m2 = mul nuw i64 %al, %bh
;   %c1 = lshr i64 %first, 32
;   %second = add nuw i64 %m2, %c1
;   %m3 = mul nuw i64 %ah, %bl
;   %c2 = and i64 %second, 4294967295
;   %third = add nuw i64 %m3, %c2
;   %1 = mul i64 %a, %b
;   %2 = zext i64 %a to i128
;   %3 = zext i64 %b to i128
;   %4 = mul nuw i128 %2, %3
;   %5 = lshr i128 %4, 64
;   %6 = trunc i128 %5 to i64
;   %7 = lshr i64 %a, 32
;   %8 = lshr i64 %b, 32
;   %9 = mul i64 %7, %8
;   %10 = sub i64 %6, %9
;   %11 = lshr i64 %second, 32
;   %12 = sub i64 %10, %11
;   %low = xor i64 %third, %first
;   store i64 %low, ptr %low.half, align 4
;   %m4 = mul nuw i64 %ah, %bh
;   %s2 = lshr i64 %second, 32
;   %s3 = lshr i64 %third, 32
;   %sum = add i64 %m4, %s2
;   %high = add i64 %sum, %12
;   ret i64 %high
; }
