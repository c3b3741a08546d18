; A division is folded by its divisor only.

define double @f(double %x, double %y) {
  %r = fdiv double %x, 3.0
  ret double %r
}

; ---- unchanged
