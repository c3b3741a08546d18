//! Has the lesser or greater of two integers taken by conditional moves. In loops LLVM makes branches of them where it finds
//! a chain of moves too long, as if it were known which of the two it will be; a loop of nothing else, like that of an edit
//! distance, took 1.6 times as long. Other choices, such as where an interpreter goes on, are better off with branches.
//!
//! ```text
//! %r = call i32 @llvm.smin.i32(i32 %a, i32 %b)
//! ```
//!
//! becomes
//!
//! ```text
//! %less = icmp slt i32 %a, %b
//! %r = select i1 %less, i32 %a, i32 %b, !unpredictable !0
//! ```
//!
//! Condition: the operands are integers and no vectors; `min(a, b)` is `a` if `a < b` and `b` otherwise, and where they are
//! equal both are the same. Inputs with what becomes of them: `tests/passes/minimums`.

use inkwell::IntPredicate;
use inkwell::context::Context;
use inkwell::module::Module as LlvmModule;
use inkwell::values::{BasicValue, BasicValueEnum, CallSiteValue, InstructionOpcode};

use crate::emitter::Built;

/// Makes each such intrinsic of scalars a comparison and a choice that nobody can foresee. To be called after all other passes,
/// which know more about the intrinsics.
pub(crate) fn choose(module: &LlvmModule<'_>, context: &Context) {
    let unpredictable = context.get_kind_id("unpredictable");
    let builder = context.create_builder();
    for function in module.get_functions() {
        for block in function.get_basic_block_iter() {
            let calls: Vec<_> = block
                .get_instructions()
                .filter(|instruction| instruction.get_opcode() == InstructionOpcode::Call)
                .collect();
            for call in calls {
                let operand = |index| match call.get_operand(index)?.value()? {
                    BasicValueEnum::IntValue(value) => Some(value),
                    _ => None,
                };
                let callee = CallSiteValue::try_from(call).ok();
                let callee = callee.and_then(|call| call.get_called_fn_value());
                let (Some(callee), Some(a), Some(b)) = (callee, operand(0), operand(1)) else {
                    continue;
                };
                let Some(predicate) = predicate(callee.get_name().to_bytes()) else {
                    continue;
                };
                builder.position_before(&call);
                let first = builder.build_int_compare(predicate, a, b, "").built();
                let chosen = builder.build_select(first, a, b, "").built();
                if let Some(chosen) = chosen.as_instruction_value() {
                    // Fails for values that are no instruction only.
                    let _ = chosen.set_metadata(context.metadata_node(&[]), unpredictable);
                    call.replace_all_uses_with(&chosen);
                    call.erase_from_basic_block();
                }
            }
        }
    }
}

/// When the first operand of an intrinsic is the one that it takes.
fn predicate(intrinsic: &[u8]) -> Option<IntPredicate> {
    let kind = intrinsic.strip_prefix(b"llvm.")?.get(..5)?;
    match kind {
        b"smin." => Some(IntPredicate::SLT),
        b"smax." => Some(IntPredicate::SGT),
        b"umin." => Some(IntPredicate::ULT),
        b"umax." => Some(IntPredicate::UGT),
        _ => None,
    }
}
