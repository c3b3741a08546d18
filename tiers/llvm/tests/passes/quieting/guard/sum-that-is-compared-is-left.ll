; A comparison looks at the number only, not at its bits.

define i1 @f(double %x, double %y) {
  %s = fadd double %x, %y
  %c = fcmp olt double %s, 2.0
  ret i1 %c
}

; ---- unchanged
