; Two numbers of a loop that begin with one are frozen together, or else they might differ.

define i32 @f(i32 %n) {
entry:
  %start = add i32 %n, 7
  br label %loop

loop:
  %i = phi i32 [ %start, %entry ], [ %next, %loop ]
  %j = phi i32 [ %start, %entry ], [ %i, %loop ]
  %next = add i32 %i, 1
  %done = icmp eq i32 %next, 100
  br i1 %done, label %end, label %loop

end:
  ret i32 %j
}

; ---- after
; define i32 @f(i32 %n) {
; entry:
;   %start = add i32 %n, 7
;   %0 = freeze i32 %start
;   br label %loop
;
; loop:
;   %i = phi i32 [ %0, %entry ], [ %next, %loop ]
;   %j = phi i32 [ %0, %entry ], [ %i, %loop ]
;   %next = add i32 %i, 1
;   %done = icmp eq i32 %next, 100
;   br i1 %done, label %end, label %loop
;
; end:
;   ret i32 %j
; }
