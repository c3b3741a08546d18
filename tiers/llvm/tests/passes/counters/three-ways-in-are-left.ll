; A number with three ways in does not start at one constant.

define void @f(i1 %c, i32 %n) {
entry:
  br i1 %c, label %other, label %loop

other:
  br label %loop

loop:
  %i = phi i32 [ -400, %entry ], [ %next, %loop ], [ %n, %other ]
  call void @use(i32 %i)
  %next = add i32 %i, 4
  %done = icmp eq i32 %next, 0
  br i1 %done, label %end, label %loop

end:
  ret void
}

declare void @use(i32)

; ---- unchanged
