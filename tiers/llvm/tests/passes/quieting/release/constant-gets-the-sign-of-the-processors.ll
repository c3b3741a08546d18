; What the passes made of arithmetic on constants is the NaN with the other sign.

define double @f() {
  %r = call double @llvm.canonicalize.f64(double 0x7FF8000000000000)
  ret double %r
}

declare double @llvm.canonicalize.f64(double)

; ---- after
; define double @f() {
;   ret double 0xFFF8000000000000
; }
