; An index of 16 bits wraps around at 2^16, where memory may be.

define void @f(ptr %vmctx, i32 %n) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %k = phi i16 [ 0, %entry ], [ %k.next, %loop ]
  %wide = zext i16 %k to i64
  %place = getelementptr i8, ptr %base, i64 %wide
  store i8 0, ptr %place, align 1
  %k.next = add i16 %k, 4
  %next = add i32 %i, 1
  %done = icmp eq i32 %next, %n
  br i1 %done, label %end, label %loop

end:
  ret void
}

!0 = !{}

; ---- unchanged
