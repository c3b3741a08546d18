;; An element of another signature has its index trap by the comparison of signatures.
(module
  (type $unary (func (param i32) (result i32)))
  (func (export "run") (param $x i32) (param $index i32) (result i32)
    (call_indirect (type $unary) (local.get $x) (local.get $index)))
  (table 2 funcref)
  (elem (i32.const 0) $ten $none)
  (func $ten (param i32) (result i32) (i32.add (local.get 0) (i32.const 10)))
  (func $twenty (param i32) (result i32) (i32.mul (local.get 0) (i32.const 20)))
  (func $none)
)

;; ---- after
;; define hidden i32 @f0(ptr noundef nonnull align 16 dereferenceable(208) %0, i32 %1, i32 %2) {
;; entry:
;;   %3 = getelementptr inbounds nuw i8, ptr %0, i64 48
;;   %4 = load ptr, ptr %3, align 8
;;   %5 = getelementptr inbounds nuw i8, ptr %0, i64 24
;;   %6 = load ptr, ptr %5, align 8
;;   %7 = load ptr, ptr %0, align 8
;;   %8 = call ptr @llvm.frameaddress.p0(i32 0)
;;   %9 = ptrtoint ptr %8 to i64
;;   %10 = load i64, ptr %7, align 8
;;   %11 = icmp ugt i64 %10, %9
;;   br i1 %11, label %12, label %17
;;
;; 12:
;;   trap StackOverflow
;;
;; 17:
;;   %cond = icmp eq i32 %2, 0
;;   br i1 %cond, label %22, label %18
;;
;; 18:
;;   %19 = getelementptr inbounds nuw i8, ptr %4, i64 8
;;   %20 = load i64, ptr %19, align 8
;;   %21 = zext i32 %2 to i64
;;   %.not = icmp ugt i64 %20, %21
;;   br i1 %.not, label %29, label %24
;;
;; 22:
;;   %23 = add i32 %1, 10
;;   br label %53
;;
;; 24:
;;   trap UndefinedElement
;;
;; 29:
;;   %30 = load ptr, ptr %4, align 8
;;   %31 = shl nuw nsw i64 %21, 3
;;   %32 = getelementptr nusw nuw i8, ptr %30, i64 %31
;;   %33 = load ptr, ptr %32, align 8
;;   %34 = icmp eq ptr %33, null
;;   br i1 %34, label %35, label %40
;;
;; 35:
;;   trap UninitializedElement
;;
;; 40:
;;   %41 = getelementptr inbounds nuw i8, ptr %33, i64 16
;;   %42 = load i32, ptr %41, align 4
;;   %43 = load i32, ptr %6, align 4
;;   %.not2 = icmp eq i32 %42, %43
;;   br i1 %.not2, label %49, label %44
;;
;; 44:
;;   trap IndirectCallTypeMismatch
;;
;; 49:
;;   %50 = load ptr, ptr %33, align 8
;;   %51 = load atomic ptr, ptr %50 monotonic, align 8
;;   %52 = call i32 %51(ptr nonnull %0, i32 %1) #3
;;   br label %53
;;
;; 53:
;;   %54 = phi i32 [ %23, %22 ], [ %52, %49 ]
;;   ret i32 %54
;; }
