; Where the end may be missed, an address has to advance by what the ending counter advances by; a sum with another
; counter is not taken for one.

define void @f(ptr %vmctx, i32 %start, i32 %end) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  br label %loop

loop:
  %i = phi i32 [ %start, %entry ], [ %next, %loop ]
  %p = phi i32 [ 0, %entry ], [ %p.next, %loop ]
  %both = add i32 %i, %p
  %wide = zext i32 %both to i64
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
