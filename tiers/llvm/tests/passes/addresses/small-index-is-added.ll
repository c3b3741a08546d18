; An index that its mask keeps below 256 is as good as a constant: x + 12 + 255 does not wrap around either.

define i32 @f(ptr %vmctx, i32 %x, i32 %n) {
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %wide.x = zext i32 %x to i64
  %at.x = getelementptr i8, ptr %base, i64 %wide.x
  %a = load i32, ptr %at.x, align 1
  %i = and i32 %n, 255
  %z = add i32 %x, %i
  %y = add i32 %z, 12
  %wide.y = zext i32 %y to i64
  %at.y = getelementptr i8, ptr %base, i64 %wide.y
  %b = load i32, ptr %at.y, align 1
  %sum = add i32 %a, %b
  ret i32 %sum
}

!0 = !{}

; ---- after
; define i32 @f(ptr %vmctx, i32 %x, i32 %n) {
;   %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
;   %wide.x = zext i32 %x to i64
;   %at.x = getelementptr i8, ptr %base, i64 %wide.x
;   %a = load i32, ptr %at.x, align 1
;   %i = and i32 %n, 255
;   %z = add i32 %x, %i
;   %y = add i32 %z, 12
;   %wide.y = zext i32 %y to i64
;   %1 = zext i32 %i to i64
;   %2 = add nuw nsw i64 %wide.x, %1
;   %3 = add nuw nsw i64 %2, 12
;   %at.y = getelementptr i8, ptr %base, i64 %3
;   %b = load i32, ptr %at.y, align 1
;   %sum = add i32 %a, %b
;   ret i32 %sum
; }
;
; !0 = !{}
