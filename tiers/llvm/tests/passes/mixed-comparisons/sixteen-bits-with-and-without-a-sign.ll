; A number of 16 bits without a sign beside one with: 16 bits are enough for each and not for both.

define i1 @f(i16 %a, i16 %b) {
  %x = zext i16 %a to i32
  %y = sext i16 %b to i32
  %less = icmp slt i32 %x, %y
  ret i1 %less
}

; ---- after
; define i1 @f(i16 %a, i16 %b) #0 {
;   %x = zext i16 %a to i32
;   %y = sext i16 %b to i32
;   %less = icmp slt i32 %x, %y
;   ret i1 %less
; }
;
; attributes #0 = { noimplicitfloat }
