; The code generator moves negations out of the choice, so a root behind one is a root.

define double @f(double %x, i1 %less) {
  %root = call double @llvm.sqrt.f64(double %x)
  %n = fneg double %root
  %r = select i1 %less, double 0xFFF8000000000000, double %n
  ret double %r
}

declare double @llvm.sqrt.f64(double)

; ---- after
; define double @f(double %x, i1 %less) {
;   %1 = call double asm "", "=x,0"(double 0xFFF8000000000000) #1
;   %root = call double @llvm.sqrt.f64(double %x)
;   %n = fneg double %root
;   %r = select i1 %less, double %1, double %n
;   ret double %r
; }
;
; attributes #1 = { nounwind memory(none) }
