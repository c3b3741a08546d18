//! Loops that begin with results of other loops. LLVM writes such a number as an expression of all the loops before, and
//! takes the time for that at each of them. In units that cost much, a loop's first value is a `freeze`, behind which LLVM
//! does not look; there is no instruction for it in the end.
//!
//! ```text
//! %j = phi i32 [ %i, %between ], [ %j.next, %second ]
//! ```
//!
//! becomes
//!
//! ```text
//! %start = freeze i32 %i                      ; at the end of %between
//! %j = phi i32 [ %start, %between ], [ %j.next, %second ]
//! ```
//!
//! Condition: none is needed for it to be right. `freeze` returns its operand unless that is poison, and one number for all
//! that use it then; numbers that come in by one way and are the same stay the same, for they share it. A constant or a
//! parameter is no expression of other loops and stays. Inputs with what becomes of them: `tests/passes/chains`.

use std::collections::HashMap;

use inkwell::basic_block::BasicBlock;
use inkwell::llvm_sys::core::LLVMBuildFreeze;
use inkwell::module::Module as LlvmModule;
use inkwell::values::{
    AsValueRef, BasicValue, BasicValueEnum, FunctionValue, InstructionOpcode, PhiValue,
};

use crate::nests::Nests;

/// Has loops begin with numbers of which nothing is known.
pub(crate) fn part(module: &LlvmModule<'_>) {
    for function in module.get_functions() {
        if function.count_basic_blocks() > 0 {
            part_in(module, function);
        }
    }
}

fn part_in<'ctx>(module: &LlvmModule<'ctx>, function: FunctionValue<'ctx>) {
    let nests = Nests::new(function);
    let builder = module.get_context().create_builder();
    // A way into a loop may bring one number to several places.
    let mut frozen = HashMap::new();
    for &block in &nests.blocks {
        let Some(around) = nests.of(block).next() else {
            continue;
        };
        for instruction in block.get_instructions() {
            if instruction.get_opcode() != InstructionOpcode::Phi {
                break;
            }
            let Ok(phi) = PhiValue::try_from(instruction) else {
                break;
            };
            for way in 0..phi.count_incoming() {
                let Some((value, from)) = phi.get_incoming(way) else {
                    continue;
                };
                if nests.contains(around, from) || value.as_instruction_value().is_none() {
                    continue;
                }
                let key = (value.as_value_ref(), from);
                let new = *frozen
                    .entry(key)
                    .or_insert_with(|| freeze(&builder, value, from));
                instruction.set_operand(way, new);
            }
        }
    }
}

/// The same value, frozen at the end of a block.
fn freeze<'ctx>(
    builder: &inkwell::builder::Builder<'ctx>,
    value: BasicValueEnum<'ctx>,
    at_end_of: BasicBlock<'ctx>,
) -> BasicValueEnum<'ctx> {
    let Some(last) = at_end_of.get_terminator() else {
        return value;
    };
    builder.position_before(&last);
    // SAFETY: the builder stands in front of an instruction that is alive, where the value is known; the result has its type.
    unsafe {
        BasicValueEnum::new(LLVMBuildFreeze(
            builder.as_mut_ptr(),
            value.as_value_ref(),
            c"".as_ptr(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use inkwell::context::Context;
    use inkwell::memory_buffer::MemoryBuffer;

    use super::*;

    #[test]
    fn what_comes_into_a_loop_is_frozen_once_and_constants_and_the_loops_own_are_not() {
        let text = "define i32 @f(i32 %n) {
            entry:
                %start = add i32 %n, 7
                br label %loop
            loop:
                %i = phi i32 [ %start, %entry ], [ %next, %loop ]
                %j = phi i32 [ %start, %entry ], [ %i, %loop ]
                %k = phi i32 [ 0, %entry ], [ %j, %loop ]
                %next = add i32 %i, 1
                %more = icmp ult i32 %next, %n
                br i1 %more, label %loop, label %end
            end:
                %r = phi i32 [ %k, %loop ]
                ret i32 %r
            }";
        let context = Context::create();
        let buffer = MemoryBuffer::create_from_memory_range_copy(text.as_bytes(), "test");
        let module = context.create_module_from_ir(buffer).expect("it is IR");
        part(&module);
        module.verify().expect("it is IR");
        let text = module.print_to_string().to_string();
        assert_eq!(text.matches("freeze i32 %start").count(), 1, "{text}");
        assert_eq!(text.matches("freeze").count(), 1, "{text}");
    }
}
