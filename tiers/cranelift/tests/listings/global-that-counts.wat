;; A global is read, added to and written.
(module (global $count (mut i32) (i32.const 0))
  (func (param i32)
    (global.set $count (i32.add (global.get $count) (local.get 0)))))

;; ---- single pass
;;      0:  subl $4,0x58(%rdi)
;;      7:  js 0x000000000000004A
;;      d:  push %rbp
;;      e:  mov %rsp,%rbp
;;     11:  mov (%rdi),%r11
;;     14:  mov %rsp,%rax
;;     17:  sub $0x30,%rax
;;     1e:  cmp (%r11),%rax
;;     21:  jb 0x0000000000000048
;;     27:  sub $0x30,%rsp
;;     2e:  mov %rbx,-8(%rbp)
;;     32:  mov %rdi,%rbx
;;     35:  mov %esi,%esi
;;     37:  mov %esi,(%rsp)
;;     3a:  mov 0x30(%rbx),%eax
;;     3d:  add %esi,%eax
;;     3f:  mov %eax,0x30(%rbx)
;;     42:  mov -8(%rbp),%rbx
;;     46:  leave
;;     47:  ret
;;     48:  ud2
;;     4a:  mov $0,%eax
;;     4f:  lea 0xD,%r10
;;     56:  mov 0x10(%rdi),%r11
;;     5a:  jmpq *0x58(%r11)

;; ---- middle tier
;; function u0:0(i64 vmctx, i32) system_v {
;;     ss0 = explicit_slot 16, align = 16
;;     gv0 = vmctx
;;     gv1 = load.i64 notrap aligned readonly can_move gv0
;;     gv2 = load.i64 notrap aligned readonly can_move gv1
;;     const0 = 0x00000000000000000000000000000000
;;     stack_limit = gv2
;;
;;                                 block0(v0: i64, v1: i32):
;;                                     v2 = stack_addr.i64 ss0
;;                                     v3 = iconst.i32 0
;;                                     v4 = iconst.i64 0
;;                                     v5 = f32const 0.0
;;                                     v6 = f64const 0.0
;;                                     v7 = vconst.i8x16 const0
;; @0020                               v8 = load.i32 notrap aligned v0+48
;; @0024                               v9 = iadd v8, v1
;; @0025                               store notrap aligned v9, v0+48
;; @0027                               return
;; }
