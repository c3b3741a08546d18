; A remainder by a constant is a mask, whatever is computed of it.

define void @f(ptr %x, ptr %y, i32 %n) {
entry:
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %low = urem i32 %i, 16
  %twice = shl i32 %low, 1
  %at = zext i32 %twice to i64
  %p = getelementptr i8, ptr %x, i64 %at
  store i8 0, ptr %p, align 1
  %next = add i32 %i, 1
  %done = icmp eq i32 %next, %n
  br i1 %done, label %end, label %loop

end:
  ret void
}

; ---- after
; define void @f(ptr %x, ptr %y, i32 %n) {
; entry:
;   br label %loop
;
; loop:
;   %i = phi i32 [ 0, %entry ], [ %next, %loop ]
;   %low = urem i32 %i, 16
;   %twice = shl i32 %low, 1
;   %at = zext i32 %twice to i64
;   %p = getelementptr i8, ptr %x, i64 %at
;   store i8 0, ptr %p, align 1
;   %next = add i32 %i, 1
;   %done = icmp eq i32 %next, %n
;   br i1 %done, label %end, label %loop, !llvm.loop !0
;
; end:
;   ret void
; }
;
; !0 = distinct !{!0, !1}
; !1 = !{!"llvm.loop.vectorize.enable", i1 false}
