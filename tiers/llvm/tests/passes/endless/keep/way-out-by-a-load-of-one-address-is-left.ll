; What is loaded from one address may change from round to round.

define void @f(ptr %base, i32 %p, i32 %n) {
entry:
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %wide.q = zext i32 %p to i64
  %place.q = getelementptr i8, ptr %base, i64 %wide.q
  %v = load i32, ptr %place.q, align 1, !tbaa !1
  %wide.i = zext i32 %i to i64
  %place.i = getelementptr i8, ptr %base, i64 %wide.i
  store i32 %p, ptr %place.i, align 1, !tbaa !1
  %next = add i32 %i, 1
  %done = icmp eq i32 %v, 0
  br i1 %done, label %end, label %loop

end:
  ret void
}

!0 = !{}
!1 = !{!2, !2, i64 0}
!2 = !{!"memory", !3, i64 0}
!3 = !{!"upshift"}

; ---- unchanged
