;; Up to sixteen elements are called directly where all are small and call nothing, for they are inlined.
(module
  (type $unary (func (param i32) (result i32)))
  (func (export "run") (param $x i32) (param $index i32) (result i32)
    (call_indirect (type $unary) (local.get $x) (local.get $index)))
  (table 5 funcref)
  (elem (i32.const 0) $f0 $f1 $f2 $f3 $f4)
  (func $f0 (param i32) (result i32) (i32.add (local.get 0) (i32.const 0)))
  (func $f1 (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func $f2 (param i32) (result i32) (i32.add (local.get 0) (i32.const 2)))
  (func $f3 (param i32) (result i32) (i32.add (local.get 0) (i32.const 3)))
  (func $f4 (param i32) (result i32) (i32.add (local.get 0) (i32.const 4)))
  (func $other (param i32) (result i32) (local.get 0)))

;; ---- after
;; define hidden i32 @f0(ptr noundef nonnull align 16 dereferenceable(320) %0, i32 %1, i32 %2) {
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
;;     i32 0, label %48
;;     i32 1, label %20
;;     i32 2, label %22
;;     i32 3, label %24
;;     i32 4, label %26
;;   ]
;;
;; 16:
;;   %17 = getelementptr inbounds nuw i8, ptr %4, i64 8
;;   %18 = load i64, ptr %17, align 8
;;   %19 = zext i32 %2 to i64
;;   %.not = icmp ugt i64 %18, %19
;;   br i1 %.not, label %33, label %28
;;
;; 20:
;;   %21 = add i32 %1, 1
;;   br label %48
;;
;; 22:
;;   %23 = add i32 %1, 2
;;   br label %48
;;
;; 24:
;;   %25 = add i32 %1, 3
;;   br label %48
;;
;; 26:
;;   %27 = add i32 %1, 4
;;   br label %48
;;
;; 28:
;;   trap UndefinedElement
;;
;; 33:
;;   %34 = load ptr, ptr %4, align 8
;;   %35 = shl nuw nsw i64 %19, 3
;;   %36 = getelementptr nusw nuw i8, ptr %34, i64 %35
;;   %37 = load ptr, ptr %36, align 8
;;   %38 = icmp eq ptr %37, null
;;   br i1 %38, label %39, label %44
;;
;; 39:
;;   trap UninitializedElement
;;
;; 44:
;;   %45 = load ptr, ptr %37, align 8
;;   %46 = load atomic ptr, ptr %45 monotonic, align 8
;;   %47 = call i32 %46(ptr nonnull %0, i32 %1) #3
;;   br label %48
;;
;; 48:
;;   %49 = phi i32 [ %47, %44 ], [ %21, %20 ], [ %23, %22 ], [ %25, %24 ], [ %27, %26 ], [ %1, %15 ]
;;   ret i32 %49
;; }
