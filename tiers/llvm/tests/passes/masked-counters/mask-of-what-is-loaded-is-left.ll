; What is loaded from an address of the counter's is no counter.

define void @f(ptr %x, ptr %y, i32 %n) {
entry:
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %wide = zext i32 %i to i64
  %q = getelementptr i8, ptr %y, i64 %wide
  %v = load i8, ptr %q, align 1
  %low = and i8 %v, 15
  %at = zext i8 %low to i64
  %p = getelementptr i8, ptr %x, i64 %at
  store i8 0, ptr %p, align 1
  %next = add i32 %i, 1
  %done = icmp eq i32 %next, %n
  br i1 %done, label %end, label %loop

end:
  ret void
}

; ---- unchanged
