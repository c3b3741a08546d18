; A sum of 16 bits wraps around at 2^16.

define i32 @f(ptr %vmctx, i16 %x) {
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %wide.x = zext i16 %x to i64
  %at.x = getelementptr i8, ptr %base, i64 %wide.x
  %a = load i32, ptr %at.x, align 1
  %y = add i16 %x, 8
  %wide.y = zext i16 %y to i64
  %at.y = getelementptr i8, ptr %base, i64 %wide.y
  %b = load i32, ptr %at.y, align 1
  %sum = add i32 %a, %b
  ret i32 %sum
}

!0 = !{}

; ---- unchanged
