; A loop without an end does not run a known number of rounds.

define void @f(ptr %vmctx, i32 %start) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  br label %loop

loop:
  %i = phi i32 [ %start, %entry ], [ %next, %loop ]
  %wide = zext i32 %i to i64
  %place = getelementptr i8, ptr %base, i64 %wide
  store i8 0, ptr %place, align 1
  %next = add i32 %i, 4
  br label %loop
}

!0 = !{}

; ---- unchanged
