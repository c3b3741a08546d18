; Rounds are counted where the counter that ends the loop has 32 bits.

define void @f(ptr %vmctx, i64 %n) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  br label %loop

loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %k = phi i32 [ 0, %entry ], [ %k.next, %loop ]
  %wide = zext i32 %k to i64
  %place = getelementptr i8, ptr %base, i64 %wide
  store i8 0, ptr %place, align 1
  %k.next = add i32 %k, 4
  %next = add i64 %i, 1
  %done = icmp eq i64 %next, %n
  br i1 %done, label %end, label %loop

end:
  ret void
}

!0 = !{}

; ---- unchanged
