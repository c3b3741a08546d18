//! Keeps choices between a square root and a NaN from LLVM's code generator, to which any NaN is as good as another.
//!
//! `select (x < 0 or x is NaN), NaN, sqrt(x)` is how programs make the NaNs of square roots canonical, and `DAGCombiner` takes it
//! for `sqrt(x)`: the root of a negative number is a NaN anyway. But a choice has the bits of its operand (clause 4.3.3 of
//! the specification leaves those of arithmetic open only). The NaN goes through a piece of assembly that does nothing, so that
//! the code generator does not know the value.
//!
//! The code generator moves negations and other operations on bits out of choices, so the root may be behind some of these:
//!
//! ```text
//! %n = fneg double %root
//! %s = select i1 %less, double 0xFFF8000000000000, double %n
//! ```
//!
//! becomes the negation of `select i1 %less, double 0x7FF8000000000000, double %root`. It splits vectors, too, so a vector with
//! different NaNs may become several with one each.
//!
//! ```text
//! %r = select i1 %less, double 0x7FF8000000000000, double %root
//! ```
//!
//! becomes
//!
//! ```text
//! %nan = call double asm "", "=x,0"(double 0x7FF8000000000000)
//! %r = select i1 %less, double %nan, double %root
//! ```
//!
//! Condition: none is needed for it to be right, as the assembly returns what it gets. It is needed where a root is on the
//! other side of the choice, behind operations that move bits. Inputs with what becomes of them:
//! `tests/passes/nan-selects`.

use inkwell::builder::Builder;
use inkwell::module::Module as LlvmModule;
use inkwell::types::BasicTypeEnum;
use inkwell::values::{
    BasicValue, BasicValueEnum, CallSiteValue, InstructionOpcode as Op, InstructionValue,
};

use crate::constants::{bits_of, constant_as, lanes_of, nans};
use crate::emitter::Built;
use crate::quieting::hide;

/// How many values are looked at for a root. Code generation moves few operations out of a choice.
const LOOKED_AT: usize = 16;

/// Hides those NaNs in all functions. To be called after all passes over IR.
pub(crate) fn guard(module: &LlvmModule<'_>) {
    let builder = module.get_context().create_builder();
    for function in module.get_functions() {
        let first = function.get_first_basic_block();
        let Some(first) = first.and_then(|block| block.get_first_instruction()) else {
            continue;
        };
        let selects: Vec<_> = function
            .get_basic_block_iter()
            .flat_map(|block| block.get_instructions())
            .filter(|it| it.get_opcode() == Op::Select)
            .collect();
        for select in selects {
            for (chosen, other) in [(1, 2), (2, 1)] {
                let value = |index| select.get_operand(index)?.value();
                if let (Some(constant), Some(other)) = (value(chosen), value(other))
                    && let Some(lanes) = nans(constant)
                    && comes_from_root(other)
                {
                    builder.position_before(&first);
                    select.set_operand(chosen, hidden(module, &builder, constant, &lanes));
                }
            }
        }
    }
}

/// A constant with its NaNs hidden.
fn hidden<'ctx>(
    module: &LlvmModule<'ctx>,
    builder: &Builder<'ctx>,
    constant: BasicValueEnum<'ctx>,
    lanes: &[Option<u64>],
) -> BasicValueEnum<'ctx> {
    let context = module.get_context();
    let (lane_type, _) = lanes_of(constant.get_type());
    // An integer that holds a float's bits is hidden where floats are.
    let (integer, float) = match bits_of(lane_type) {
        Some(32) => (context.i32_type(), context.f32_type()),
        _ => (context.i64_type(), context.f64_type()),
    };
    let mut known = Vec::new();
    let mut hide_once = |bits: u64| {
        if let Some(&(_, value)) = known.iter().find(|&&(other, _)| other == bits) {
            return value;
        }
        let nan = constant_as(integer.const_int(bits, false).into(), float.into());
        let nan = hide(module, builder, nan);
        let nan = builder.build_bit_cast(nan, lane_type, "").built();
        known.push((bits, nan));
        nan
    };
    let BasicTypeEnum::VectorType(_) = constant.get_type() else {
        return lanes.first().copied().flatten().map_or(constant, hide_once);
    };
    let mut vector = constant.into_vector_value();
    for (&lane, index) in lanes.iter().zip(0..) {
        if let Some(bits) = lane {
            let index = context.i32_type().const_int(index, false);
            let nan = hide_once(bits);
            vector = builder.build_insert_element(vector, nan, index, "").built();
        }
    }
    vector.into()
}

/// Whether a value is a square root, behind operations that code generation may move out of a choice.
fn comes_from_root(value: BasicValueEnum<'_>) -> bool {
    let mut waiting = vec![value];
    let mut looked_at = 0;
    while let Some(value) = waiting.pop() {
        let Some(instruction) = value.as_instruction_value() else {
            continue;
        };
        if callee_begins(instruction, b"llvm.sqrt.") {
            return true;
        }
        looked_at += 1;
        if looked_at < LOOKED_AT && keeps_bits(instruction) {
            let operands = instruction.get_operands().flatten();
            waiting.extend(operands.filter_map(|operand| operand.value()));
        }
    }
    false
}

/// Whether an operation moves bits, or changes some of them, without regard to the number that they are.
fn keeps_bits(instruction: InstructionValue<'_>) -> bool {
    match instruction.get_opcode() {
        Op::FNeg | Op::BitCast | Op::Freeze | Op::And | Op::Or | Op::Xor => true,
        Op::ShuffleVector | Op::InsertElement | Op::ExtractElement => true,
        _ => {
            callee_begins(instruction, b"llvm.fabs.")
                || callee_begins(instruction, b"llvm.copysign.")
        }
    }
}

fn callee_begins(instruction: InstructionValue<'_>, name: &[u8]) -> bool {
    let callee = CallSiteValue::try_from(instruction)
        .ok()
        .and_then(|call| call.get_called_fn_value());
    callee.is_some_and(|callee| callee.get_name().to_bytes().starts_with(name))
}
