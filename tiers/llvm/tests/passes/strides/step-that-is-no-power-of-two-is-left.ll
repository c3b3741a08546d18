; A counter by twelves does not meet forty, which is a multiple of four; or it does in numbers that wrap around, but
; then not first.

define void @f(ptr %vmctx, i32 %n) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %p = phi i32 [ 0, %entry ], [ %p.next, %loop ]
  %wide = zext i32 %p to i64
  %place = getelementptr i8, ptr %base, i64 %wide
  store i8 0, ptr %place, align 1
  %p.next = add i32 %p, 4
  %next = add i32 %i, 12
  %done = icmp eq i32 %next, 40
  br i1 %done, label %end.block, label %loop

end.block:
  ret void
}

!0 = !{}

; ---- unchanged
