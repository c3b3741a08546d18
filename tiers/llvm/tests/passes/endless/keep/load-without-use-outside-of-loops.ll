; A function whose load has no use may be called in a loop that only this load ends.

define void @f(ptr %base, i32 %p) {
  %wide.p = zext i32 %p to i64
  %place.p = getelementptr i8, ptr %base, i64 %wide.p
  %v = load i32, ptr %place.p, align 1, !tbaa !1
  ret void
}

!0 = !{}
!1 = !{!2, !2, i64 0}
!2 = !{!"memory", !3, i64 0}
!3 = !{!"upshift"}

; ---- after
; define void @f(ptr %base, i32 %p) {
;   %wide.p = zext i32 %p to i64
;   %place.p = getelementptr i8, ptr %base, i64 %wide.p
;   %v = load volatile i32, ptr %place.p, align 1, !tbaa !0
;   ret void
; }
;
; !0 = !{!1, !1, i64 0}
; !1 = !{!"memory", !2, i64 0}
; !2 = !{!"upshift"}
