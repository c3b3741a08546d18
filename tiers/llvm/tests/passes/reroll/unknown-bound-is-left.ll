; A loop that advances by four might meet an unknown bound in the middle of what was one round, and end there.

define void @f(ptr %vmctx, i32 %v, i32 %end) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %wide.0 = zext i32 %i to i64
  %place.0 = getelementptr i8, ptr %base, i64 %wide.0
  store i32 %v, ptr %place.0, align 1
  %i.4 = add i32 %i, 4
  %wide.4 = zext i32 %i.4 to i64
  %place.4 = getelementptr i8, ptr %base, i64 %wide.4
  store i32 %v, ptr %place.4, align 1
  %next = add i32 %i, 8
  %done = icmp eq i32 %next, %end
  br i1 %done, label %end.block, label %loop

end.block:
  ret void
}

!0 = !{}

; ---- unchanged
