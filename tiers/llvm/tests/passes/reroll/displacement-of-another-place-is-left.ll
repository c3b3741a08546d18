; Offsets take the place of sums where both are added to one address.

define void @f(ptr %vmctx, i32 %v, i32 %u) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %wide = zext i32 %i to i64
  %place = getelementptr i8, ptr %base, i64 %wide
  store i32 %v, ptr %place, align 1
  %wide.u = zext i32 %u to i64
  %place.u = getelementptr i8, ptr %base, i64 %wide.u
  %field = getelementptr i8, ptr %place.u, i64 4
  store i32 %v, ptr %field, align 1
  %next = add i32 %i, 8
  %done = icmp eq i32 %next, 400
  br i1 %done, label %end.block, label %loop

end.block:
  ret void
}

!0 = !{}

; ---- unchanged
