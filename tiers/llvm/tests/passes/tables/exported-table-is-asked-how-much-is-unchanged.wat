;; Others may write to a table that is exported: one comparison with the number of elements that are unchanged leads to the general way.
(module
  (type $unary (func (param i32) (result i32)))
  (func (export "run") (param $x i32) (param $index i32) (result i32)
    (call_indirect (type $unary) (local.get $x) (local.get $index)))
  (table (export "table") 2 funcref)
  (elem (i32.const 0) $ten $twenty)
  (func $ten (param i32) (result i32) (i32.add (local.get 0) (i32.const 10)))
  (func $twenty (param i32) (result i32) (i32.mul (local.get 0) (i32.const 20)))
)

;; ---- after
;; define hidden i32 @f0(ptr noundef nonnull align 16 dereferenceable(176) %0, i32 %1, i32 %2) {
;; entry:
;;   %3 = load ptr, ptr %0, align 8
;;   %4 = getelementptr inbounds nuw i8, ptr %0, i64 48
;;   %5 = load ptr, ptr %4, align 8
;;   %6 = getelementptr inbounds nuw i8, ptr %0, i64 24
;;   %7 = load ptr, ptr %6, align 8
;;   %8 = call ptr @llvm.frameaddress.p0(i32 0)
;;   %9 = ptrtoint ptr %8 to i64
;;   %10 = load i64, ptr %3, align 8
;;   %11 = icmp ugt i64 %10, %9
;;   br i1 %11, label %12, label %17
;;
;; 12:
;;   trap StackOverflow
;;
;; 17:
;;   %18 = getelementptr inbounds nuw i8, ptr %5, i64 16
;;   %19 = load i64, ptr %18, align 8
;;   %20 = zext i32 %2 to i64
;;   %.not = icmp ugt i64 %19, %20
;;   br i1 %.not, label %24, label %21
;;
;; 21:
;;   %22 = getelementptr inbounds nuw i8, ptr %5, i64 8
;;   %23 = load i64, ptr %22, align 8
;;   %.not2 = icmp ugt i64 %23, %20
;;   br i1 %.not2, label %52, label %47
;;
;; 24:
;;   switch i32 %2, label %25 [
;;     i32 0, label %31
;;     i32 1, label %33
;;   ]
;;
;; 25:
;;   %26 = load ptr, ptr %5, align 8
;;   %27 = shl nuw nsw i64 %20, 3
;;   %28 = getelementptr nusw nuw i8, ptr %26, i64 %27
;;   %29 = load ptr, ptr %28, align 8
;;   %30 = icmp eq ptr %29, null
;;   br i1 %30, label %35, label %40
;;
;; 31:
;;   %32 = add i32 %1, 10
;;   br label %78
;;
;; 33:
;;   %34 = mul i32 %1, 20
;;   br label %78
;;
;; 35:
;;   trap UninitializedElement
;;
;; 40:
;;   %41 = load ptr, ptr %29, align 8
;;   br label %42
;;
;; 42:
;;   %43 = phi ptr [ %41, %40 ], [ %73, %76 ], [ %73, %72 ]
;;   %44 = phi ptr [ %0, %40 ], [ %75, %76 ], [ %0, %72 ]
;;   %45 = load atomic ptr, ptr %43 monotonic, align 8
;;   %46 = call i32 %45(ptr %44, i32 %1) #3
;;   br label %78
;;
;; 47:
;;   trap UndefinedElement
;;
;; 52:
;;   %53 = load ptr, ptr %5, align 8
;;   %54 = shl nuw nsw i64 %20, 3
;;   %55 = getelementptr nusw nuw i8, ptr %53, i64 %54
;;   %56 = load ptr, ptr %55, align 8
;;   %57 = icmp eq ptr %56, null
;;   br i1 %57, label %58, label %63
;;
;; 58:
;;   trap UninitializedElement
;;
;; 63:
;;   %64 = getelementptr inbounds nuw i8, ptr %56, i64 16
;;   %65 = load i32, ptr %64, align 4
;;   %66 = load i32, ptr %7, align 4
;;   %.not3 = icmp eq i32 %65, %66
;;   br i1 %.not3, label %72, label %67
;;
;; 67:
;;   trap IndirectCallTypeMismatch
;;
;; 72:
;;   %73 = load ptr, ptr %56, align 8
;;   %74 = getelementptr inbounds nuw i8, ptr %56, i64 8
;;   %75 = load ptr, ptr %74, align 8
;;   %.not4 = icmp eq ptr %75, %0
;;   br i1 %.not4, label %42, label %76
;;
;; 76:
;;   %77 = getelementptr inbounds nuw i8, ptr %3, i64 24
;;   store ptr %0, ptr %77, align 8
;;   br label %42
;;
;; 78:
;;   %79 = phi i32 [ %32, %31 ], [ %34, %33 ], [ %46, %42 ]
;;   ret i32 %79
;; }
