; The same with eight bits.

define i1 @f(i8 %a, i8 %b) {
  %x = zext i8 %a to i32
  %y = sext i8 %b to i32
  %less = icmp slt i32 %x, %y
  ret i1 %less
}

; ---- after
; define i1 @f(i8 %a, i8 %b) #0 {
;   %x = zext i8 %a to i32
;   %y = sext i8 %b to i32
;   %less = icmp slt i32 %x, %y
;   ret i1 %less
; }
;
; attributes #0 = { noimplicitfloat }
