;; More than four elements of which one calls something are not worth a direct call each; their signature and instance are known all the same.
(module
  (type $unary (func (param i32) (result i32)))
  (func (export "run") (param $x i32) (param $index i32) (result i32)
    (call_indirect (type $unary) (local.get $x) (local.get $index)))
  (table 5 funcref)
  (elem (i32.const 0) $f0 $f1 $f2 $f3 $f4)
  (func $f0 (param i32) (result i32) (call $other (i32.add (local.get 0) (i32.const 0))))
  (func $f1 (param i32) (result i32) (call $other (i32.add (local.get 0) (i32.const 1))))
  (func $f2 (param i32) (result i32) (call $other (i32.add (local.get 0) (i32.const 2))))
  (func $f3 (param i32) (result i32) (call $other (i32.add (local.get 0) (i32.const 3))))
  (func $f4 (param i32) (result i32) (call $other (i32.add (local.get 0) (i32.const 4))))
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
;;   %16 = getelementptr inbounds nuw i8, ptr %4, i64 8
;;   %17 = load i64, ptr %16, align 8
;;   %18 = zext i32 %2 to i64
;;   %.not = icmp ugt i64 %17, %18
;;   br i1 %.not, label %24, label %19
;;
;; 19:
;;   trap UndefinedElement
;;
;; 24:
;;   %25 = load ptr, ptr %4, align 8
;;   %26 = shl nuw nsw i64 %18, 3
;;   %27 = getelementptr nusw nuw i8, ptr %25, i64 %26
;;   %28 = load ptr, ptr %27, align 8
;;   %29 = icmp eq ptr %28, null
;;   br i1 %29, label %30, label %35
;;
;; 30:
;;   trap UninitializedElement
;;
;; 35:
;;   %36 = load ptr, ptr %28, align 8
;;   %37 = load atomic ptr, ptr %36 monotonic, align 8
;;   %38 = call i32 %37(ptr nonnull %0, i32 %1) #3
;;   ret i32 %38
;; }
