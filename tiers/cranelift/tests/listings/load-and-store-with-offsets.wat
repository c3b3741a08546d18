;; A field is copied to another, each at an offset of its own.
(module (memory 1)
  (func (param $from i32) (param $to i32)
    (i64.store offset=16 (local.get $to) (i64.load offset=8 (local.get $from)))))

;; ---- single pass
;;      0:  subl $4,0x58(%rdi)
;;      7:  js 0x000000000000005E
;;      d:  push %rbp
;;      e:  mov %rsp,%rbp
;;     11:  mov (%rdi),%r11
;;     14:  mov %rsp,%rax
;;     17:  sub $0x30,%rax
;;     1e:  cmp (%r11),%rax
;;     21:  jb 0x000000000000005C
;;     27:  sub $0x30,%rsp
;;     2e:  mov %rbx,-8(%rbp)
;;     32:  mov %rdi,%rbx
;;     35:  mov %r14,-0x10(%rbp)
;;     39:  mov 0x20(%rbx),%r14
;;     3d:  mov %esi,%esi
;;     3f:  mov %esi,(%rsp)
;;     42:  mov %edx,%edx
;;     44:  mov %edx,8(%rsp)
;;     48:  mov 8(%r14,%rsi),%rax
;;     4d:  mov %rax,0x10(%r14,%rdx)
;;     52:  mov -0x10(%rbp),%r14
;;     56:  mov -8(%rbp),%rbx
;;     5a:  leave
;;     5b:  ret
;;     5c:  ud2
;;     5e:  mov $0,%eax
;;     63:  lea 0xD,%r10
;;     6a:  mov 0x10(%rdi),%r11
;;     6e:  jmpq *0x58(%r11)

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
;; @0022                               v12 = load.i64 little v11+8
;; @0025                               v13 = uextend.i64 v2
;; @0025                               v14 = iadd v9, v13
;; @0025                               store little v12, v14+16
;; @0028                               return
;; }
