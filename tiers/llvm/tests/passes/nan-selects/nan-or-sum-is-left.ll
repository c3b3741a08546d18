; A sum is nothing that LLVM takes for a NaN.

define double @f(double %x, i1 %less) {
  %root = fadd double %x, 1.0
  %r = select i1 %less, double 0x7FF8000000000000, double %root
  ret double %r
}

; ---- unchanged
