; An access on one of two ways here may not have happened.

define i32 @f(ptr %vmctx, i32 %x, i1 %c) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  br i1 %c, label %then, label %end

then:
  %wide.x = zext i32 %x to i64
  %at.x = getelementptr i8, ptr %base, i64 %wide.x
  %a = load i32, ptr %at.x, align 1
  br label %end

end:
  %z = phi i32 [ 0, %entry ], [ %a, %then ]
  %y = add i32 %x, 4
  %wide.y = zext i32 %y to i64
  %at.y = getelementptr i8, ptr %base, i64 %wide.y
  %b = load i32, ptr %at.y, align 1
  %sum = add i32 %z, %b
  ret i32 %sum
}

!0 = !{}

; ---- unchanged
