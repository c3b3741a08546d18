; A store to one address in a loop that ends, inside of one that does not, would be moved to behind the outer one.

define void @f(ptr %base, i32 %p, i32 %n) {
entry:
  br label %outer

outer:
  br label %inner

inner:
  %i = phi i32 [ 0, %outer ], [ %next, %inner ]
  %wide.p = zext i32 %p to i64
  %place.p = getelementptr i8, ptr %base, i64 %wide.p
  store i32 %i, ptr %place.p, align 1, !tbaa !1
  %next = add i32 %i, 1
  %done = icmp eq i32 %next, %n
  br i1 %done, label %again, label %inner

again:
  br label %outer
}

!0 = !{}
!1 = !{!2, !2, i64 0}
!2 = !{!"memory", !3, i64 0}
!3 = !{!"upshift"}

; ---- after
; define void @f(ptr %base, i32 %p, i32 %n) {
; entry:
;   br label %outer
;
; outer:
;   br label %inner
;
; inner:
;   %i = phi i32 [ 0, %outer ], [ %next, %inner ]
;   %wide.p = zext i32 %p to i64
;   %place.p = getelementptr i8, ptr %base, i64 %wide.p
;   store volatile i32 %i, ptr %place.p, align 1, !tbaa !0
;   %next = add i32 %i, 1
;   %done = icmp eq i32 %next, %n
;   br i1 %done, label %again, label %inner
;
; again:
;   br label %outer
; }
;
; !0 = !{!1, !1, i64 0}
; !1 = !{!"memory", !2, i64 0}
; !2 = !{!"upshift"}
