; An access at an address that has nothing to do with this one says nothing.

define i32 @f(ptr %vmctx, i32 %x, i32 %z) {
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %wide.x = zext i32 %x to i64
  %at.x = getelementptr i8, ptr %base, i64 %wide.x
  %a = load i32, ptr %at.x, align 1
  %y = add i32 %z, 8
  %wide.y = zext i32 %y to i64
  %at.y = getelementptr i8, ptr %base, i64 %wide.y
  %b = load i32, ptr %at.y, align 1
  %sum = add i32 %a, %b
  ret i32 %sum
}

!0 = !{}

; ---- unchanged
