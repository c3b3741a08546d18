; A loop with two ways in has no one place before it.

define void @f(ptr %vmctx, i32 %start, i32 %end, i1 %c) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  br i1 %c, label %one, label %other

one:
  br label %loop

other:
  br label %loop

loop:
  %i = phi i32 [ %start, %one ], [ %next, %loop ], [ 0, %other ]
  %wide = zext i32 %i to i64
  %place = getelementptr i8, ptr %base, i64 %wide
  store i8 0, ptr %place, align 1
  %next = add i32 %i, 4
  %done = icmp eq i32 %next, %end
  br i1 %done, label %end.block, label %loop

end.block:
  ret void
}

!0 = !{}

; ---- unchanged
