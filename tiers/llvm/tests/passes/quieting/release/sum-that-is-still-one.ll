; A sum that is one still after the passes quiets by itself.

define double @f(double %x, double %y) {
  %s = fadd double %x, %y
  %r = call double @llvm.canonicalize.f64(double %s)
  ret double %r
}

declare double @llvm.canonicalize.f64(double)

; ---- after
; define double @f(double %x, double %y) {
;   %s = fadd double %x, %y
;   ret double %s
; }
