; A counter by fours may miss its end and then run 2^32 rounds and more; no address goes along with it to be out of
; bounds first.

define void @f(ptr %vmctx, i32 %start, i32 %end) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  br label %loop

loop:
  %i = phi i32 [ %start, %entry ], [ %next, %loop ]
  %p = phi i32 [ 0, %entry ], [ %p.next, %loop ]
  %wide = zext i32 %p to i64
  %place = getelementptr i8, ptr %base, i64 %wide
  store i8 0, ptr %place, align 1
  %p.next = add i32 %p, 4
  %next = add i32 %i, 4
  %done = icmp eq i32 %next, %end
  br i1 %done, label %end.block, label %loop

end.block:
  ret void
}

!0 = !{}

; ---- unchanged
