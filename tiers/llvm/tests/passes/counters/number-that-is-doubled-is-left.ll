; A number to which rounds do something else than to add does not count.

define void @f(ptr %p) {
entry:
  br label %loop

loop:
  %i = phi i32 [ -400, %entry ], [ %next, %loop ]
  call void @use(i32 %i)
  %next = shl i32 %i, 1
  %done = icmp eq i32 %next, 0
  br i1 %done, label %end, label %loop

end:
  ret void
}

declare void @use(i32)

; ---- unchanged
