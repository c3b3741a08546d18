; The greater of two numbers without a sign is a comparison and a choice that nobody can foresee.

define i64 @f(i64 %a, i64 %b) {
  %r = call i64 @llvm.umax.i64(i64 %a, i64 %b)
  ret i64 %r
}

declare i64 @llvm.umax.i64(i64, i64)

; ---- after
; define i64 @f(i64 %a, i64 %b) {
;   %1 = icmp ugt i64 %a, %b
;   %2 = select i1 %1, i64 %a, i64 %b, !unpredictable !0
;   ret i64 %2
; }
;
; !0 = !{}
