; A number with a fraction is no counter here.

define void @f() {
entry:
  br label %loop

loop:
  %x = phi double [ -400.0, %entry ], [ %next, %loop ]
  %next = fadd double %x, 4.0
  %done = fcmp oeq double %next, 0.0
  br i1 %done, label %end, label %loop

end:
  ret void
}

; ---- unchanged
