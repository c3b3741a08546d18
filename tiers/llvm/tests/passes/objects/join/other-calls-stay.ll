; Functions with other names are the program's.

define void @f(ptr %vmctx, i64 %p, i64 %q) {
  %base = load ptr, ptr %vmctx, align 8, !invariant.load !0
  %one = call ptr @subject.1(ptr %base)
  %place.p = getelementptr i8, ptr %one, i64 %p
  %v = load i8, ptr %place.p, align 1
  %other = call ptr @subject.2(ptr %base)
  %place.q = getelementptr i8, ptr %other, i64 %q
  store i8 %v, ptr %place.q, align 1
  ret void
}

declare ptr @subject.1(ptr)

declare ptr @subject.2(ptr)

!0 = !{}

; ---- unchanged
