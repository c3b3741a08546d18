;; Bytes are extended when they are loaded and cut when they are stored.
(module (memory 1)
  (func (param $at i32) (result i32)
    (i32.store16 (local.get $at) (i32.load8_s offset=4 (local.get $at)))
    (i32.load8_u (local.get $at))))

;; ---- single pass
;;      0:  subl $6,0x58(%rdi)
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
;;     42:  movsbl 4(%r14,%rsi),%eax
;;     48:  mov %ax,(%r14,%rsi)
;;     4d:  movzbl (%r14,%rsi),%eax
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
;; function u0:0(i64 vmctx, i32) -> i32 system_v {
;;     ss0 = explicit_slot 16, align = 16
;;     gv0 = vmctx
;;     gv1 = load.i64 notrap aligned readonly can_move gv0
;;     gv2 = load.i64 notrap aligned readonly can_move gv1
;;     const0 = 0x00000000000000000000000000000000
;;     stack_limit = gv2
;;
;;                                 block0(v0: i64, v1: i32):
;;                                     v2 = stack_addr.i64 ss0
;; @001e                               v8 = load.i64 notrap aligned readonly can_move v0+32
;;                                     v3 = iconst.i32 0
;;                                     v4 = iconst.i64 0
;;                                     v5 = f32const 0.0
;;                                     v6 = f64const 0.0
;;                                     v7 = vconst.i8x16 const0
;; @0022                               v9 = uextend.i64 v1
;; @0022                               v10 = iadd v8, v9
;; @0022                               v11 = sload8.i32 little v10+4
;; @0025                               istore16 little v11, v10
;; @002a                               v12 = uload8.i32 little v10
;; @002d                               return v12
;; }
