; Each of these expressions tells of its own that it is no larger than 2^20.

define i32 @masked(ptr %vmctx, i32 %x, i32 %n, i8 %byte, i1 %c) {
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %wide.x = zext i32 %x to i64
  %at.x = getelementptr i8, ptr %base, i64 %wide.x
  %a = load i32, ptr %at.x, align 1
  %i = and i32 %n, 1020
  %y = add i32 %x, %i
  %wide.y = zext i32 %y to i64
  %at.y = getelementptr i8, ptr %base, i64 %wide.y
  %b = load i32, ptr %at.y, align 1
  %sum = add i32 %a, %b
  ret i32 %sum
}

define i32 @extended(ptr %vmctx, i32 %x, i32 %n, i8 %byte, i1 %c) {
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %wide.x = zext i32 %x to i64
  %at.x = getelementptr i8, ptr %base, i64 %wide.x
  %a = load i32, ptr %at.x, align 1
  %i = zext i8 %byte to i32
  %y = add i32 %x, %i
  %wide.y = zext i32 %y to i64
  %at.y = getelementptr i8, ptr %base, i64 %wide.y
  %b = load i32, ptr %at.y, align 1
  %sum = add i32 %a, %b
  ret i32 %sum
}

define i32 @shifted_left(ptr %vmctx, i32 %x, i32 %n, i8 %byte, i1 %c) {
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %wide.x = zext i32 %x to i64
  %at.x = getelementptr i8, ptr %base, i64 %wide.x
  %a = load i32, ptr %at.x, align 1
  %m = and i32 %n, 255
  %i = shl i32 %m, 2
  %y = add i32 %x, %i
  %wide.y = zext i32 %y to i64
  %at.y = getelementptr i8, ptr %base, i64 %wide.y
  %b = load i32, ptr %at.y, align 1
  %sum = add i32 %a, %b
  ret i32 %sum
}

define i32 @shifted_right(ptr %vmctx, i32 %x, i32 %n, i8 %byte, i1 %c) {
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %wide.x = zext i32 %x to i64
  %at.x = getelementptr i8, ptr %base, i64 %wide.x
  %a = load i32, ptr %at.x, align 1
  %i = lshr i32 %n, 12
  %y = add i32 %x, %i
  %wide.y = zext i32 %y to i64
  %at.y = getelementptr i8, ptr %base, i64 %wide.y
  %b = load i32, ptr %at.y, align 1
  %sum = add i32 %a, %b
  ret i32 %sum
}

define i32 @multiplied(ptr %vmctx, i32 %x, i32 %n, i8 %byte, i1 %c) {
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %wide.x = zext i32 %x to i64
  %at.x = getelementptr i8, ptr %base, i64 %wide.x
  %a = load i32, ptr %at.x, align 1
  %m = and i32 %n, 255
  %i = mul i32 %m, 24
  %y = add i32 %x, %i
  %wide.y = zext i32 %y to i64
  %at.y = getelementptr i8, ptr %base, i64 %wide.y
  %b = load i32, ptr %at.y, align 1
  %sum = add i32 %a, %b
  ret i32 %sum
}

define i32 @added(ptr %vmctx, i32 %x, i32 %n, i8 %byte, i1 %c) {
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %wide.x = zext i32 %x to i64
  %at.x = getelementptr i8, ptr %base, i64 %wide.x
  %a = load i32, ptr %at.x, align 1
  %m = and i32 %n, 255
  %e = zext i8 %byte to i32
  %i = add i32 %m, %e
  %y = add i32 %x, %i
  %wide.y = zext i32 %y to i64
  %at.y = getelementptr i8, ptr %base, i64 %wide.y
  %b = load i32, ptr %at.y, align 1
  %sum = add i32 %a, %b
  ret i32 %sum
}

define i32 @remainder(ptr %vmctx, i32 %x, i32 %n, i8 %byte, i1 %c) {
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %wide.x = zext i32 %x to i64
  %at.x = getelementptr i8, ptr %base, i64 %wide.x
  %a = load i32, ptr %at.x, align 1
  %i = urem i32 %n, 1000
  %y = add i32 %x, %i
  %wide.y = zext i32 %y to i64
  %at.y = getelementptr i8, ptr %base, i64 %wide.y
  %b = load i32, ptr %at.y, align 1
  %sum = add i32 %a, %b
  ret i32 %sum
}

define i32 @chosen(ptr %vmctx, i32 %x, i32 %n, i8 %byte, i1 %c) {
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %wide.x = zext i32 %x to i64
  %at.x = getelementptr i8, ptr %base, i64 %wide.x
  %a = load i32, ptr %at.x, align 1
  %m = and i32 %n, 255
  %i = select i1 %c, i32 %m, i32 1000
  %y = add i32 %x, %i
  %wide.y = zext i32 %y to i64
  %at.y = getelementptr i8, ptr %base, i64 %wide.y
  %b = load i32, ptr %at.y, align 1
  %sum = add i32 %a, %b
  ret i32 %sum
}

!0 = !{}

; ---- after
; define i32 @masked(ptr %vmctx, i32 %x, i32 %n, i8 %byte, i1 %c) {
;   %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
;   %wide.x = zext i32 %x to i64
;   %at.x = getelementptr i8, ptr %base, i64 %wide.x
;   %a = load i32, ptr %at.x, align 1
;   %i = and i32 %n, 1020
;   %y = add i32 %x, %i
;   %wide.y = zext i32 %y to i64
;   %1 = zext i32 %i to i64
;   %2 = add nuw nsw i64 %wide.x, %1
;   %at.y = getelementptr i8, ptr %base, i64 %2
;   %b = load i32, ptr %at.y, align 1
;   %sum = add i32 %a, %b
;   ret i32 %sum
; }
;
; define i32 @extended(ptr %vmctx, i32 %x, i32 %n, i8 %byte, i1 %c) {
;   %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
;   %wide.x = zext i32 %x to i64
;   %at.x = getelementptr i8, ptr %base, i64 %wide.x
;   %a = load i32, ptr %at.x, align 1
;   %i = zext i8 %byte to i32
;   %y = add i32 %x, %i
;   %wide.y = zext i32 %y to i64
;   %1 = zext i32 %i to i64
;   %2 = add nuw nsw i64 %wide.x, %1
;   %at.y = getelementptr i8, ptr %base, i64 %2
;   %b = load i32, ptr %at.y, align 1
;   %sum = add i32 %a, %b
;   ret i32 %sum
; }
;
; define i32 @shifted_left(ptr %vmctx, i32 %x, i32 %n, i8 %byte, i1 %c) {
;   %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
;   %wide.x = zext i32 %x to i64
;   %at.x = getelementptr i8, ptr %base, i64 %wide.x
;   %a = load i32, ptr %at.x, align 1
;   %m = and i32 %n, 255
;   %i = shl i32 %m, 2
;   %y = add i32 %x, %i
;   %wide.y = zext i32 %y to i64
;   %1 = zext i32 %i to i64
;   %2 = add nuw nsw i64 %wide.x, %1
;   %at.y = getelementptr i8, ptr %base, i64 %2
;   %b = load i32, ptr %at.y, align 1
;   %sum = add i32 %a, %b
;   ret i32 %sum
; }
;
; define i32 @shifted_right(ptr %vmctx, i32 %x, i32 %n, i8 %byte, i1 %c) {
;   %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
;   %wide.x = zext i32 %x to i64
;   %at.x = getelementptr i8, ptr %base, i64 %wide.x
;   %a = load i32, ptr %at.x, align 1
;   %i = lshr i32 %n, 12
;   %y = add i32 %x, %i
;   %wide.y = zext i32 %y to i64
;   %1 = zext i32 %i to i64
;   %2 = add nuw nsw i64 %wide.x, %1
;   %at.y = getelementptr i8, ptr %base, i64 %2
;   %b = load i32, ptr %at.y, align 1
;   %sum = add i32 %a, %b
;   ret i32 %sum
; }
;
; define i32 @multiplied(ptr %vmctx, i32 %x, i32 %n, i8 %byte, i1 %c) {
;   %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
;   %wide.x = zext i32 %x to i64
;   %at.x = getelementptr i8, ptr %base, i64 %wide.x
;   %a = load i32, ptr %at.x, align 1
;   %m = and i32 %n, 255
;   %i = mul i32 %m, 24
;   %y = add i32 %x, %i
;   %wide.y = zext i32 %y to i64
;   %1 = zext i32 %i to i64
;   %2 = add nuw nsw i64 %wide.x, %1
;   %at.y = getelementptr i8, ptr %base, i64 %2
;   %b = load i32, ptr %at.y, align 1
;   %sum = add i32 %a, %b
;   ret i32 %sum
; }
;
; define i32 @added(ptr %vmctx, i32 %x, i32 %n, i8 %byte, i1 %c) {
;   %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
;   %wide.x = zext i32 %x to i64
;   %at.x = getelementptr i8, ptr %base, i64 %wide.x
;   %a = load i32, ptr %at.x, align 1
;   %m = and i32 %n, 255
;   %e = zext i8 %byte to i32
;   %i = add i32 %m, %e
;   %y = add i32 %x, %i
;   %wide.y = zext i32 %y to i64
;   %1 = zext i32 %i to i64
;   %2 = add nuw nsw i64 %wide.x, %1
;   %at.y = getelementptr i8, ptr %base, i64 %2
;   %b = load i32, ptr %at.y, align 1
;   %sum = add i32 %a, %b
;   ret i32 %sum
; }
;
; define i32 @remainder(ptr %vmctx, i32 %x, i32 %n, i8 %byte, i1 %c) {
;   %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
;   %wide.x = zext i32 %x to i64
;   %at.x = getelementptr i8, ptr %base, i64 %wide.x
;   %a = load i32, ptr %at.x, align 1
;   %i = urem i32 %n, 1000
;   %y = add i32 %x, %i
;   %wide.y = zext i32 %y to i64
;   %1 = zext i32 %i to i64
;   %2 = add nuw nsw i64 %wide.x, %1
;   %at.y = getelementptr i8, ptr %base, i64 %2
;   %b = load i32, ptr %at.y, align 1
;   %sum = add i32 %a, %b
;   ret i32 %sum
; }
;
; define i32 @chosen(ptr %vmctx, i32 %x, i32 %n, i8 %byte, i1 %c) {
;   %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
;   %wide.x = zext i32 %x to i64
;   %at.x = getelementptr i8, ptr %base, i64 %wide.x
;   %a = load i32, ptr %at.x, align 1
;   %m = and i32 %n, 255
;   %i = select i1 %c, i32 %m, i32 1000
;   %y = add i32 %x, %i
;   %wide.y = zext i32 %y to i64
;   %1 = zext i32 %i to i64
;   %2 = add nuw nsw i64 %wide.x, %1
;   %at.y = getelementptr i8, ptr %base, i64 %2
;   %b = load i32, ptr %at.y, align 1
;   %sum = add i32 %a, %b
;   ret i32 %sum
; }
;
; !0 = !{}
