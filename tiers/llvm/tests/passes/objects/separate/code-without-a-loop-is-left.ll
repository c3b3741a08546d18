; Without a loop there is nothing to compare before it.

define void @f(ptr %vmctx, i32 %p, i32 %q) {
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %wide.a = zext i32 %p to i64
  %place.a = getelementptr i8, ptr %base, i64 %wide.a
  %v = load i8, ptr %place.a, align 1
  %wide.b = zext i32 %q to i64
  %place.b = getelementptr i8, ptr %base, i64 %wide.b
  store i8 %v, ptr %place.b, align 1
  ret void
}

!0 = !{}

; ---- unchanged
