; Outside of loops a load whose value is returned is of use.

define i32 @f(ptr %base, i32 %p) {
  %wide.p = zext i32 %p to i64
  %place.p = getelementptr i8, ptr %base, i64 %wide.p
  %v = load i32, ptr %place.p, align 1, !tbaa !1
  ret i32 %v
}

!0 = !{}
!1 = !{!2, !2, i64 0}
!2 = !{!"memory", !3, i64 0}
!3 = !{!"upshift"}

; ---- unchanged
