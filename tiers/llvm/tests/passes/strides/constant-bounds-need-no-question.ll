; From zero to 4096 by four the end is met and no address gets past 4 GiB, so nothing is asked.

define void @f(ptr %vmctx, i32 %n) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %wide = zext i32 %i to i64
  %place = getelementptr i8, ptr %base, i64 %wide
  store i8 0, ptr %place, align 1
  %next = add i32 %i, 4
  %done = icmp eq i32 %next, 4096
  br i1 %done, label %end.block, label %loop

end.block:
  ret void
}

!0 = !{}

; ---- after
; define void @f(ptr %vmctx, i32 %n) {
; entry:
;   %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
;   br label %loop
;
; loop:
;   %0 = phi i64 [ 0, %entry ], [ %2, %loop ]
;   %i = phi i32 [ 0, %entry ], [ %next, %loop ]
;   %1 = add nuw nsw i64 0, %0
;   %wide = zext i32 %i to i64
;   %place = getelementptr i8, ptr %base, i64 %1
;   store i8 0, ptr %place, align 1
;   %next = add i32 %i, 4
;   %done = icmp eq i32 %next, 4096
;   %2 = add nuw nsw i64 %0, 4
;   br i1 %done, label %end.block, label %loop
;
; end.block:
;   ret void
; }
;
; !0 = !{}
