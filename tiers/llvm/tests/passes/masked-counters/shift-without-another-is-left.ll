; A shift to the right on its own is no mask.

define void @f(ptr %x, ptr %y, i32 %n) {
entry:
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %low = ashr i32 %i, 4
  %at = sext i32 %low to i64
  %p = getelementptr i8, ptr %x, i64 %at
  store i8 0, ptr %p, align 1
  %next = add i32 %i, 1
  %done = icmp eq i32 %next, %n
  br i1 %done, label %end, label %loop

end:
  ret void
}

; ---- unchanged
