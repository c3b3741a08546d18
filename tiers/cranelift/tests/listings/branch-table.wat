;; A branch table has two ways and one for all others.
(module
  (func (param $n i32) (result i32)
    (block $two (block $one (block $zero
      (br_table $zero $one $two (local.get $n)))
      (return (i32.const 10)))
      (return (i32.const 20)))
    (i32.const 30)))

;; ---- single pass
;;      0:  subl $3,0x48(%rdi)
;;      7:  js 0x000000000000007F
;;      d:  push %rbp
;;      e:  mov %rsp,%rbp
;;     11:  mov (%rdi),%r11
;;     14:  mov %rsp,%rax
;;     17:  sub $0x30,%rax
;;     1e:  cmp (%r11),%rax
;;     21:  jb 0x000000000000007D
;;     27:  sub $0x30,%rsp
;;     2e:  mov %rbx,-8(%rbp)
;;     32:  mov %rdi,%rbx
;;     35:  mov %esi,%esi
;;     37:  mov %esi,(%rsp)
;;     3a:  cmp $2,%esi
;;     3d:  jae 0x000000000000006A
;;     43:  lea 0x75,%r11
;;     4a:  movslq (%r11,%rsi,4),%rax
;;     4e:  add %rax,%r11
;;     51:  jmp *%r11
;;     54:  mov $0xA,%eax
;;     59:  mov -8(%rbp),%rbx
;;     5d:  leave
;;     5e:  ret
;;     5f:  mov $0x14,%eax
;;     64:  mov -8(%rbp),%rbx
;;     68:  leave
;;     69:  ret
;;     6a:  mov $0x1E,%eax
;;     6f:  mov -8(%rbp),%rbx
;;     73:  leave
;;     74:  ret
;;     75:  (bad)
;;     77:  (bad)
;;     79:  (bad)
;;     7b:  (bad)
;;     7d:  ud2
;;     7f:  mov $0,%eax
;;     84:  lea 0xD,%r10
;;     8b:  mov 0x10(%rdi),%r11
;;     8f:  jmpq *0x58(%r11)

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
;;                                     v3 = iconst.i32 0
;;                                     v4 = iconst.i64 0
;;                                     v5 = f32const 0.0
;;                                     v6 = f64const 0.0
;;                                     v7 = vconst.i8x16 const0
;; @0021                               br_table v1, block3, [block1, block2]
;;
;;                                 block1:
;; @0027                               v8 = iconst.i32 10
;; @0029                               return v8  ; v8 = 10
;;
;;                                 block2:
;; @002b                               v9 = iconst.i32 20
;; @002d                               return v9  ; v9 = 20
;;
;;                                 block3:
;; @002f                               v10 = iconst.i32 30
;; @0031                               return v10  ; v10 = 30
;; }
