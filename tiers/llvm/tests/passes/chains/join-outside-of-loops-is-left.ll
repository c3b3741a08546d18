; A number that joins two ways outside of a loop is none that a loop begins with.

define i32 @f(i32 %n, i1 %c) {
entry:
  %a = add i32 %n, 7
  br i1 %c, label %then, label %end

then:
  %b = mul i32 %a, 5
  br label %end

end:
  %r = phi i32 [ %a, %entry ], [ %b, %then ]
  ret i32 %r
}

; ---- unchanged
