;; The reference is compared with the address of the likely function's entry in this instance's context.
;; Seen: function 1 60 times.
(module
  (type $unary (func (param i32) (result i32)))
  (import "" "table" (table 8 funcref))
  (func (export "run") (param $x i32) (param $index i32) (result i32)
    (call_indirect (type $unary) (local.get $x) (local.get $index)))
  (elem declare func $ten $twenty)
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
;;   %31 = getelementptr inbounds nuw i8, ptr %0, i64 88
;;   %32 = icmp eq ptr %30, %31
;;   br i1 %32, label %35, label %37
;;
;; 33:
;;   %34 = phi i32 [ %36, %35 ], [ %62, %59 ]
;;   ret i32 %34
;;
;; 35:
;;   %36 = add i32 %1, 10
;;   br label %33
;;
;; 37:
;;   %38 = icmp eq ptr %30, null
;;   br i1 %38, label %39, label %44
;;
;; 39:
;;   trap UninitializedElement
;;
;; 44:
;;   %45 = getelementptr inbounds nuw i8, ptr %30, i64 16
;;   %46 = load i32, ptr %45, align 4
;;   %47 = load i32, ptr %7, align 4
;;   %.not2 = icmp eq i32 %46, %47
;;   br i1 %.not2, label %53, label %48
;;
;; 48:
;;   trap IndirectCallTypeMismatch
;;
;; 53:
;;   %54 = load ptr, ptr %30, align 8
;;   %55 = getelementptr inbounds nuw i8, ptr %30, i64 8
;;   %56 = load ptr, ptr %55, align 8
;;   %.not3 = icmp eq ptr %56, %0
;;   br i1 %.not3, label %59, label %57
;;
;; 57:
;;   %58 = getelementptr inbounds nuw i8, ptr %3, i64 24
;;   store ptr %0, ptr %58, align 8
;;   br label %59
;;
;; 59:
;;   %60 = phi ptr [ %0, %53 ], [ %56, %57 ]
;;   %61 = load atomic ptr, ptr %54 monotonic, align 8
;;   %62 = call i32 %61(ptr %60, i32 %1) #3
;;   br label %33
;; }
