; Each address has a start of its own, and those that advance by as much share the number that advances.

define void @f(ptr %vmctx, i32 %x, i32 %n) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %there = add i32 %x, %i
  %wide = zext i32 %there to i64
  %place = getelementptr i8, ptr %base, i64 %wide
  %v = load i8, ptr %place, align 1
  %wide.i = zext i32 %i to i64
  %place.i = getelementptr i8, ptr %base, i64 %wide.i
  store i8 %v, ptr %place.i, align 1
  %next = add i32 %i, 4
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
;   %1 = urem i32 %0, 4
;   %2 = icmp ne i32 %1, 0
;   %3 = icmp eq i32 %0, 0
;   %4 = or i1 %2, %3
;   %5 = sub i32 %0, 4
;   %6 = udiv i32 %5, 4
;   %7 = zext i32 %6 to i64
;   %8 = add nuw i64 %7, 1
;   %9 = add i32 0, %x
;   %10 = add i32 %9, 0
;   %11 = zext i32 %10 to i64
;   %12 = mul nuw i64 %8, 4
;   %13 = add nuw nsw i64 %11, %12
;   %14 = or i64 0, %13
;   %15 = mul nuw i64 %8, 4
;   %16 = add nuw nsw i64 0, %15
;   %17 = or i64 %14, %16
;   %18 = icmp ugt i64 %17, 4294967295
;   %19 = or i1 %4, %18
;   br i1 %19, label %20, label %loop
;
; 20:
;   %21 = getelementptr i8, ptr %base, i64 4294967295
;   store volatile i8 0, ptr %21, align 1
;   unreachable
;
; loop:
;   %22 = phi i64 [ 0, %entry ], [ %25, %loop ]
;   %i = phi i32 [ 0, %entry ], [ %next, %loop ]
;   %there = add i32 %x, %i
;   %23 = add nuw nsw i64 %11, %22
;   %wide = zext i32 %there to i64
;   %place = getelementptr i8, ptr %base, i64 %23
;   %v = load i8, ptr %place, align 1
;   %24 = add nuw nsw i64 0, %22
;   %wide.i = zext i32 %i to i64
;   %place.i = getelementptr i8, ptr %base, i64 %24
;   store i8 %v, ptr %place.i, align 1
;   %next = add i32 %i, 4
;   %done = icmp eq i32 %next, %n
;   %25 = add nuw nsw i64 %22, 4
;   br i1 %done, label %end.block, label %loop
;
; end.block:
;   ret void
; }
;
; !0 = !{}
