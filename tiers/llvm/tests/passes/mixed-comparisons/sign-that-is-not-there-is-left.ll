; A number that is never negative needs no sign.

define i1 @f(i16 %a, i32 %b) {
  %x = zext i16 %a to i32
  %y = and i32 %b, 127
  %less = icmp slt i32 %x, %y
  ret i1 %less
}

; ---- unchanged
