; Numbers of which nothing is known are compared in all their bits.

define i1 @f(i32 %a, i32 %b) {
  %x = add i32 %a, 1
  %y = add i32 %b, 2
  %less = icmp slt i32 %x, %y
  ret i1 %less
}

; ---- unchanged
