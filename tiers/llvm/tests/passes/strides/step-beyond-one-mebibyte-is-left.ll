; An address that advances by more than the headroom may wrap around without having been out of bounds.

define void @f(ptr %vmctx, i32 %n) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %wide = zext i32 %i to i64
  %place = getelementptr i8, ptr %base, i64 %wide
  store i8 0, ptr %place, align 1
  %next = add i32 %i, 1048580
  %done = icmp eq i32 %next, 4194320
  br i1 %done, label %end.block, label %loop

end.block:
  ret void
}

!0 = !{}

; ---- unchanged
