; An access in a block through which every way leads here came before.

define i32 @f(ptr %vmctx, i32 %x, i1 %c) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %wide.x = zext i32 %x to i64
  %at.x = getelementptr i8, ptr %base, i64 %wide.x
  %a = load i32, ptr %at.x, align 1
  br i1 %c, label %then, label %end

then:
  %y = add i32 %x, 4
  %wide.y = zext i32 %y to i64
  %at.y = getelementptr i8, ptr %base, i64 %wide.y
  %b = load i32, ptr %at.y, align 1
  br label %end

end:
  %r = phi i32 [ %a, %entry ], [ %b, %then ]
  ret i32 %r
}

!0 = !{}

; ---- after
; define i32 @f(ptr %vmctx, i32 %x, i1 %c) {
; entry:
;   %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
;   %wide.x = zext i32 %x to i64
;   %at.x = getelementptr i8, ptr %base, i64 %wide.x
;   %a = load i32, ptr %at.x, align 1
;   br i1 %c, label %then, label %end
;
; then:
;   %y = add i32 %x, 4
;   %wide.y = zext i32 %y to i64
;   %0 = add nuw nsw i64 %wide.x, 4
;   %at.y = getelementptr i8, ptr %base, i64 %0
;   %b = load i32, ptr %at.y, align 1
;   br label %end
;
; end:
;   %r = phi i32 [ %a, %entry ], [ %b, %then ]
;   ret i32 %r
; }
;
; !0 = !{}
