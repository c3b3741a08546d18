; A number that lives from round to round and is no counter would be computed for each part of a round.

define i32 @f(ptr %vmctx, i32 %v) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %sum = phi i32 [ 1, %entry ], [ %sum.next, %loop ]
  %wide.0 = zext i32 %i to i64
  %place.0 = getelementptr i8, ptr %base, i64 %wide.0
  store i32 %v, ptr %place.0, align 1
  %i.4 = add i32 %i, 4
  %wide.4 = zext i32 %i.4 to i64
  %place.4 = getelementptr i8, ptr %base, i64 %wide.4
  store i32 %v, ptr %place.4, align 1
  %sum.next = mul i32 %sum, %v
  %next = add i32 %i, 8
  %done = icmp eq i32 %next, 400
  br i1 %done, label %end.block, label %loop

end.block:
  ret i32 %sum.next
}

!0 = !{}

; ---- unchanged
