; Vectors of the program are compared as they are.

define <8 x i1> @f(<8 x i16> %a, <8 x i16> %b) {
  %x = zext <8 x i16> %a to <8 x i32>
  %y = sext <8 x i16> %b to <8 x i32>
  %less = icmp slt <8 x i32> %x, %y
  ret <8 x i1> %less
}

; ---- unchanged
