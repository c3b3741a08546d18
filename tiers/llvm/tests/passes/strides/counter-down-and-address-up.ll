; What ends the loop may go down while addresses go up.

define void @f(ptr %vmctx, i32 %x, i32 %n) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  br label %loop

loop:
  %i = phi i32 [ %n, %entry ], [ %next, %loop ]
  %p = phi i32 [ %x, %entry ], [ %p.next, %loop ]
  %wide = zext i32 %p to i64
  %place = getelementptr i8, ptr %base, i64 %wide
  store i8 0, ptr %place, align 1
  %p.next = add i32 %p, 16
  %next = add i32 %i, -1
  %done = icmp eq i32 %next, 0
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
;   %6 = zext i32 %5 to i64
;   %7 = mul nuw i64 %4, 16
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
;   %i = phi i32 [ %n, %entry ], [ %next, %loop ]
;   %p = phi i32 [ %x, %entry ], [ %p.next, %loop ]
;   %15 = add nuw nsw i64 %6, %14
;   %wide = zext i32 %p to i64
;   %place = getelementptr i8, ptr %base, i64 %15
;   store i8 0, ptr %place, align 1
;   %p.next = add i32 %p, 16
;   %next = add i32 %i, -1
;   %done = icmp eq i32 %next, 0
;   %16 = add nuw nsw i64 %14, 16
;   br i1 %done, label %end.block, label %loop
;
; end.block:
;   ret void
; }
;
; !0 = !{}
