; A sum with a neutral constant that came up in the passes is folded by the code generator.

define double @f(double %x, double %y) {
  %s = fadd double %x, -0.0
  %r = call double @llvm.canonicalize.f64(double %s)
  ret double %r
}

declare double @llvm.canonicalize.f64(double)

; ---- unchanged
