; A negation of what is quiet is quiet, but the code generator would move it through arithmetic.

define double @f(double %x, double %y) {
  %a = fadd double %x, 3.0
  %s = fneg double %a
  %r = call double @llvm.canonicalize.f64(double %s)
  ret double %r
}

declare double @llvm.canonicalize.f64(double)

; ---- after
; define double @f(double %x, double %y) {
;   %a = fadd double %x, 3.000000e+00
;   %s = fneg double %a
;   %1 = call double asm "", "=x,0"(double %s) #1
;   ret double %1
; }
;
; attributes #1 = { nounwind memory(none) }
