; The lesser of two numbers with a sign is a comparison and a choice that nobody can foresee.

define i32 @f(i32 %a, i32 %b) {
  %r = call i32 @llvm.smin.i32(i32 %a, i32 %b)
  ret i32 %r
}

declare i32 @llvm.smin.i32(i32, i32)

; ---- after
; define i32 @f(i32 %a, i32 %b) {
;   %1 = icmp slt i32 %a, %b
;   %2 = select i1 %1, i32 %a, i32 %b, !unpredictable !0
;   ret i32 %2
; }
;
; !0 = !{}
