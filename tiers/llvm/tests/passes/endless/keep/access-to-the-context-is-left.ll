; Accesses to what is the runtime's do not trap.

define void @f(ptr %base, i32 %p, i32 %n) {
entry:
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %wide.i = zext i32 %i to i64
  %place.i = getelementptr i8, ptr %base, i64 %wide.i
  %v = load i32, ptr %place.i, align 1, !tbaa !4
  %next = add i32 %i, 1
  br label %loop
}

!0 = !{}
!1 = !{!2, !2, i64 0}
!2 = !{!"memory", !3, i64 0}
!3 = !{!"upshift"}
!4 = !{!5, !5, i64 0}
!5 = !{!"context", !3, i64 0}

; ---- unchanged
