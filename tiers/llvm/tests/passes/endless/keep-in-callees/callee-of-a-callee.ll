; The same goes for what the callee calls.

define internal i32 @get(ptr %base, i32 %p) {
  %wide.p = zext i32 %p to i64
  %place.p = getelementptr i8, ptr %base, i64 %wide.p
  %v = load i32, ptr %place.p, align 1, !tbaa !1
  %w = call i32 @get.too(ptr %base, i32 %v)
  ret i32 %v
}

define void @f(ptr %base, i32 %n) {
entry:
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %v = call i32 @get(ptr %base, i32 %i)
  %next = add i32 %i, 1
  br label %loop
}

define internal i32 @get.too(ptr %base, i32 %p) {
  %wide.p = zext i32 %p to i64
  %place.p = getelementptr i8, ptr %base, i64 %wide.p
  %v = load i32, ptr %place.p, align 1, !tbaa !1
  ret i32 %v
}

!0 = !{}
!1 = !{!2, !2, i64 0}
!2 = !{!"memory", !3, i64 0}
!3 = !{!"upshift"}

; ---- after
; define internal i32 @get(ptr %base, i32 %p) {
;   %wide.p = zext i32 %p to i64
;   %place.p = getelementptr i8, ptr %base, i64 %wide.p
;   %v = load i32, ptr %place.p, align 1, !tbaa !0
;   %w = call i32 @get.too(ptr %base, i32 %v)
;   ret i32 %v
; }
;
; define void @f(ptr %base, i32 %n) {
; entry:
;   br label %loop
;
; loop:
;   %i = phi i32 [ 0, %entry ], [ %next, %loop ]
;   %v = call i32 @get(ptr %base, i32 %i)
;   %next = add i32 %i, 1
;   br label %loop
; }
;
; define internal i32 @get.too(ptr %base, i32 %p) {
;   %wide.p = zext i32 %p to i64
;   %place.p = getelementptr i8, ptr %base, i64 %wide.p
;   %v = load volatile i32, ptr %place.p, align 1, !tbaa !0
;   ret i32 %v
; }
;
; !0 = !{!1, !1, i64 0}
; !1 = !{!"memory", !2, i64 0}
; !2 = !{!"upshift"}
