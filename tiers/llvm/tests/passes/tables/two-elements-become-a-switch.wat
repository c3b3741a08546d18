;; Nothing writes to the table, so its two elements are called directly; any other index traps.
(module
  (type $unary (func (param i32) (result i32)))
  (func (export "run") (param $x i32) (param $index i32) (result i32)
    (call_indirect (type $unary) (local.get $x) (local.get $index)))
  (table 2 funcref)
  (elem (i32.const 0) $ten $twenty)
  (func $ten (param i32) (result i32) (i32.add (local.get 0) (i32.const 10)))
  (func $twenty (param i32) (result i32) (i32.mul (local.get 0) (i32.const 20)))
)

;; ---- after
;; define hidden i32 @f0(ptr noundef nonnull align 16 dereferenceable(176) %0, i32 %1, i32 %2) {
;; entry:
;;   %3 = getelementptr inbounds nuw i8, ptr %0, i64 48
;;   %4 = load ptr, ptr %3, align 8
;;   %5 = load ptr, ptr %0, align 8
;;   %6 = call ptr @llvm.frameaddress.p0(i32 0)
;;   %7 = ptrtoint ptr %6 to i64
;;   %8 = load i64, ptr %5, align 8
;;   %9 = icmp ugt i64 %8, %7
;;   br i1 %9, label %10, label %15
;;
;; 10:
;;   trap StackOverflow
;;
;; 15:
;;   switch i32 %2, label %16 [
;;     i32 0, label %20
;;     i32 1, label %22
;;   ]
;;
;; 16:
;;   %17 = getelementptr inbounds nuw i8, ptr %4, i64 8
;;   %18 = load i64, ptr %17, align 8
;;   %19 = zext i32 %2 to i64
;;   %.not = icmp ugt i64 %18, %19
;;   br i1 %.not, label %29, label %24
;;
;; 20:
;;   %21 = add i32 %1, 10
;;   br label %44
;;
;; 22:
;;   %23 = mul i32 %1, 20
;;   br label %44
;;
;; 24:
;;   trap UndefinedElement
;;
;; 29:
;;   %30 = load ptr, ptr %4, align 8
;;   %31 = shl nuw nsw i64 %19, 3
;;   %32 = getelementptr nusw nuw i8, ptr %30, i64 %31
;;   %33 = load ptr, ptr %32, align 8
;;   %34 = icmp eq ptr %33, null
;;   br i1 %34, label %35, label %40
;;
;; 35:
;;   trap UninitializedElement
;;
;; 40:
;;   %41 = load ptr, ptr %33, align 8
;;   %42 = load atomic ptr, ptr %41 monotonic, align 8
;;   %43 = call i32 %42(ptr nonnull %0, i32 %1) #3
;;   br label %44
;;
;; 44:
;;   %45 = phi i32 [ %21, %20 ], [ %23, %22 ], [ %43, %40 ]
;;   ret i32 %45
;; }
