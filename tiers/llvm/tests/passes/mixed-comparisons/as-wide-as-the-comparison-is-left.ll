; In a comparison of 16 bits there are no fewer.

define i1 @f(i16 %a, i16 %b) {
  %x = add i16 %a, 1
  %y = add i16 %b, 1
  %less = icmp slt i16 %x, %y
  ret i1 %less
}

; ---- unchanged
