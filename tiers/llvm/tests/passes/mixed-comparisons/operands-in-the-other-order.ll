; Which of the two has the sign makes no difference.

define i1 @f(i16 %a, i16 %b) {
  %x = sext i16 %a to i32
  %y = zext i16 %b to i32
  %less = icmp slt i32 %x, %y
  ret i1 %less
}

; ---- after
; define i1 @f(i16 %a, i16 %b) #0 {
;   %x = sext i16 %a to i32
;   %y = zext i16 %b to i32
;   %less = icmp slt i32 %x, %y
;   ret i1 %less
; }
;
; attributes #0 = { noimplicitfloat }
