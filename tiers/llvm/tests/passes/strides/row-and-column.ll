; Addresses of two arrays, at eight times the counter and at its negative step, have a line each if they advance by less
; than the headroom.

define void @f(ptr %vmctx, i32 %x, i32 %n) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %eight = shl i32 %i, 3
  %there = add i32 %x, %eight
  %wide = zext i32 %there to i64
  %place = getelementptr i8, ptr %base, i64 %wide
  %v = load i8, ptr %place, align 1
  %wide.i = zext i32 %i to i64
  %place.i = getelementptr i8, ptr %base, i64 %wide.i
  store i8 %v, ptr %place.i, align 1
  %next = add i32 %i, 1
  %done = icmp eq i32 %next, %n
  br i1 %done, label %end.block, label %loop

end.block:
  ret void
}

!0 = !{}

; ---- after
; define void @f(ptr %vmctx, i32 %x, i32 %n) {
; entry:
;   %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
;   %0 = sub i32 %n, 0
;   %1 = sub i32 %0, 1
;   %2 = udiv i32 %1, 1
;   %3 = zext i32 %2 to i64
;   %4 = add nuw i64 %3, 1
;   %5 = add i32 0, %x
;   %6 = add i32 %5, 0
;   %7 = zext i32 %6 to i64
;   %8 = mul nuw i64 %4, 8
;   %9 = add nuw nsw i64 %7, %8
;   %10 = or i64 0, %9
;   %11 = mul nuw i64 %4, 1
;   %12 = add nuw nsw i64 0, %11
;   %13 = or i64 %10, %12
;   %14 = icmp ugt i64 %13, 4294967295
;   %15 = or i1 false, %14
;   br i1 %15, label %16, label %loop
;
; 16:
;   %17 = getelementptr i8, ptr %base, i64 4294967295
;   store volatile i8 0, ptr %17, align 1
;   unreachable
;
; loop:
;   %18 = phi i64 [ 0, %entry ], [ %23, %loop ]
;   %19 = phi i64 [ 0, %entry ], [ %22, %loop ]
;   %i = phi i32 [ 0, %entry ], [ %next, %loop ]
;   %eight = shl i32 %i, 3
;   %there = add i32 %x, %eight
;   %20 = add nuw nsw i64 %7, %19
;   %wide = zext i32 %there to i64
;   %place = getelementptr i8, ptr %base, i64 %20
;   %v = load i8, ptr %place, align 1
;   %21 = add nuw nsw i64 0, %18
;   %wide.i = zext i32 %i to i64
;   %place.i = getelementptr i8, ptr %base, i64 %21
;   store i8 %v, ptr %place.i, align 1
;   %next = add i32 %i, 1
;   %done = icmp eq i32 %next, %n
;   %22 = add nuw nsw i64 %19, 8
;   %23 = add nuw nsw i64 %18, 1
;   br i1 %done, label %end.block, label %loop
;
; end.block:
;   ret void
; }
;
; !0 = !{}
