; An index that is extended with its sign is none that the emitter made.

define void @f(ptr %vmctx, i32 %start, i32 %end) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  br label %loop

loop:
  %i = phi i32 [ %start, %entry ], [ %next, %loop ]
  %wide = sext i32 %i to i64
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
