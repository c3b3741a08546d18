; A load whose value matters behind the loop only would be moved there.

define i32 @f(ptr %base, i32 %p, i32 %n) {
entry:
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %wide.i = zext i32 %i to i64
  %place.i = getelementptr i8, ptr %base, i64 %wide.i
  %v = load i32, ptr %place.i, align 1, !tbaa !1
  %next = add i32 %i, 1
  %done = icmp eq i32 %next, %n
  br i1 %done, label %end, label %loop

end:
  ret i32 %v
}

!0 = !{}
!1 = !{!2, !2, i64 0}
!2 = !{!"memory", !3, i64 0}
!3 = !{!"upshift"}

; ---- after
; define i32 @f(ptr %base, i32 %p, i32 %n) {
; entry:
;   br label %loop
;
; loop:
;   %i = phi i32 [ 0, %entry ], [ %next, %loop ]
;   %wide.i = zext i32 %i to i64
;   %place.i = getelementptr i8, ptr %base, i64 %wide.i
;   %v = load volatile i32, ptr %place.i, align 1, !tbaa !0
;   %next = add i32 %i, 1
;   %done = icmp eq i32 %next, %n
;   br i1 %done, label %end, label %loop
;
; end:
;   ret i32 %v
; }
;
; !0 = !{!1, !1, i64 0}
; !1 = !{!"memory", !2, i64 0}
; !2 = !{!"upshift"}
