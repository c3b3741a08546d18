;; A segment whose place is only known to the instance leaves nothing known of the table.
(module
  (type $unary (func (param i32) (result i32)))
  (import "" "at" (global $at i32))
  (func (export "run") (param $x i32) (param $index i32) (result i32)
    (call_indirect (type $unary) (local.get $x) (local.get $index)))
  (table 2 funcref)
  (elem (global.get $at) $ten $twenty)
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
;;   %13 = getelementptr inbounds nuw i8, ptr %0, i64 16
;;   %14 = load ptr, ptr %13, align 8
;;   %15 = getelementptr inbounds nuw i8, ptr %14, i64 112
;;   %16 = load ptr, ptr %15, align 8
;;   call void %16(ptr nonnull %0, i32 1) #2
;;   unreachable
;;
;; 17:
;;   %18 = getelementptr inbounds nuw i8, ptr %5, i64 8
;;   %19 = load i64, ptr %18, align 8
;;   %20 = zext i32 %2 to i64
;;   %.not = icmp ugt i64 %19, %20
;;   br i1 %.not, label %26, label %21
;;
;; 21:
;;   %22 = getelementptr inbounds nuw i8, ptr %0, i64 16
;;   %23 = load ptr, ptr %22, align 8
;;   %24 = getelementptr inbounds nuw i8, ptr %23, i64 112
;;   %25 = load ptr, ptr %24, align 8
;;   call void %25(ptr nonnull %0, i32 4) #2
;;   unreachable
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
;;   %33 = getelementptr inbounds nuw i8, ptr %0, i64 16
;;   %34 = load ptr, ptr %33, align 8
;;   %35 = getelementptr inbounds nuw i8, ptr %34, i64 112
;;   %36 = load ptr, ptr %35, align 8
;;   call void %36(ptr nonnull %0, i32 5) #2
;;   unreachable
;;
;; 37:
;;   %38 = getelementptr inbounds nuw i8, ptr %30, i64 16
;;   %39 = load i32, ptr %38, align 4
;;   %40 = load i32, ptr %7, align 4
;;   %.not2 = icmp eq i32 %39, %40
;;   br i1 %.not2, label %46, label %41
;;
;; 41:
;;   %42 = getelementptr inbounds nuw i8, ptr %0, i64 16
;;   %43 = load ptr, ptr %42, align 8
;;   %44 = getelementptr inbounds nuw i8, ptr %43, i64 112
;;   %45 = load ptr, ptr %44, align 8
;;   call void %45(ptr nonnull %0, i32 6) #2
;;   unreachable
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
