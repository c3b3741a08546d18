//! Code that has taken more of the stack than it may: each way out of it is a trap that needs no stack.

use std::thread;

use upshift_module::Entity;
use upshift_runtime::{Builtin, TrapCode, VMOffsets, offsets, remaining_stack};

use super::{Fixture, HostResult, assemble_host_call};

/// A stand-in for code whose frame ends at the address that is its argument, and which then goes out of it.
pub(super) fn assemble(function: u32, layout: &VMOffsets) -> Vec<u8> {
    // mov rsp, rsi
    let mut code = vec![0x48, 0x89, 0xf4];
    match function {
        9 => code.extend(assemble_host_call(layout)),
        // mov rax, [rdi + slots]; call [rax]
        10 => {
            code.extend([0x48, 0x8b, 0x47, offsets::VMCONTEXT_SLOTS as u8]);
            code.extend([0xff, 0x10]);
        }
        _ => {
            let builtin = match function {
                11 => Builtin::MemoryGrow,
                _ => Builtin::Trap,
            };
            // xor esi, esi; xor edx, edx; mov rax, [rdi + builtins]; call [rax + builtin]
            code.extend([0x31, 0xf6, 0x31, 0xd2]);
            code.extend([0x48, 0x8b, 0x47, offsets::VMCONTEXT_BUILTINS as u8]);
            code.extend([0xff, 0x90]);
            code.extend(builtin.offset().to_le_bytes());
        }
    }
    // mov rsp, rbp
    code.extend([0x48, 0x89, 0xec]);
    code
}

fn never(_: u32) -> HostResult {
    panic!("there is no stack for this");
}

/// The lowest address of this thread's stack, a little above.
fn lowest() -> usize {
    let here = 0_u8;
    ((&raw const here).addr() - remaining_stack()).next_multiple_of(4096)
}

#[test]
fn ways_out_of_code_that_has_used_up_the_stack_are_traps_without_stack() {
    let thread = thread::Builder::new().stack_size(8 << 20).spawn(|| {
        let mut fixture = Fixture::new(never);
        for (index, name) in ["low_host", "low_lazy", "low_grow", "low_trap"]
            .into_iter()
            .enumerate()
        {
            let Entity::Func(function) = fixture.module.export(name).expect("exported").entity
            else {
                panic!("{name} is a function");
            };
            // Room for a return address and hardly more; then some more, but less than is the host's.
            for left in [4096 + 32, 64 << 10, 400 << 10] {
                let frame = (function.as_u32(), Some(1009 + index as u32));
                assert_eq!(
                    fixture.trap(name, &[(lowest() + left) as u64]),
                    (TrapCode::StackOverflow, vec![frame]),
                    "{name} {left}"
                );
            }
        }
    });
    thread.expect("a thread").join().expect("no panic");
}
