; None of these expressions keeps below 2^20: masks and shifts too wide, products that wrap around, and numbers with a
; sign.

define i32 @mask_too_wide(ptr %vmctx, i32 %x, i32 %n, i8 %byte, i1 %c) {
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %wide.x = zext i32 %x to i64
  %at.x = getelementptr i8, ptr %base, i64 %wide.x
  %a = load i32, ptr %at.x, align 1
  %i = and i32 %n, 2097151
  %y = add i32 %x, %i
  %wide.y = zext i32 %y to i64
  %at.y = getelementptr i8, ptr %base, i64 %wide.y
  %b = load i32, ptr %at.y, align 1
  %sum = add i32 %a, %b
  ret i32 %sum
}

define i32 @mask_that_may_be_anything(ptr %vmctx, i32 %x, i32 %n, i8 %byte, i1 %c) {
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %wide.x = zext i32 %x to i64
  %at.x = getelementptr i8, ptr %base, i64 %wide.x
  %a = load i32, ptr %at.x, align 1
  %i = and i32 %n, %x
  %y = add i32 %x, %i
  %wide.y = zext i32 %y to i64
  %at.y = getelementptr i8, ptr %base, i64 %wide.y
  %b = load i32, ptr %at.y, align 1
  %sum = add i32 %a, %b
  ret i32 %sum
}

define i32 @shifted_left_too_far(ptr %vmctx, i32 %x, i32 %n, i8 %byte, i1 %c) {
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %wide.x = zext i32 %x to i64
  %at.x = getelementptr i8, ptr %base, i64 %wide.x
  %a = load i32, ptr %at.x, align 1
  %m = and i32 %n, 255
  %i = shl i32 %m, 28
  %y = add i32 %x, %i
  %wide.y = zext i32 %y to i64
  %at.y = getelementptr i8, ptr %base, i64 %wide.y
  %b = load i32, ptr %at.y, align 1
  %sum = add i32 %a, %b
  ret i32 %sum
}

define i32 @shifted_right_too_little(ptr %vmctx, i32 %x, i32 %n, i8 %byte, i1 %c) {
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %wide.x = zext i32 %x to i64
  %at.x = getelementptr i8, ptr %base, i64 %wide.x
  %a = load i32, ptr %at.x, align 1
  %i = lshr i32 %n, 11
  %y = add i32 %x, %i
  %wide.y = zext i32 %y to i64
  %at.y = getelementptr i8, ptr %base, i64 %wide.y
  %b = load i32, ptr %at.y, align 1
  %sum = add i32 %a, %b
  ret i32 %sum
}

define i32 @multiplied_beyond_32_bits(ptr %vmctx, i32 %x, i32 %n, i8 %byte, i1 %c) {
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %wide.x = zext i32 %x to i64
  %at.x = getelementptr i8, ptr %base, i64 %wide.x
  %a = load i32, ptr %at.x, align 1
  %m = and i32 %n, 65535
  %i = mul i32 %m, 65538
  %y = add i32 %x, %i
  %wide.y = zext i32 %y to i64
  %at.y = getelementptr i8, ptr %base, i64 %wide.y
  %b = load i32, ptr %at.y, align 1
  %sum = add i32 %a, %b
  ret i32 %sum
}

define i32 @remainder_of_something(ptr %vmctx, i32 %x, i32 %n, i8 %byte, i1 %c) {
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %wide.x = zext i32 %x to i64
  %at.x = getelementptr i8, ptr %base, i64 %wide.x
  %a = load i32, ptr %at.x, align 1
  %i = urem i32 %n, %x
  %y = add i32 %x, %i
  %wide.y = zext i32 %y to i64
  %at.y = getelementptr i8, ptr %base, i64 %wide.y
  %b = load i32, ptr %at.y, align 1
  %sum = add i32 %a, %b
  ret i32 %sum
}

define i32 @rest_with_a_sign(ptr %vmctx, i32 %x, i32 %n, i8 %byte, i1 %c) {
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %wide.x = zext i32 %x to i64
  %at.x = getelementptr i8, ptr %base, i64 %wide.x
  %a = load i32, ptr %at.x, align 1
  %i = srem i32 %n, 1000
  %y = add i32 %x, %i
  %wide.y = zext i32 %y to i64
  %at.y = getelementptr i8, ptr %base, i64 %wide.y
  %b = load i32, ptr %at.y, align 1
  %sum = add i32 %a, %b
  ret i32 %sum
}

define i32 @chosen_from_something(ptr %vmctx, i32 %x, i32 %n, i8 %byte, i1 %c) {
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %wide.x = zext i32 %x to i64
  %at.x = getelementptr i8, ptr %base, i64 %wide.x
  %a = load i32, ptr %at.x, align 1
  %i = select i1 %c, i32 %n, i32 1000
  %y = add i32 %x, %i
  %wide.y = zext i32 %y to i64
  %at.y = getelementptr i8, ptr %base, i64 %wide.y
  %b = load i32, ptr %at.y, align 1
  %sum = add i32 %a, %b
  ret i32 %sum
}

define i32 @one_below(ptr %vmctx, i32 %x, i32 %n, i8 %byte, i1 %c) {
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %wide.x = zext i32 %x to i64
  %at.x = getelementptr i8, ptr %base, i64 %wide.x
  %a = load i32, ptr %at.x, align 1
  %m = and i32 %n, 255
  %i = sub i32 %m, 1
  %y = add i32 %x, %i
  %wide.y = zext i32 %y to i64
  %at.y = getelementptr i8, ptr %base, i64 %wide.y
  %b = load i32, ptr %at.y, align 1
  %sum = add i32 %a, %b
  ret i32 %sum
}

!0 = !{}

; ---- unchanged
