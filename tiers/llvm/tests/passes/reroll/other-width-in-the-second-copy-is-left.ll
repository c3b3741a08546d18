; Copies store as many bytes.

define void @f(ptr %vmctx, i32 %v) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %from.0 = add i32 %i, 4096
  %wide.f0 = zext i32 %from.0 to i64
  %place.f0 = getelementptr i8, ptr %base, i64 %wide.f0
  %x.0 = load i32, ptr %place.f0, align 1
  %y.0 = trunc i32 %x.0 to i16
  %wide.0 = zext i32 %i to i64
  %place.0 = getelementptr i8, ptr %base, i64 %wide.0
  store i16 %y.0, ptr %place.0, align 1
  %from.4 = add i32 %i, 4100
  %wide.f4 = zext i32 %from.4 to i64
  %place.f4 = getelementptr i8, ptr %base, i64 %wide.f4
  %x.4 = load i32, ptr %place.f4, align 1
  %y.4 = trunc i32 %x.4 to i8
  %i.4 = add i32 %i, 4
  %wide.4 = zext i32 %i.4 to i64
  %place.4 = getelementptr i8, ptr %base, i64 %wide.4
  store i8 %y.4, ptr %place.4, align 1
  %next = add i32 %i, 8
  %done = icmp eq i32 %next, 400
  br i1 %done, label %end.block, label %loop

end.block:
  ret void
}

!0 = !{}

; ---- unchanged
