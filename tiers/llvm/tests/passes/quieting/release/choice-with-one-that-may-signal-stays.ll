; A choice is as quiet as the less quiet of the two.

define double @f(double %x, double %y, i1 %c) {
  %a = fadd double %x, 3.0
  %s = select i1 %c, double %a, double %y
  %r = call double @llvm.canonicalize.f64(double %s)
  ret double %r
}

declare double @llvm.canonicalize.f64(double)

; ---- unchanged
