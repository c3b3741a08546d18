//! The assembler's output, read back by a decoder.

use iced_x86::{Decoder, DecoderOptions, Formatter, GasFormatter};

use super::*;

/// A decoder's reading of the output of `emit`, one line for each instruction.
fn decoded(emit: impl FnOnce(&mut Assembler)) -> String {
    let mut assembler = Assembler::default();
    emit(&mut assembler);
    assert!(!assembler.skipped_too_much());
    let mut lines = Vec::new();
    for instruction in Decoder::with_ip(64, assembler.code(), 0, DecoderOptions::NONE) {
        let mut line = String::new();
        GasFormatter::new().format(&instruction, &mut line);
        lines.push(line);
    }
    lines.join("\n")
}

#[test]
fn every_base_and_displacement_is_written_as_it_is_read() {
    const NAMES: [&str; 16] = [
        "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
        "r13", "r14", "r15",
    ];
    for (number, name) in (0..).zip(NAMES) {
        for (displacement, text) in [
            (0, ""),
            (1, "1"),
            (127, "0x7F"),
            (-128, "-0x80"),
            (128, "0x80"),
            (-129, "-0x81"),
            (i32::MAX, "0x7FFFFFFF"),
        ] {
            let place = Mem::new(Gpr(number), displacement);
            let read = decoded(|asm| asm.load(Width::W64, Gpr::R10, place));
            assert_eq!(read, format!("mov {text}(%{name}),%r10"));
            if number == 4 {
                // rsp is no index.
                continue;
            }
            let read = decoded(|asm| {
                let index = asm.i32_index(Gpr(number), None);
                let place = Mem::new(Gpr::R14, displacement).index(index, 3);
                asm.load(Width::W32, Gpr::RAX, place);
            });
            assert!(read.ends_with(&format!("(%r14,%{name},8),%eax")), "{read}");
        }
    }
}

#[test]
fn low_bytes_are_those_of_the_registers_that_were_named() {
    let read = decoded(|asm| {
        asm.set(Flag::E, Gpr::RSI);
        asm.set(Flag::NE, Gpr::RAX);
        asm.set(Flag::P, Gpr::R9);
        asm.int8(Width::W32, op::MOVZX8, Gpr::RAX, Gpr::RDI);
        asm.int8(Width::W64, op::MOVSX8, Gpr::R8, Gpr::RBX);
        asm.store8(Mem::new(Gpr::RAX, 0), Gpr::RSI);
        asm.store8(Mem::new(Gpr::R8, 0), Gpr::RDX);
        asm.store16(Mem::new(Gpr::RAX, 0), Gpr::R9);
    });
    let expected = "sete %sil\nsetne %al\nsetp %r9b\nmovzbl %dil,%eax\nmovsbq %bl,%r8\n\
                    mov %sil,(%rax)\nmov %dl,(%r8)\nmov %r9w,(%rax)";
    assert_eq!(read, expected);
}

#[test]
fn constants_take_the_shortest_form_that_holds_them() {
    let read = decoded(|asm| {
        for value in [0, 1, u64::from(u32::MAX), 1 << 32, u64::MAX, 1 << 63] {
            asm.mov_imm(Gpr::R9, value);
        }
        asm.mov_imm_keeping_flags(Gpr::RAX, 0);
        asm.int_imm(Width::W64, digit::ADD, Gpr::RAX, 127);
        asm.int_imm(Width::W32, digit::CMP, Gpr::R8, -128);
        asm.int_imm(Width::W32, digit::XOR, Gpr::RCX, 128);
        asm.imul_imm(Width::W64, Gpr::RDX, Gpr::R10, -3);
    });
    let expected = "xor %r9d,%r9d\nmov $1,%r9d\nmov $0xFFFFFFFF,%r9d\n\
                    movabs $0x100000000,%r9\nmov $0xFFFFFFFFFFFFFFFF,%r9\nmovabs $0x8000000000000000,%r9\n\
                    mov $0,%eax\nadd $0x7F,%rax\ncmp $0xFFFFFF80,%r8d\nxor $0x80,%ecx\n\
                    imul $0xFFFFFFFFFFFFFFFD,%r10,%rdx";
    assert_eq!(read, expected);
}

#[test]
fn floats_have_their_prefixes_before_rex() {
    let read = decoded(|asm| {
        asm.float(0xf2, op::ADDF, Xmm(9), Xmm(2));
        asm.float(0xf3, op::MOVF, Xmm(1), Mem::new(Gpr::RSP, 8));
        asm.float(0x66, op::UCOMIS, Xmm(0), Xmm(15));
        asm.mixed(0xf2, Width::W64, op::CVTSI2F, 8, Gpr::R11);
        asm.mixed(0xf3, Width::W32, op::CVTTF2SI, Gpr::R10.0, Xmm(3));
        asm.mixed(0x66, Width::W64, op::MOVD, 15, Gpr::R11);
        asm.mixed(0x66, Width::W32, op::STORED, 7, Gpr::R8);
        asm.round(op::ROUNDSD, Xmm(8), Xmm(1), 9);
    });
    let expected = "addsd %xmm2,%xmm9\nmovss 8(%rsp),%xmm1\nucomisd %xmm15,%xmm0\n\
                    cvtsi2sd %r11,%xmm8\ncvttss2si %xmm3,%r10d\nmovq %r11,%xmm15\n\
                    movd %xmm7,%r8d\nroundsd $9,%xmm1,%xmm8";
    assert_eq!(read, expected);
}

#[test]
fn constants_lie_aligned_behind_the_code() {
    let mut asm = Assembler::default();
    let (ones, twos) = (asm.constant(0x11), asm.constant(0x22));
    assert_eq!(asm.constant(0x11), ones);
    asm.vector(op::PADDB, Xmm(9), twos);
    asm.vector_imm(op::PSHUFD, Xmm(1), ones, 0x1b);
    asm.vector(op::PSHUFB, Xmm(1), ones);
    asm.place_constants();
    assert_eq!(asm.code().len(), 32 + 32);
    assert_eq!(asm.code()[32], 0x11);
    let mut decoder = Decoder::with_ip(64, asm.code(), 0, DecoderOptions::NONE);
    for place in [48, 32, 32] {
        assert_eq!(decoder.decode().ip_rel_memory_address(), place);
    }
}

#[test]
fn jumps_go_where_they_are_linked_to() {
    let read = decoded(|asm| {
        let far = asm.jump_if(Flag::L);
        let near = asm.skip_if(Flag::A);
        asm.undefined();
        asm.end_skip(near);
        let back = asm.jump();
        asm.link(back, 6);
        asm.link_here(far);
        asm.leave_and_return();
    });
    let expected = "jl 0x000000000000000F\nja 0x000000000000000A\nud2\n\
                    jmp 6\nleave\nret";
    assert_eq!(read, expected);
}

#[test]
fn a_short_jump_that_is_too_long_is_told() {
    let mut asm = Assembler::default();
    let jump = asm.skip();
    for _ in 0..64 {
        asm.undefined();
    }
    asm.end_skip(jump);
    assert!(asm.skipped_too_much());
    asm.clear();
    assert!(!asm.skipped_too_much());
}
