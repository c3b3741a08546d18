;; A function of the module is called with two of its caller's values.
(module
  (func (param i32 i64) (result i64)
    (i64.add (local.get 1) (call $callee (local.get 0) (local.get 1))))
  (func $callee (param i32 i64) (result i64) (local.get 1)))

;; ---- single pass
;;      0:  subl $5,0x60(%rdi)
;;      7:  js 0x0000000000000062
;;      d:  push %rbp
;;      e:  mov %rsp,%rbp
;;     11:  mov (%rdi),%r11
;;     14:  mov %rsp,%rax
;;     17:  sub $0x40,%rax
;;     1e:  cmp (%r11),%rax
;;     21:  jb 0x0000000000000060
;;     27:  sub $0x40,%rsp
;;     2e:  mov %rbx,-8(%rbp)
;;     32:  mov %rdi,%rbx
;;     35:  mov %esi,%esi
;;     37:  mov %esi,(%rsp)
;;     3a:  mov %rdx,8(%rsp)
;;     3f:  mov %rdx,0x10(%rsp)
;;     44:  mov 8(%rbx),%r11
;;     48:  mov %rbx,%rdi
;;     4b:  callq *8(%r11)
;;     4f:  mov 0x10(%rsp),%r10
;;     54:  add %rax,%r10
;;     57:  mov %r10,%rax
;;     5a:  mov -8(%rbp),%rbx
;;     5e:  leave
;;     5f:  ret
;;     60:  ud2
;;     62:  mov $0,%eax
;;     67:  lea 0xD,%r10
;;     6e:  mov 0x10(%rdi),%r11
;;     72:  jmpq *0x58(%r11)

;; ---- middle tier
;; function u0:0(i64 vmctx, i32, i64) -> i64 system_v {
;;     ss0 = explicit_slot 16, align = 16
;;     gv0 = vmctx
;;     gv1 = load.i64 notrap aligned readonly can_move gv0
;;     gv2 = load.i64 notrap aligned readonly can_move gv1
;;     sig0 = (i64 vmctx, i32, i64) -> i64 system_v
;;     const0 = 0x00000000000000000000000000000000
;;     stack_limit = gv2
;;
;;                                 block0(v0: i64, v1: i32, v2: i64):
;;                                     v3 = stack_addr.i64 ss0
;;                                     v4 = iconst.i32 0
;;                                     v5 = iconst.i64 0
;;                                     v6 = f32const 0.0
;;                                     v7 = f64const 0.0
;;                                     v8 = vconst.i8x16 const0
;; @0021                               v9 = load.i64 notrap aligned readonly can_move v0+8
;; @0021                               v10 = load.i64 notrap aligned v9+8
;; @0021                               v11 = call_indirect sig0, v10(v0, v1, v2)
;; @0023                               v12 = iadd v2, v11
;; @0024                               return v12
;; }
