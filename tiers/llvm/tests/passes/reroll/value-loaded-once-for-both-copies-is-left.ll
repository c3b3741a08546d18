; A round of its own would load anew what the first copy loaded for both.

define void @f(ptr %vmctx, i32 %v) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %x = load i32, ptr %base, align 1
  %y.0 = add i32 %x, %i
  %wide.0 = zext i32 %i to i64
  %place.0 = getelementptr i8, ptr %base, i64 %wide.0
  store i32 %y.0, ptr %place.0, align 1
  %i.4 = add i32 %i, 4
  %y.4 = add i32 %x, %i.4
  %wide.4 = zext i32 %i.4 to i64
  %place.4 = getelementptr i8, ptr %base, i64 %wide.4
  store i32 %y.4, ptr %place.4, align 1
  %next = add i32 %i, 8
  %done = icmp eq i32 %next, 400
  br i1 %done, label %end.block, label %loop

end.block:
  ret void
}

!0 = !{}

; ---- unchanged
