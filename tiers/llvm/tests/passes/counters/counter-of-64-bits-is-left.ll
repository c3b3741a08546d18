; A counter of 64 bits needs no widening.

define void @f(ptr %p) {
entry:
  br label %loop

loop:
  %i = phi i64 [ -400, %entry ], [ %next, %loop ]
  call void @use(i64 %i)
  %next = add i64 %i, 4
  %done = icmp eq i64 %next, 0
  br i1 %done, label %end, label %loop

end:
  ret void
}

declare void @use(i64)

; ---- unchanged
