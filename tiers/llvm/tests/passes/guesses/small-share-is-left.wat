;; A function that has less than a quarter of what is left is not guessed.
;; Seen: function 1 20 times, function 2 19 times, function 3 19 times, function 4 19 times, function 5 23 times.
(module
  (type $unary (func (param i32) (result i32)))
  (import "" "table" (table 8 funcref))
  (func (export "run") (param $x i32) (param $index i32) (result i32)
    (call_indirect (type $unary) (local.get $x) (local.get $index)))
  (elem declare func $ten $twenty)
  (func $ten (param i32) (result i32) (i32.add (local.get 0) (i32.const 10)))
  (func $twenty (param i32) (result i32) (i32.mul (local.get 0) (i32.const 20)))
  (func $a (param i32) (result i32) (local.get 0))
  (func $b (param i32) (result i32) (local.get 0))
  (func $c (param i32) (result i32) (local.get 0))
)

;; ---- after
;; define hidden i32 @f0(ptr noundef nonnull align 16 dereferenceable(272) %0, i32 %1, i32 %2) {
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
;;   %18 = getelementptr inbounds nuw i8, ptr %5, i64 8
;;   %19 = load i64, ptr %18, align 8
;;   %20 = zext i32 %2 to i64
;;   %.not = icmp ugt i64 %19, %20
;;   br i1 %.not, label %26, label %21
;;
;; 21:
;;   trap UndefinedElement
;;
;; 26:
;;   %27 = load ptr, ptr %5, align 8
;;   %28 = shl nuw nsw i64 %20, 3
;;   %29 = getelementptr nusw nuw i8, ptr %27, i64 %28
;;   %30 = load ptr, ptr %29, align 8
;;   %31 = icmp eq ptr %30, null
;;   br i1 %31, label %32, label %37
;;
;; 32:
;;   trap UninitializedElement
;;
;; 37:
;;   %38 = getelementptr inbounds nuw i8, ptr %30, i64 16
;;   %39 = load i32, ptr %38, align 4
;;   %40 = load i32, ptr %7, align 4
;;   %.not2 = icmp eq i32 %39, %40
;;   br i1 %.not2, label %46, label %41
;;
;; 41:
;;   trap IndirectCallTypeMismatch
;;
;; 46:
;;   %47 = getelementptr inbounds nuw i8, ptr %30, i64 8
;;   %48 = load ptr, ptr %47, align 8
;;   %.not3 = icmp eq ptr %48, %0
;;   br i1 %.not3, label %51, label %49
;;
;; 49:
;;   %50 = getelementptr inbounds nuw i8, ptr %3, i64 24
;;   store ptr %0, ptr %50, align 8
;;   br label %51
;;
;; 51:
;;   %52 = phi ptr [ %0, %46 ], [ %48, %49 ]
;;   %53 = load ptr, ptr %30, align 8
;;   %54 = load atomic ptr, ptr %53 monotonic, align 8
;;   %55 = call i32 %54(ptr %52, i32 %1) #3
;;   ret i32 %55
;; }
