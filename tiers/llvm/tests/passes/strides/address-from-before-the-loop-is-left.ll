; An address in 64 bits that is made before the loop does not advance.

define void @f(ptr %vmctx, i32 %start, i32 %end, i32 %x) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %wide = zext i32 %x to i64
  br label %loop

loop:
  %i = phi i32 [ %start, %entry ], [ %next, %loop ]
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
