; A product quiets what it gets; and a product with three is not folded.

define double @f(double %x, double %y) {
  %s = fadd double %x, %y
  %r = fmul double %s, 3.0
  ret double %r
}

; ---- unchanged
