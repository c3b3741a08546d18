;; A choice by a comparison, of two numbers that are there.
(module
  (func (param i32 i32) (result i32)
    (select (local.get 0) (local.get 1) (i32.gt_s (local.get 0) (local.get 1)))))

;; ---- single pass
;;      0:  subl $6,0x48(%rdi)
;;      7:  js 0x000000000000004F
;;      d:  push %rbp
;;      e:  mov %rsp,%rbp
;;     11:  mov (%rdi),%r11
;;     14:  mov %rsp,%rax
;;     17:  sub $0x30,%rax
;;     1e:  cmp (%r11),%rax
;;     21:  jb 0x000000000000004D
;;     27:  sub $0x30,%rsp
;;     2e:  mov %rbx,-8(%rbp)
;;     32:  mov %rdi,%rbx
;;     35:  mov %esi,%esi
;;     37:  mov %esi,(%rsp)
;;     3a:  mov %edx,%edx
;;     3c:  mov %edx,8(%rsp)
;;     40:  mov %esi,%eax
;;     42:  cmp %edx,%esi
;;     44:  cmovle %edx,%eax
;;     47:  mov -8(%rbp),%rbx
;;     4b:  leave
;;     4c:  ret
;;     4d:  ud2
;;     4f:  mov $0,%eax
;;     54:  lea 0xD,%r10
;;     5b:  mov 0x10(%rdi),%r11
;;     5f:  jmpq *0x58(%r11)

;; ---- middle tier
;; function u0:0(i64 vmctx, i32, i32) -> i32 system_v {
;;     ss0 = explicit_slot 16, align = 16
;;     gv0 = vmctx
;;     gv1 = load.i64 notrap aligned readonly can_move gv0
;;     gv2 = load.i64 notrap aligned readonly can_move gv1
;;     const0 = 0x00000000000000000000000000000000
;;     stack_limit = gv2
;;
;;                                 block0(v0: i64, v1: i32, v2: i32):
;;                                     v3 = stack_addr.i64 ss0
;;                                     v4 = iconst.i32 0
;;                                     v5 = iconst.i64 0
;;                                     v6 = f32const 0.0
;;                                     v7 = f64const 0.0
;;                                     v8 = vconst.i8x16 const0
;; @0022                               v9 = icmp sgt v1, v2
;; @0022                               v10 = uextend.i32 v9
;; @0023                               v11 = select v9, v1, v2
;; @0024                               return v11
;; }
