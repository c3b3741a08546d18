; A store is an access as good as a load, before and after.

define void @f(ptr %vmctx, i32 %x, i32 %v) {
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %wide.x = zext i32 %x to i64
  %at.x = getelementptr i8, ptr %base, i64 %wide.x
  store i32 %v, ptr %at.x, align 1
  %y = add i32 %x, 4
  %wide.y = zext i32 %y to i64
  %at.y = getelementptr i8, ptr %base, i64 %wide.y
  store i32 %v, ptr %at.y, align 1
  ret void
}

!0 = !{}

; ---- after
; define void @f(ptr %vmctx, i32 %x, i32 %v) {
;   %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
;   %wide.x = zext i32 %x to i64
;   %at.x = getelementptr i8, ptr %base, i64 %wide.x
;   store i32 %v, ptr %at.x, align 1
;   %y = add i32 %x, 4
;   %wide.y = zext i32 %y to i64
;   %1 = add nuw nsw i64 %wide.x, 4
;   %at.y = getelementptr i8, ptr %base, i64 %1
;   store i32 %v, ptr %at.y, align 1
;   ret void
; }
;
; !0 = !{}
