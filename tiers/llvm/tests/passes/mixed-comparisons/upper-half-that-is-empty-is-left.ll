; A number below 2^15 needs no 16th bit.

define i1 @f(i32 %a, i16 %b) {
  %x = and i32 %a, 32767
  %y = sext i16 %b to i32
  %less = icmp slt i32 %x, %y
  ret i1 %less
}

; ---- unchanged
