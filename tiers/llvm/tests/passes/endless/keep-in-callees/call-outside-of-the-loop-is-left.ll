; A call before the loop is made once.

define internal i32 @get(ptr %base, i32 %p) {
  %wide.p = zext i32 %p to i64
  %place.p = getelementptr i8, ptr %base, i64 %wide.p
  %v = load i32, ptr %place.p, align 1, !tbaa !1
  ret i32 %v
}

define void @f(ptr %base, i32 %n) {
entry:
  %v = call i32 @get(ptr %base, i32 %n)
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %next = add i32 %i, 1
  br label %loop
}

!0 = !{}
!1 = !{!2, !2, i64 0}
!2 = !{!"memory", !3, i64 0}
!3 = !{!"upshift"}

; ---- unchanged
