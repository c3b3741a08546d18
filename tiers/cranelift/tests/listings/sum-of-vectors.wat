;; Two vectors are loaded and their lanes added.
(module (memory 1)
  (func (param $a i32) (param $b i32)
    (v128.store (local.get $a)
      (i32x4.add (v128.load (local.get $a)) (v128.load offset=16 (local.get $b))))))

;; ---- single pass
;;      0:  subl $7,0x58(%rdi)
;;      7:  js 0x0000000000000068
;;      d:  push %rbp
;;      e:  mov %rsp,%rbp
;;     11:  mov (%rdi),%r11
;;     14:  mov %rsp,%rax
;;     17:  sub $0x30,%rax
;;     1e:  cmp (%r11),%rax
;;     21:  jb 0x0000000000000066
;;     27:  sub $0x30,%rsp
;;     2e:  mov %rbx,-8(%rbp)
;;     32:  mov %rdi,%rbx
;;     35:  mov %r14,-0x10(%rbp)
;;     39:  mov 0x20(%rbx),%r14
;;     3d:  mov %esi,%esi
;;     3f:  mov %esi,(%rsp)
;;     42:  mov %edx,%edx
;;     44:  mov %edx,8(%rsp)
;;     48:  movups (%r14,%rsi),%xmm0
;;     4d:  movups 0x10(%r14,%rdx),%xmm1
;;     53:  paddd %xmm1,%xmm0
;;     57:  movups %xmm0,(%r14,%rsi)
;;     5c:  mov -0x10(%rbp),%r14
;;     60:  mov -8(%rbp),%rbx
;;     64:  leave
;;     65:  ret
;;     66:  ud2
;;     68:  mov $0,%eax
;;     6d:  lea 0xD,%r10
;;     74:  mov 0x10(%rdi),%r11
;;     78:  jmpq *0x58(%r11)

;; ---- middle tier
;; function u0:0(i64 vmctx, i32, i32) system_v {
;;     ss0 = explicit_slot 16, align = 16
;;     gv0 = vmctx
;;     gv1 = load.i64 notrap aligned readonly can_move gv0
;;     gv2 = load.i64 notrap aligned readonly can_move gv1
;;     const0 = 0x00000000000000000000000000000000
;;     stack_limit = gv2
;;
;;                                 block0(v0: i64, v1: i32, v2: i32):
;;                                     v3 = stack_addr.i64 ss0
;; @001e                               v9 = load.i64 notrap aligned readonly can_move v0+32
;;                                     v4 = iconst.i32 0
;;                                     v5 = iconst.i64 0
;;                                     v6 = f32const 0.0
;;                                     v7 = f64const 0.0
;;                                     v8 = vconst.i8x16 const0
;; @0022                               v10 = uextend.i64 v1
;; @0022                               v11 = iadd v9, v10
;; @0022                               v12 = load.i8x16 little v11
;; @0028                               v13 = uextend.i64 v2
;; @0028                               v14 = iadd v9, v13
;; @0028                               v15 = load.i8x16 little v14+16
;; @002c                               v16 = bitcast.i32x4 little v12
;; @002c                               v17 = bitcast.i32x4 little v15
;; @002c                               v18 = iadd v16, v17
;; @002f                               store little v18, v11
;; @0033                               return
;; }
