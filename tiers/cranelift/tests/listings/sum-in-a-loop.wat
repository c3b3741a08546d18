;; A loop sums up the words of an array.
(module (memory 1)
  (func (param $at i32) (param $end i32) (result i32) (local $sum i32)
    (loop $next
      (local.set $sum (i32.add (local.get $sum) (i32.load (local.get $at))))
      (br_if $next
        (i32.ne (local.tee $at (i32.add (local.get $at) (i32.const 4))) (local.get $end))))
    (local.get $sum)))

;; ---- single pass
;;      0:  subl $1,0x58(%rdi)
;;      7:  js 0x00000000000000EB
;;      d:  push %rbp
;;      e:  mov %rsp,%rbp
;;     11:  mov (%rdi),%r11
;;     14:  mov %rsp,%rax
;;     17:  sub $0x40,%rax
;;     1e:  cmp (%r11),%rax
;;     21:  jb 0x0000000000000095
;;     27:  sub $0x40,%rsp
;;     2e:  mov %rbx,-8(%rbp)
;;     32:  mov %rdi,%rbx
;;     35:  mov %r14,-0x10(%rbp)
;;     39:  mov 0x20(%rbx),%r14
;;     3d:  mov %esi,%esi
;;     3f:  mov %esi,(%rsp)
;;     42:  mov %edx,%edx
;;     44:  mov %edx,8(%rsp)
;;     48:  xorps %xmm15,%xmm15
;;     4c:  movups %xmm15,0x10(%rsp)
;;     52:  subl $0xC,0x58(%rbx)
;;     59:  js 0x0000000000000097
;;     5f:  mov 0x10(%rsp),%eax
;;     63:  mov (%rsp),%r10d
;;     67:  mov (%r14,%r10),%r9d
;;     6b:  add %eax,%r9d
;;     6e:  mov %r9d,0x10(%rsp)
;;     73:  lea 4(%r10),%eax
;;     77:  mov %eax,(%rsp)
;;     7a:  mov 8(%rsp),%r10d
;;     7f:  cmp %r10d,%eax
;;     82:  jne 0x0000000000000052
;;     88:  mov %r9,%rax
;;     8b:  mov -0x10(%rbp),%r14
;;     8f:  mov -8(%rbp),%rbx
;;     93:  leave
;;     94:  ret
;;     95:  ud2
;;     97:  xor %esi,%esi
;;     99:  xor %edx,%edx
;;     9b:  mov %rsp,%rcx
;;     9e:  mov 0x10(%rbx),%r11
;;     a2:  mov %rbx,%rdi
;;     a5:  callq *0x60(%r11)
;;     a9:  test %rax,%rax
;;     ac:  jne 0x00000000000000B7
;;     b2:  jmp 0x000000000000005F
;;     b7:  mov (%rbx),%r11
;;     ba:  mov 0x30(%r11),%rcx
;;     be:  mov %rbx,%rdi
;;     c1:  mov %rsp,%rsi
;;     c4:  sub $0x20,%rsp
;;     c8:  mov %rcx,0x10(%rsp)
;;     cd:  mov %rsp,%rdx
;;     d0:  call *%rax
;;     d2:  mov 0x10(%rsp),%rcx
;;     d7:  mov (%rbx),%r11
;;     da:  mov %rcx,(%r11)
;;     dd:  mov (%rsp),%rax
;;     e1:  mov -0x10(%rbp),%r14
;;     e5:  mov -8(%rbp),%rbx
;;     e9:  leave
;;     ea:  ret
;;     eb:  mov $0,%eax
;;     f0:  lea 0xD,%r10
;;     f7:  mov 0x10(%rdi),%r11
;;     fb:  jmpq *0x58(%r11)

;; ---- middle tier
;; function u0:0(i64 vmctx, i32, i32) -> i32 system_v {
;;     ss0 = explicit_slot 32, align = 16
;;     ss1 = explicit_slot 16, align = 16
;;     gv0 = vmctx
;;     gv1 = load.i64 notrap aligned readonly can_move gv0
;;     gv2 = load.i64 notrap aligned readonly can_move gv1
;;     sig0 = (i64 vmctx, i32, i32, i64, i64) preserve_all
;;     sig1 = (i64 vmctx, i64, i64) system_v
;;     const0 = 0x00000000000000000000000000000000
;;     stack_limit = gv2
;;
;;                                 block0(v0: i64, v1: i32, v2: i32):
;;                                     v3 = stack_addr.i64 ss0
;; @0021                               v29 = load.i64 notrap aligned readonly can_move v0+32
;;                                     v4 = iconst.i32 0
;;                                     v5 = iconst.i64 0
;;                                     v6 = f32const 0.0
;;                                     v7 = f64const 0.0
;;                                     v8 = vconst.i8x16 const0
;;                                     v9 = load.i32 notrap aligned v0+88
;; @0021                               jump block2(v4, v1, v2, v9)  ; v4 = 0
;;
;;                                 block1:
;; @0021                               v11 = iconst.i32 -12
;; @0021                               v12 = iadd.i32 v10, v11  ; v11 = -12
;; @0021                               v13 = iconst.i32 0
;; @0021                               v14 = icmp slt v12, v13  ; v13 = 0
;; @0021                               brif v14, block3, block2(v17, v15, v16, v12)
;;
;;                                 block3 cold:
;; @0021                               store.i32 notrap aligned v15, v3
;; @0021                               store.i32 notrap aligned v16, v3+8
;; @0021                               store.i32 notrap aligned v17, v3+16
;; @0021                               store.i32 notrap aligned v12, v0+88
;; @0021                               v18 = iconst.i32 0
;; @0021                               v19 = iconst.i32 0
;; @0021                               v20 = stack_addr.i64 ss0
;; @0021                               v21 = stack_addr.i64 ss1
;; @0021                               v22 = load.i64 notrap aligned readonly can_move v0+16
;; @0021                               v23 = load.i64 notrap aligned readonly can_move v22+104
;; @0021                               call_indirect sig0, v23(v0, v18, v19, v20, v21)  ; v18 = 0, v19 = 0
;; @0021                               v24 = load.i32 notrap aligned v0+88
;; @0021                               v25 = load.i64 notrap aligned v21
;; @0021                               brif v25, block4(v25), block2(v17, v15, v16, v24)
;;
;;                                 block2(v27: i32, v28: i32, v36: i32, v39: i32):
;;                                     v16 -> v36
;;                                     v10 -> v39
;; @0027                               v30 = uextend.i64 v28
;; @0027                               v31 = iadd.i64 v29, v30
;; @0027                               v32 = load.i32 little v31
;; @002a                               v33 = iadd v27, v32
;;                                     v17 -> v33
;; @002f                               v34 = iconst.i32 4
;; @0031                               v35 = iadd v28, v34  ; v34 = 4
;;                                     v15 -> v35
;; @0036                               v37 = icmp ne v35, v36
;; @0036                               v38 = uextend.i32 v37
;; @0037                               brif v37, block1, block5
;;
;;                                 block5:
;; @003c                               store.i32 notrap aligned v39, v0+88
;; @003c                               return v33
;;
;;                                 block4(v26: i64) cold:
;; @003c                               v40 = stack_addr.i64 ss0
;; @003c                               v41 = stack_addr.i64 ss1
;; @003c                               v42 = load.i64 notrap aligned readonly can_move v0
;; @003c                               v43 = load.i64 notrap aligned v42+48
;; @003c                               call_indirect sig1, v26(v0, v40, v41)
;; @003c                               store notrap aligned v43, v42
;; @003c                               v44 = stack_addr.i64 ss1
;; @003c                               v45 = load.i32 notrap aligned v44
;; @003c                               return v45
;; }
