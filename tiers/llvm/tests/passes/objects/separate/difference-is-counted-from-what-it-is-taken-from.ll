; A difference is counted from what something is taken away from.

define void @f(ptr %vmctx, i32 %q, i32 %n) {
entry:
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %from = add i32 %i, 64
  %to = sub i32 %q, %i
  %wide.a = zext i32 %from to i64
  %place.a = getelementptr i8, ptr %base, i64 %wide.a
  %v = load i8, ptr %place.a, align 1
  %wide.b = zext i32 %to to i64
  %place.b = getelementptr i8, ptr %base, i64 %wide.b
  store i8 %v, ptr %place.b, align 1
  %next = add i32 %i, 1
  %done = icmp eq i32 %next, %n
  br i1 %done, label %end, label %loop

end:
  ret void
}

!0 = !{}

; ---- after
; define void @f(ptr %vmctx, i32 %q, i32 %n) {
; entry:
;   %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
;   %0 = call ptr @object.2(ptr %base)
;   %1 = call ptr @object.1(ptr %base)
;   br label %loop
;
; loop:
;   %i = phi i32 [ 0, %entry ], [ %next, %loop ]
;   %from = add i32 %i, 64
;   %to = sub i32 %q, %i
;   %wide.a = zext i32 %from to i64
;   %place.a = getelementptr i8, ptr %1, i64 %wide.a
;   %v = load i8, ptr %place.a, align 1
;   %wide.b = zext i32 %to to i64
;   %place.b = getelementptr i8, ptr %0, i64 %wide.b
;   store i8 %v, ptr %place.b, align 1
;   %next = add i32 %i, 1
;   %done = icmp eq i32 %next, %n
;   br i1 %done, label %end, label %loop
;
; end:
;   ret void
; }
;
; declare ptr @object.1(ptr) #0
;
; declare ptr @object.2(ptr) #0
;
; attributes #0 = { nounwind speculatable willreturn memory(none) }
;
; !0 = !{}
