; The way from outside may be the second one.

define void @f(ptr %p) {
entry:
  br label %loop

loop:
  %i = phi i32 [ %next, %loop ], [ -400, %entry ]
  call void @use(i32 %i)
  %next = add i32 %i, 4
  %done = icmp eq i32 %next, 0
  br i1 %done, label %end, label %loop

end:
  ret void
}

declare void @use(i32)

; ---- after
; define void @f(ptr %p) {
; entry:
;   br label %loop
;
; loop:
;   %0 = phi i32 [ 0, %entry ], [ %2, %loop ]
;   %1 = add i32 %0, -400
;   call void @use(i32 %1)
;   %2 = add i32 %0, 4
;   %3 = add i32 %2, -400
;   %done = icmp eq i32 %3, 0
;   br i1 %done, label %end, label %loop
;
; end:
;   ret void
; }
;
; declare void @use(i32)
