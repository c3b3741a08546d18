; What passes bits on is looked through: both sums of a choice are canonicalized if the choice is returned.

define double @f(double %x, double %y, i1 %c) {
  %a = fadd double %x, %y
  %b = fmul double %x, %y
  %r = select i1 %c, double %a, double %b
  ret double %r
}

; ---- after
; define double @f(double %x, double %y, i1 %c) {
;   %a = fadd double %x, %y
;   %1 = call double @llvm.canonicalize.f64(double %a)
;   %b = fmul double %x, %y
;   %2 = call double @llvm.canonicalize.f64(double %b)
;   %r = select i1 %c, double %1, double %2
;   ret double %r
; }
