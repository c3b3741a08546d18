; Whether this is the last round is asked of the end of a round only, and not stored by it.

define void @f(ptr %vmctx, i32 %v) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %next = add i32 %i, 8
  %done = icmp eq i32 %next, 400
  %flag.0 = zext i1 %done to i32
  %wide.0 = zext i32 %i to i64
  %place.0 = getelementptr i8, ptr %base, i64 %wide.0
  store i32 %flag.0, ptr %place.0, align 1
  %i.4 = add i32 %i, 4
  %i.12 = add i32 %i, 12
  %later = icmp eq i32 %i.12, 400
  %flag.4 = zext i1 %later to i32
  %wide.4 = zext i32 %i.4 to i64
  %place.4 = getelementptr i8, ptr %base, i64 %wide.4
  store i32 %flag.4, ptr %place.4, align 1
  br i1 %done, label %end.block, label %loop

end.block:
  ret void
}

!0 = !{}

; ---- unchanged
