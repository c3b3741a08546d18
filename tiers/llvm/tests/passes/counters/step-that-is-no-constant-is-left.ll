; A step that is no constant may be negative.

define void @f(i32 %s) {
entry:
  br label %loop

loop:
  %i = phi i32 [ -400, %entry ], [ %next, %loop ]
  call void @use(i32 %i)
  %next = add i32 %i, %s
  %done = icmp eq i32 %next, 0
  br i1 %done, label %end, label %loop

end:
  ret void
}

declare void @use(i32)

; ---- unchanged
