; What makes the numbers narrow need not be an extension.

define i1 @f(i32 %a, i32 %b) {
  %x = and i32 %a, 255
  %y = ashr i32 %b, 24
  %less = icmp slt i32 %x, %y
  ret i1 %less
}

; ---- after
; define i1 @f(i32 %a, i32 %b) #0 {
;   %x = and i32 %a, 255
;   %y = ashr i32 %b, 24
;   %less = icmp slt i32 %x, %y
;   ret i1 %less
; }
;
; attributes #0 = { noimplicitfloat }
