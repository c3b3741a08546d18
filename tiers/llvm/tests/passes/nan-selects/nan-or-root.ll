; A choice between a NaN and a square root: the code generator does not get to know that it is a NaN.

define double @f(double %x, i1 %less) {
  %root = call double @llvm.sqrt.f64(double %x)
  %r = select i1 %less, double 0x7FF8000000000000, double %root
  ret double %r
}

declare double @llvm.sqrt.f64(double)

; ---- after
; define double @f(double %x, i1 %less) {
;   %1 = call double asm "", "=x,0"(double 0x7FF8000000000000) #1
;   %root = call double @llvm.sqrt.f64(double %x)
;   %r = select i1 %less, double %1, double %root
;   ret double %r
; }
;
; attributes #1 = { nounwind memory(none) }
