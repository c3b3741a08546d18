; A condition that is the same in all rounds is no way out that can be relied on: it is taken in the first round or
; never.

define void @f(ptr %base, i32 %p, i32 %n) {
entry:
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %wide.i = zext i32 %i to i64
  %place.i = getelementptr i8, ptr %base, i64 %wide.i
  store i32 %p, ptr %place.i, align 1, !tbaa !1
  %next = add i32 %i, 1
  %never = icmp eq i32 %n, 0
  br i1 %never, label %end, label %loop

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
;   %wide.i = zext i32 %i to i64
;   %place.i = getelementptr i8, ptr %base, i64 %wide.i
;   store volatile i32 %p, ptr %place.i, align 1, !tbaa !0
;   %next = add i32 %i, 1
;   %never = icmp eq i32 %n, 0
;   br i1 %never, label %end, label %loop
;
; end:
;   ret void
; }
;
; !0 = !{!1, !1, i64 0}
; !1 = !{!"memory", !2, i64 0}
; !2 = !{!"upshift"}
