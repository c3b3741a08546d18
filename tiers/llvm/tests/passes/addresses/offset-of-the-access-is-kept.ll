; An offset that the access has of its own stays behind the sum, with which it does not wrap around 64 bits.

define i32 @f(ptr %vmctx, i32 %x) {
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %wide.x = zext i32 %x to i64
  %at.x = getelementptr i8, ptr %base, i64 %wide.x
  %a = load i32, ptr %at.x, align 1
  %y = add i32 %x, 8
  %wide.y = zext i32 %y to i64
  %at.y = getelementptr i8, ptr %base, i64 %wide.y
  %at.field = getelementptr i8, ptr %at.y, i64 4
  %b = load i32, ptr %at.field, align 1
  %sum = add i32 %a, %b
  ret i32 %sum
}

!0 = !{}

; ---- after
; define i32 @f(ptr %vmctx, i32 %x) {
;   %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
;   %wide.x = zext i32 %x to i64
;   %at.x = getelementptr i8, ptr %base, i64 %wide.x
;   %a = load i32, ptr %at.x, align 1
;   %y = add i32 %x, 8
;   %wide.y = zext i32 %y to i64
;   %1 = add nuw nsw i64 %wide.x, 8
;   %at.y = getelementptr i8, ptr %base, i64 %1
;   %at.field = getelementptr i8, ptr %at.y, i64 4
;   %b = load i32, ptr %at.field, align 1
;   %sum = add i32 %a, %b
;   ret i32 %sum
; }
;
; !0 = !{}
