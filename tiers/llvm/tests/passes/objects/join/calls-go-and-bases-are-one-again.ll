; After the passes all objects of a memory have its base again, and the functions that stood for them go.

define void @f(ptr %vmctx, i64 %p, i64 %q) {
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %one = call ptr @object.1(ptr %base)
  %place.p = getelementptr i8, ptr %one, i64 %p
  %v = load i8, ptr %place.p, align 1
  %other = call ptr @object.2(ptr %base)
  %place.q = getelementptr i8, ptr %other, i64 %q
  store i8 %v, ptr %place.q, align 1
  ret void
}

declare ptr @object.1(ptr)

declare ptr @object.2(ptr)

!0 = !{}

; ---- after
; define void @f(ptr %vmctx, i64 %p, i64 %q) {
;   %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
;   %place.p = getelementptr i8, ptr %base, i64 %p
;   %v = load i8, ptr %place.p, align 1
;   %place.q = getelementptr i8, ptr %base, i64 %q
;   store i8 %v, ptr %place.q, align 1
;   ret void
; }
;
; !0 = !{}
