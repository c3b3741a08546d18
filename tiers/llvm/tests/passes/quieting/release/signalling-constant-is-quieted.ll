; A signalling NaN that the passes passed through arithmetic is quieted here.

define double @f() {
  %r = call double @llvm.canonicalize.f64(double 0x7FF0000000000001)
  ret double %r
}

declare double @llvm.canonicalize.f64(double)

; ---- after
; define double @f() {
;   ret double 0x7FF8000000000001
; }
