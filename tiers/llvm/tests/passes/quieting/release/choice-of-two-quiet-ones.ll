; What passes bits on is quiet where all of its operands are.

define double @f(double %x, double %y, i1 %c) {
  %a = fadd double %x, 3.0
  %b = fmul double %y, 5.0
  %s = select i1 %c, double %a, double %b
  %r = call double @llvm.canonicalize.f64(double %s)
  ret double %r
}

declare double @llvm.canonicalize.f64(double)

; ---- after
; define double @f(double %x, double %y, i1 %c) {
;   %a = fadd double %x, 3.000000e+00
;   %b = fmul double %y, 5.000000e+00
;   %s = select i1 %c, double %a, double %b
;   ret double %s
; }
