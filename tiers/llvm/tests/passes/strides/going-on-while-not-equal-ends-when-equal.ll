; A loop that goes on while counter and bound differ ends when they are equal.

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
  %done = icmp ne i32 %next, %end
  br i1 %done, label %loop, label %end.block

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
;   %3 = icmp eq i32 %0, 0
;   %4 = or i1 %2, %3
;   %5 = sub i32 %0, 4
;   %6 = udiv i32 %5, 4
;   %7 = zext i32 %6 to i64
;   %8 = add nuw i64 %7, 1
;   %9 = add i32 0, %start
;   %10 = zext i32 %9 to i64
;   %11 = mul nuw i64 %8, 4
;   %12 = add nuw nsw i64 %10, %11
;   %13 = or i64 0, %12
;   %14 = icmp ugt i64 %13, 4294967295
;   %15 = or i1 %4, %14
;   br i1 %15, label %16, label %loop
;
; 16:
;   %17 = getelementptr i8, ptr %base, i64 4294967295
;   store volatile i8 0, ptr %17, align 1
;   unreachable
;
; loop:
;   %18 = phi i64 [ 0, %entry ], [ %20, %loop ]
;   %i = phi i32 [ %start, %entry ], [ %next, %loop ]
;   %19 = add nuw nsw i64 %10, %18
;   %wide = zext i32 %i to i64
;   %place = getelementptr i8, ptr %base, i64 %19
;   store i8 0, ptr %place, align 1
;   %next = add i32 %i, 4
;   %done = icmp ne i32 %next, %end
;   %20 = add nuw nsw i64 %18, 4
;   br i1 %done, label %loop, label %end.block
;
; end.block:
;   ret void
; }
;
; !0 = !{}
