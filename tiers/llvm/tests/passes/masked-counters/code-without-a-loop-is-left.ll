; Without a loop there is nothing to vectorize.

define void @f(ptr %x, i32 %i) {
  %low = and i32 %i, 15
  %at = zext i32 %low to i64
  %p = getelementptr i8, ptr %x, i64 %at
  store i8 0, ptr %p, align 1
  ret void
}

; ---- unchanged
