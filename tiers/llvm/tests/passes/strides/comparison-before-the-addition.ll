; A counter that is compared as it was before the addition runs once more, and may begin at its end.

define void @f(ptr %vmctx, i32 %start, i32 %end) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  br label %loop

loop:
  %i = phi i32 [ %start, %entry ], [ %next, %loop ]
  %wide = zext i32 %i to i64
  %place = getelementptr i8, ptr %base, i64 %wide
  store i8 0, ptr %place, align 1
  %next = add i32 %i, 4
  %done = icmp eq i32 %i, %end
  br i1 %done, label %end.block, label %loop

end.block:
  ret void
}

!0 = !{}

; ---- after
; define void @f(ptr %vmctx, i32 %start, i32 %end) {
; entry:
;   %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
;   %0 = sub i32 %end, %start
;   %1 = urem i32 %0, 4
;   %2 = icmp ne i32 %1, 0
;   %3 = udiv i32 %0, 4
;   %4 = zext i32 %3 to i64
;   %5 = add nuw i64 %4, 1
;   %6 = add i32 0, %start
;   %7 = zext i32 %6 to i64
;   %8 = mul nuw i64 %5, 4
;   %9 = add nuw nsw i64 %7, %8
;   %10 = or i64 0, %9
;   %11 = icmp ugt i64 %10, 4294967295
;   %12 = or i1 %2, %11
;   br i1 %12, label %13, label %loop
;
; 13:
;   %14 = getelementptr i8, ptr %base, i64 4294967295
;   store volatile i8 0, ptr %14, align 1
;   unreachable
;
; loop:
;   %15 = phi i64 [ 0, %entry ], [ %17, %loop ]
;   %i = phi i32 [ %start, %entry ], [ %next, %loop ]
;   %16 = add nuw nsw i64 %7, %15
;   %wide = zext i32 %i to i64
;   %place = getelementptr i8, ptr %base, i64 %16
;   store i8 0, ptr %place, align 1
;   %next = add i32 %i, 4
;   %done = icmp eq i32 %i, %end
;   %17 = add nuw nsw i64 %15, 4
;   br i1 %done, label %end.block, label %loop
;
; end.block:
;   ret void
; }
;
; !0 = !{}
