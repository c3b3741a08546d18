; Rounds are counted where the ending counter has 32 bits.

define void @f(ptr %vmctx, i64 %n) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  br label %loop

loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %short = trunc i64 %i to i32
  %wide = zext i32 %short to i64
  %place = getelementptr i8, ptr %base, i64 %wide
  store i8 0, ptr %place, align 1
  %next = add i64 %i, 1
  %done = icmp eq i64 %next, %n
  br i1 %done, label %end.block, label %loop

end.block:
  ret void
}

!0 = !{}

; ---- unchanged
