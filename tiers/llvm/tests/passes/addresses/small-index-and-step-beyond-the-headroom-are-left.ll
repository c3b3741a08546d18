; The index and the constant together reach farther than the headroom: 2^20 - 1 + 4.

define i32 @f(ptr %vmctx, i32 %x, i32 %n) {
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %wide.x = zext i32 %x to i64
  %at.x = getelementptr i8, ptr %base, i64 %wide.x
  %a = load i32, ptr %at.x, align 1
  %i = and i32 %n, 1048575
  %z = add i32 %x, %i
  %y = add i32 %z, 4
  %wide.y = zext i32 %y to i64
  %at.y = getelementptr i8, ptr %base, i64 %wide.y
  %b = load i32, ptr %at.y, align 1
  %sum = add i32 %a, %b
  ret i32 %sum
}

!0 = !{}

; ---- unchanged
