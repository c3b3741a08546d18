; A parameter is no expression of other loops.

define i32 @f(i32 %n) {
entry:
  %start = add i32 %n, 7
  br label %first

first:
  %i = phi i32 [ %n, %entry ], [ %i.next, %first ]
  %i.next = add i32 %i, 1
  %i.done = icmp eq i32 %i.next, 100
  br i1 %i.done, label %between, label %first

between:
  br label %second

second:
  %j = phi i32 [ %n, %between ], [ %j.next, %second ]
  %j.next = add i32 %j, 3
  %j.done = icmp eq i32 %j.next, 300
  br i1 %j.done, label %end, label %second

end:
  ret i32 %j.next
}

; ---- unchanged
