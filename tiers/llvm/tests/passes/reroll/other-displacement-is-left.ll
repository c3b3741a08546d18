; An offset of eight is not where the first copy stores a round later, which is four further.

define void @f(ptr %vmctx, i32 %v) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %wide = zext i32 %i to i64
  %place = getelementptr i8, ptr %base, i64 %wide
  store i32 %v, ptr %place, align 1
  %field = getelementptr i8, ptr %place, i64 8
  store i32 %v, ptr %field, align 1
  %next = add i32 %i, 8
  %done = icmp eq i32 %next, 400
  br i1 %done, label %end.block, label %loop

end.block:
  ret void
}

!0 = !{}

; ---- unchanged
