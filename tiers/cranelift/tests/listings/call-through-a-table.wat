;; A call through a table compares the index, null and the signature.
(module (table 4 funcref) (type $unary (func (param i32) (result i32)))
  (func (param $x i32) (param $index i32) (result i32)
    (call_indirect (type $unary) (local.get $x) (local.get $index))))

;; ---- single pass
;;      0:  subl $3,0x58(%rdi)
;;      7:  js 0x000000000000009D
;;      d:  push %rbp
;;      e:  mov %rsp,%rbp
;;     11:  mov (%rdi),%r11
;;     14:  mov %rsp,%rax
;;     17:  sub $0x30,%rax
;;     1e:  cmp (%r11),%rax
;;     21:  jb 0x0000000000000095
;;     27:  sub $0x30,%rsp
;;     2e:  mov %rbx,-8(%rbp)
;;     32:  mov %rdi,%rbx
;;     35:  mov %esi,%esi
;;     37:  mov %esi,(%rsp)
;;     3a:  mov %edx,%edx
;;     3c:  mov %edx,8(%rsp)
;;     40:  mov 0x30(%rbx),%r11
;;     44:  cmp 8(%r11),%rdx
;;     48:  jae 0x0000000000000097
;;     4e:  mov (%r11),%r11
;;     51:  mov (%r11,%rdx,8),%r10
;;     55:  test %r10,%r10
;;     58:  je 0x0000000000000099
;;     5e:  mov 0x18(%rbx),%r11
;;     62:  mov (%r11),%r11d
;;     65:  cmp 0x10(%r10),%r11d
;;     69:  jne 0x000000000000009B
;;     6f:  mov %r10,0x60(%rbx)
;;     73:  mov %rbx,%rdi
;;     76:  cmp 8(%r10),%rbx
;;     7a:  je 0x0000000000000087
;;     7c:  mov (%rbx),%r11
;;     7f:  mov %rbx,0x18(%r11)
;;     83:  mov 8(%r10),%rdi
;;     87:  mov (%r10),%r11
;;     8a:  callq *(%r11)
;;     8d:  mov %eax,%eax
;;     8f:  mov -8(%rbp),%rbx
;;     93:  leave
;;     94:  ret
;;     95:  ud2
;;     97:  ud2
;;     99:  ud2
;;     9b:  ud2
;;     9d:  mov $0,%eax
;;     a2:  lea 0xD,%r10
;;     a9:  mov 0x10(%rdi),%r11
;;     ad:  jmpq *0x58(%r11)

;; ---- middle tier
;; function u0:0(i64 vmctx, i32, i32) -> i32 system_v {
;;     ss0 = explicit_slot 16, align = 16
;;     gv0 = vmctx
;;     gv1 = load.i64 notrap aligned readonly can_move gv0
;;     gv2 = load.i64 notrap aligned readonly can_move gv1
;;     sig0 = (i64 vmctx, i32) -> i32 system_v
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
;; @0029                               v9 = load.i64 notrap aligned readonly can_move v0+48
;; @0029                               v10 = load.i64 notrap aligned v9+8
;; @0029                               v11 = uextend.i64 v2
;; @0029                               v12 = icmp uge v11, v10
;; @0029                               trapnz v12, user4
;; @0029                               v13 = load.i64 notrap aligned v9
;; @0029                               v14 = iconst.i64 3
;; @0029                               v15 = ishl v11, v14  ; v14 = 3
;; @0029                               v16 = iadd v13, v15
;; @0029                               v17 = load.i64 notrap aligned v16
;; @0029                               trapz v17, user5
;; @0029                               v18 = load.i32 notrap aligned v17+16
;; @0029                               v19 = load.i64 notrap aligned readonly can_move v0+24
;; @0029                               v20 = load.i32 notrap aligned readonly can_move v19
;; @0029                               v21 = icmp ne v18, v20
;; @0029                               trapnz v21, user6
;; @0029                               store notrap aligned v17, v0+96
;; @0029                               v22 = load.i64 notrap aligned v17+8
;; @0029                               v23 = icmp ne v22, v0
;; @0029                               brif v23, block1, block2(v0)
;;
;;                                 block1 cold:
;; @0029                               v25 = load.i64 notrap aligned readonly can_move v0
;; @0029                               store.i64 notrap aligned v0, v25+24
;; @0029                               jump block2(v22)
;;
;;                                 block2(v24: i64):
;; @0029                               v26 = load.i64 notrap aligned v17
;; @0029                               v27 = load.i64 notrap aligned v26
;; @0029                               v28 = call_indirect sig0, v27(v24, v1)
;; @002c                               return v28
;; }
