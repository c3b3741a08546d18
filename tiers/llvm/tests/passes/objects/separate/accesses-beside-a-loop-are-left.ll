; Accesses that are in no loop need no objects, whatever loop there is beside them.

define void @f(ptr %vmctx, i32 %p, i32 %q, i32 %n) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %wide.a = zext i32 %p to i64
  %place.a = getelementptr i8, ptr %base, i64 %wide.a
  %v = load i8, ptr %place.a, align 1
  %wide.b = zext i32 %q to i64
  %place.b = getelementptr i8, ptr %base, i64 %wide.b
  store i8 %v, ptr %place.b, align 1
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %next = add i32 %i, 1
  %done = icmp eq i32 %next, %n
  br i1 %done, label %end, label %loop

end:
  ret void
}

!0 = !{}

; ---- unchanged
