;; An element that is null traps before its signature would be compared.
(module
  (type $unary (func (param i32) (result i32)))
  (func (export "run") (param $x i32) (param $index i32) (result i32)
    (call_indirect (type $unary) (local.get $x) (local.get $index)))
  (table 2 funcref)
  (elem (i32.const 1) $ten)
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
;;   %cond = icmp eq i32 %2, 1
;;   br i1 %cond, label %20, label %16
;;
;; 16:
;;   %17 = getelementptr inbounds nuw i8, ptr %4, i64 8
;;   %18 = load i64, ptr %17, align 8
;;   %19 = zext i32 %2 to i64
;;   %.not = icmp ugt i64 %18, %19
;;   br i1 %.not, label %27, label %22
;;
;; 20:
;;   %21 = add i32 %1, 10
;;   br label %42
;;
;; 22:
;;   trap UndefinedElement
;;
;; 27:
;;   %28 = load ptr, ptr %4, align 8
;;   %29 = shl nuw nsw i64 %19, 3
;;   %30 = getelementptr nusw nuw i8, ptr %28, i64 %29
;;   %31 = load ptr, ptr %30, align 8
;;   %32 = icmp eq ptr %31, null
;;   br i1 %32, label %33, label %38
;;
;; 33:
;;   trap UninitializedElement
;;
;; 38:
;;   %39 = load ptr, ptr %31, align 8
;;   %40 = load atomic ptr, ptr %39 monotonic, align 8
;;   %41 = call i32 %40(ptr nonnull %0, i32 %1) #3
;;   br label %42
;;
;; 42:
;;   %43 = phi i32 [ %21, %20 ], [ %41, %38 ]
;;   ret i32 %43
;; }
