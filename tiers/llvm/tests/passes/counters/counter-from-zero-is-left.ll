; A counter that starts at zero has what it should have.

define void @f(ptr %p) {
entry:
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  call void @use(i32 %i)
  %next = add i32 %i, 4
  %done = icmp eq i32 %next, 400
  br i1 %done, label %end, label %loop

end:
  ret void
}

declare void @use(i32)

; ---- unchanged
