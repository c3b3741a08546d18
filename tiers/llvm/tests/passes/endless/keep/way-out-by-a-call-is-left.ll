; What a call returns may change from round to round.

define void @f(ptr %base, i32 %p, i32 %n) {
entry:
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %v = call i32 @host()
  %wide.i = zext i32 %i to i64
  %place.i = getelementptr i8, ptr %base, i64 %wide.i
  store i32 %p, ptr %place.i, align 1, !tbaa !1
  %next = add i32 %i, 1
  %done = icmp eq i32 %v, 0
  br i1 %done, label %end, label %loop

end:
  ret void
}

declare i32 @host()

!0 = !{}
!1 = !{!2, !2, i64 0}
!2 = !{!"memory", !3, i64 0}
!3 = !{!"upshift"}

; ---- unchanged
