; A function of the program with such a name is no intrinsic.

define i32 @f(i32 %a, i32 %b) {
  %r = call i32 @smin.i32(i32 %a, i32 %b)
  ret i32 %r
}

declare i32 @smin.i32(i32, i32)

; ---- unchanged
