; Two numbers with a sign are compared right in as many bits as each has.

define i1 @f(i16 %a, i16 %b) {
  %x = sext i16 %a to i32
  %y = sext i16 %b to i32
  %less = icmp slt i32 %x, %y
  ret i1 %less
}

; ---- unchanged
