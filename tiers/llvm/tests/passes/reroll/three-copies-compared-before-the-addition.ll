; Compared before the addition, a counter that starts at its bound runs one round, which is three of a third.

define void @f(ptr %vmctx, i32 %v) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %wide.0 = zext i32 %i to i64
  %place.0 = getelementptr i8, ptr %base, i64 %wide.0
  store i32 %v, ptr %place.0, align 1
  %i.4 = add i32 %i, 4
  %wide.4 = zext i32 %i.4 to i64
  %place.4 = getelementptr i8, ptr %base, i64 %wide.4
  store i32 %v, ptr %place.4, align 1
  %i.8 = add i32 %i, 8
  %wide.8 = zext i32 %i.8 to i64
  %place.8 = getelementptr i8, ptr %base, i64 %wide.8
  store i32 %v, ptr %place.8, align 1
  %next = add i32 %i, 12
  %done = icmp eq i32 %i, 0
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
;   %wide.0 = zext i32 %i to i64
;   %place.0 = getelementptr i8, ptr %base, i64 %wide.0
;   store i32 %v, ptr %place.0, align 1
;   %i.4 = add i32 %i, 4
;   %wide.4 = zext i32 %i.4 to i64
;   %place.4 = getelementptr i8, ptr %base, i64 %wide.4
;   %i.8 = add i32 %i, 8
;   %wide.8 = zext i32 %i.8 to i64
;   %place.8 = getelementptr i8, ptr %base, i64 %wide.8
;   %next = add i32 %i, 12
;   %0 = add i32 %i, 4
;   %done = icmp eq i32 %0, 12
;   br i1 %done, label %end.block, label %loop
;
; end.block:
;   ret void
; }
;
; !0 = !{}
