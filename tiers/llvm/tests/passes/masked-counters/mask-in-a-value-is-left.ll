; A mask that leads to no address and does not end the loop does no harm.

define void @f(ptr %x, ptr %y, i32 %n) {
entry:
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %at = zext i32 %i to i64
  %low = and i32 %i, 15
  %v = trunc i32 %low to i8
  %p = getelementptr i8, ptr %x, i64 %at
  store i8 %v, ptr %p, align 1
  %next = add i32 %i, 1
  %done = icmp eq i32 %next, %n
  br i1 %done, label %end, label %loop

end:
  ret void
}

; ---- unchanged
