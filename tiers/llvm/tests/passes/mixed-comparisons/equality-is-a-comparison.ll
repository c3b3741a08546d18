; Equality in too few bits is wrong, too.

define i1 @f(i16 %a, i16 %b) {
  %x = zext i16 %a to i32
  %y = sext i16 %b to i32
  %less = icmp eq i32 %x, %y
  ret i1 %less
}

; ---- after
; define i1 @f(i16 %a, i16 %b) #0 {
;   %x = zext i16 %a to i32
;   %y = sext i16 %b to i32
;   %less = icmp eq i32 %x, %y
;   ret i1 %less
; }
;
; attributes #0 = { noimplicitfloat }
