; A choice that the program makes by another comparison may be foreseen.

define i32 @f(i32 %a, i32 %b, i32 %c) {
  %less = icmp slt i32 %a, %b
  %r = select i1 %less, i32 %c, i32 %b
  ret i32 %r
}

; ---- unchanged
