; A start that is no constant may be above zero.

define void @f(i32 %n) {
entry:
  br label %loop

loop:
  %i = phi i32 [ %n, %entry ], [ %next, %loop ]
  call void @use(i32 %i)
  %next = add i32 %i, 4
  %done = icmp eq i32 %next, 0
  br i1 %done, label %end, label %loop

end:
  ret void
}

declare void @use(i32)

; ---- unchanged
