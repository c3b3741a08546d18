; An extension of a single bit is that of a comparison.

define void @f(ptr %x, ptr %y, i32 %n) {
entry:
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %less = icmp ult i32 %i, 7
  %at = zext i1 %less to i64
  %p = getelementptr i8, ptr %x, i64 %at
  store i8 0, ptr %p, align 1
  %next = add i32 %i, 1
  %done = icmp eq i32 %next, %n
  br i1 %done, label %end, label %loop

end:
  ret void
}

; ---- unchanged
