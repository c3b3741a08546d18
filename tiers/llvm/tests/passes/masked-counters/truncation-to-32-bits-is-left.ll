; A number of 32 bits is what addresses are counted in, also if it is the lower half of another.

define void @f(ptr %x, ptr %y, i32 %n) {
entry:
  br label %loop

loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %low = trunc i64 %i to i32
  %at = zext i32 %low to i64
  %p = getelementptr i8, ptr %x, i64 %at
  store i8 0, ptr %p, align 1
  %next = add i64 %i, 1
  %done = icmp eq i64 %next, 4096
  br i1 %done, label %end, label %loop

end:
  ret void
}

; ---- unchanged
