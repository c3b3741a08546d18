;; A function of another instance needs its own context, so its element says what is called.
(module
  (type $unary (func (param i32) (result i32)))
  (import "" "host" (func $host (param i32) (result i32)))
  (func (export "run") (param $x i32) (param $index i32) (result i32)
    (call_indirect (type $unary) (local.get $x) (local.get $index)))
  (table 1 funcref)
  (elem (i32.const 0) $host)
  (func $ten (param i32) (result i32) (i32.add (local.get 0) (i32.const 10)))
  (func $twenty (param i32) (result i32) (i32.mul (local.get 0) (i32.const 20)))
)

;; ---- after
;; define hidden i32 @f1(ptr noundef nonnull align 16 dereferenceable(192) %0, i32 %1, i32 %2) {
;; entry:
;;   %3 = load ptr, ptr %0, align 8
;;   %4 = getelementptr inbounds nuw i8, ptr %0, i64 48
;;   %5 = load ptr, ptr %4, align 8
;;   %6 = call ptr @llvm.frameaddress.p0(i32 0)
;;   %7 = ptrtoint ptr %6 to i64
;;   %8 = load i64, ptr %3, align 8
;;   %9 = icmp ugt i64 %8, %7
;;   br i1 %9, label %10, label %15
;;
;; 10:
;;   trap StackOverflow
;;
;; 15:
;;   %16 = getelementptr inbounds nuw i8, ptr %5, i64 8
;;   %17 = load i64, ptr %16, align 8
;;   %18 = zext i32 %2 to i64
;;   %.not = icmp ugt i64 %17, %18
;;   br i1 %.not, label %24, label %19
;;
;; 19:
;;   trap UndefinedElement
;;
;; 24:
;;   %25 = load ptr, ptr %5, align 8
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
;;   %36 = getelementptr inbounds nuw i8, ptr %28, i64 8
;;   %37 = load ptr, ptr %36, align 8
;;   %.not2 = icmp eq ptr %37, %0
;;   br i1 %.not2, label %40, label %38
;;
;; 38:
;;   %39 = getelementptr inbounds nuw i8, ptr %3, i64 24
;;   store ptr %0, ptr %39, align 8
;;   br label %40
;;
;; 40:
;;   %41 = phi ptr [ %0, %35 ], [ %37, %38 ]
;;   %42 = load ptr, ptr %28, align 8
;;   %43 = load atomic ptr, ptr %42 monotonic, align 8
;;   %44 = call i32 %43(ptr %41, i32 %1) #3
;;   ret i32 %44
;; }
