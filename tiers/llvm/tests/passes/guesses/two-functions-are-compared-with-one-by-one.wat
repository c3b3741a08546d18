;; Two functions that were seen are compared with by turns, the likelier one first.
;; Seen: function 1 60 times, function 2 40 times.
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
;;   %34 = phi i32 [ %36, %35 ], [ %41, %40 ], [ %67, %64 ]
;;   ret i32 %34
;;
;; 35:
;;   %36 = add i32 %1, 10
;;   br label %33
;;
;; 37:
;;   %38 = getelementptr inbounds nuw i8, ptr %0, i64 112
;;   %39 = icmp eq ptr %30, %38
;;   br i1 %39, label %40, label %42
;;
;; 40:
;;   %41 = mul i32 %1, 20
;;   br label %33
;;
;; 42:
;;   %43 = icmp eq ptr %30, null
;;   br i1 %43, label %44, label %49
;;
;; 44:
;;   trap UninitializedElement
;;
;; 49:
;;   %50 = getelementptr inbounds nuw i8, ptr %30, i64 16
;;   %51 = load i32, ptr %50, align 4
;;   %52 = load i32, ptr %7, align 4
;;   %.not2 = icmp eq i32 %51, %52
;;   br i1 %.not2, label %58, label %53
;;
;; 53:
;;   trap IndirectCallTypeMismatch
;;
;; 58:
;;   %59 = load ptr, ptr %30, align 8
;;   %60 = getelementptr inbounds nuw i8, ptr %30, i64 8
;;   %61 = load ptr, ptr %60, align 8
;;   %.not3 = icmp eq ptr %61, %0
;;   br i1 %.not3, label %64, label %62
;;
;; 62:
;;   %63 = getelementptr inbounds nuw i8, ptr %3, i64 24
;;   store ptr %0, ptr %63, align 8
;;   br label %64
;;
;; 64:
;;   %65 = phi ptr [ %0, %58 ], [ %61, %62 ]
;;   %66 = load atomic ptr, ptr %59 monotonic, align 8
;;   %67 = call i32 %66(ptr %65, i32 %1) #3
;;   br label %33
;; }
