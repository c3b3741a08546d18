;; A division traps by zero and where the quotient does not fit.
(module
  (func (param i64 i64) (result i64)
    (i64.div_s (i64.mul (local.get 0) (i64.const 10)) (local.get 1))))

;; ---- single pass
;;      0:  subl $5,0x48(%rdi)
;;      7:  js 0x0000000000000086
;;      d:  push %rbp
;;      e:  mov %rsp,%rbp
;;     11:  mov (%rdi),%r11
;;     14:  mov %rsp,%rax
;;     17:  sub $0x40,%rax
;;     1e:  cmp (%r11),%rax
;;     21:  jb 0x0000000000000080
;;     27:  sub $0x40,%rsp
;;     2e:  mov %rbx,-8(%rbp)
;;     32:  mov %rdi,%rbx
;;     35:  mov %rsi,(%rsp)
;;     39:  mov %rdx,8(%rsp)
;;     3e:  imul $0xA,%rsi,%rax
;;     45:  mov %rax,0x10(%rsp)
;;     4a:  mov %rdx,0x18(%rsp)
;;     4f:  mov 0x10(%rsp),%r10
;;     54:  mov 0x18(%rsp),%r9
;;     59:  mov %r10,%rax
;;     5c:  test %r9,%r9
;;     5f:  je 0x0000000000000082
;;     65:  cmp $0xFFFFFFFFFFFFFFFF,%r9
;;     69:  jne 0x0000000000000075
;;     6b:  cmp $1,%rax
;;     6f:  jo 0x0000000000000084
;;     75:  cqto
;;     77:  idiv %r9
;;     7a:  mov -8(%rbp),%rbx
;;     7e:  leave
;;     7f:  ret
;;     80:  ud2
;;     82:  ud2
;;     84:  ud2
;;     86:  mov $0,%eax
;;     8b:  lea 0xD,%r10
;;     92:  mov 0x10(%rdi),%r11
;;     96:  jmpq *0x58(%r11)

;; ---- middle tier
;; function u0:0(i64 vmctx, i64, i64) -> i64 system_v {
;;     ss0 = explicit_slot 16, align = 16
;;     gv0 = vmctx
;;     gv1 = load.i64 notrap aligned readonly can_move gv0
;;     gv2 = load.i64 notrap aligned readonly can_move gv1
;;     const0 = 0x00000000000000000000000000000000
;;     stack_limit = gv2
;;
;;                                 block0(v0: i64, v1: i64, v2: i64):
;;                                     v3 = stack_addr.i64 ss0
;;                                     v4 = iconst.i32 0
;;                                     v5 = iconst.i64 0
;;                                     v6 = f32const 0.0
;;                                     v7 = f64const 0.0
;;                                     v8 = vconst.i8x16 const0
;; @001c                               v9 = iconst.i64 10
;; @001e                               v10 = imul v1, v9  ; v9 = 10
;; @0021                               v11 = sdiv v10, v2
;; @0022                               return v11
;; }
