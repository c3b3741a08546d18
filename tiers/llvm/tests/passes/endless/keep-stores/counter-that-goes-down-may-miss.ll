; A counter that goes down by two may miss its bound as well.

define void @f(ptr %base, i32 %p, i32 %n) {
entry:
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %wide.p = zext i32 %p to i64
  %place.p = getelementptr i8, ptr %base, i64 %wide.p
  store i32 %i, ptr %place.p, align 1, !tbaa !1
  %next = add i32 %i, -2
  %done = icmp eq i32 %next, %n
  br i1 %done, label %end, label %loop

end:
  ret void
}

!0 = !{}
!1 = !{!2, !2, i64 0}
!2 = !{!"memory", !3, i64 0}
!3 = !{!"upshift"}

; ---- after
; define void @f(ptr %base, i32 %p, i32 %n) {
; entry:
;   br label %loop
;
; loop:
;   %i = phi i32 [ 0, %entry ], [ %next, %loop ]
;   %wide.p = zext i32 %p to i64
;   %place.p = getelementptr i8, ptr %base, i64 %wide.p
;   store volatile i32 %i, ptr %place.p, align 1, !tbaa !0
;   %next = add i32 %i, -2
;   %done = icmp eq i32 %next, %n
;   br i1 %done, label %end, label %loop
;
; end:
;   ret void
; }
;
; !0 = !{!1, !1, i64 0}
; !1 = !{!"memory", !2, i64 0}
; !2 = !{!"upshift"}
