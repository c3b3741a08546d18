; All counters of the loop advance by a part of their steps.

define void @f(ptr %vmctx, i32 %v) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %k = phi i32 [ %v, %entry ], [ %k.next, %loop ]
  %wide.0 = zext i32 %i to i64
  %place.0 = getelementptr i8, ptr %base, i64 %wide.0
  store i32 %k, ptr %place.0, align 1
  %i.4 = add i32 %i, 4
  %k.1 = add i32 %k, 1
  %wide.4 = zext i32 %i.4 to i64
  %place.4 = getelementptr i8, ptr %base, i64 %wide.4
  store i32 %k.1, ptr %place.4, align 1
  %k.next = add i32 %k, 2
  %next = add i32 %i, 8
  %done = icmp eq i32 %next, 400
  br i1 %done, label %end.block, label %loop

end.block:
  ret void
}

!0 = !{}

; ---- after
; define void @f(ptr %vmctx, i32 %v) {
; entry:
;   %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
;   br label %loop
;
; loop:
;   %i = phi i32 [ 0, %entry ], [ %0, %loop ]
;   %k = phi i32 [ %v, %entry ], [ %1, %loop ]
;   %wide.0 = zext i32 %i to i64
;   %place.0 = getelementptr i8, ptr %base, i64 %wide.0
;   store i32 %k, ptr %place.0, align 1
;   %i.4 = add i32 %i, 4
;   %k.1 = add i32 %k, 1
;   %wide.4 = zext i32 %i.4 to i64
;   %place.4 = getelementptr i8, ptr %base, i64 %wide.4
;   %k.next = add i32 %k, 2
;   %next = add i32 %i, 8
;   %0 = add i32 %i, 4
;   %1 = add i32 %k, 1
;   %done = icmp eq i32 %0, 400
;   br i1 %done, label %end.block, label %loop
;
; end.block:
;   ret void
; }
;
; !0 = !{}
