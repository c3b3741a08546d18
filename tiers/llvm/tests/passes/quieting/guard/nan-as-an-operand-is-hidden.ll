; A NaN that is an operand would be taken for the result, whatever the other operand is.

define double @f(double %x, double %y) {
  %r = fadd double %x, 0x7FF8000000000000
  ret double %r
}

; ---- after
; define double @f(double %x, double %y) {
;   %1 = call double asm "", "=x,0"(double 0x7FF8000000000000) #1
;   %r = fadd double %x, %1
;   %2 = call double @llvm.canonicalize.f64(double %r)
;   ret double %2
; }
;
; attributes #1 = { nounwind memory(none) }
