; An intrinsic that only computes may be called in any round.

define void @f(ptr %vmctx, i32 %start, i32 %end) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  br label %loop

loop:
  %i = phi i32 [ %start, %entry ], [ %next, %loop ]
  %v = call i32 @llvm.smax.i32(i32 %i, i32 7)
  %wide = zext i32 %i to i64
  %place = getelementptr i8, ptr %base, i64 %wide
  store i32 %v, ptr %place, align 1
  %next = add i32 %i, 1
  %done = icmp eq i32 %next, %end
  br i1 %done, label %end.block, label %loop

end.block:
  ret void
}

declare i32 @llvm.smax.i32(i32, i32)

!0 = !{}

; ---- after
; define void @f(ptr %vmctx, i32 %start, i32 %end) {
; entry:
;   %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
;   %0 = sub i32 %end, %start
;   %1 = sub i32 %0, 1
;   %2 = udiv i32 %1, 1
;   %3 = zext i32 %2 to i64
;   %4 = add nuw i64 %3, 1
;   %5 = add i32 0, %start
;   %6 = zext i32 %5 to i64
;   %7 = mul nuw i64 %4, 1
;   %8 = add nuw nsw i64 %6, %7
;   %9 = or i64 0, %8
;   %10 = icmp ugt i64 %9, 4294967295
;   %11 = or i1 false, %10
;   br i1 %11, label %12, label %loop
;
; 12:
;   %13 = getelementptr i8, ptr %base, i64 4294967295
;   store volatile i8 0, ptr %13, align 1
;   unreachable
;
; loop:
;   %14 = phi i64 [ 0, %entry ], [ %16, %loop ]
;   %i = phi i32 [ %start, %entry ], [ %next, %loop ]
;   %v = call i32 @llvm.smax.i32(i32 %i, i32 7)
;   %15 = add nuw nsw i64 %6, %14
;   %wide = zext i32 %i to i64
;   %place = getelementptr i8, ptr %base, i64 %15
;   store i32 %v, ptr %place, align 1
;   %next = add i32 %i, 1
;   %done = icmp eq i32 %next, %end
;   %16 = add nuw nsw i64 %14, 1
;   br i1 %done, label %end.block, label %loop
;
; end.block:
;   ret void
; }
;
; !0 = !{}
