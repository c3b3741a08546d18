//! Keeps choices between a square root and a NaN from LLVM's code generator, to which any NaN is as good as another.
//!
//! `select (x < 0 or x is NaN), NaN, sqrt(x)` is how programs make the NaNs of square roots canonical, and `DAGCombiner` takes it
//! for `sqrt(x)`: the root of a negative number is a NaN anyway. But a choice has the bits of what it chooses (clause 4.3.3 of
//! the specification leaves those of arithmetic open only). The NaN goes through a piece of assembly that does nothing, so that
//! the code generator does not know what it is.

use inkwell::builder::Builder;
use inkwell::module::Module as LlvmModule;
use inkwell::types::{BasicTypeEnum, VectorType};
use inkwell::values::{BasicValue, BasicValueEnum, CallSiteValue, InstructionOpcode};

use crate::constants::nan_in_all_lanes;
use crate::emitter::Built;
use crate::quieting::hide;

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
            .filter(|it| it.get_opcode() == InstructionOpcode::Select)
            .collect();
        for select in selects {
            for (chosen, other) in [(1, 2), (2, 1)] {
                let value = |index| select.get_operand(index)?.value();
                if let (Some(nan), Some(other)) = (value(chosen), value(other))
                    && let Some(lane) = nan_in_all_lanes(nan)
                    && is_square_root(other)
                {
                    builder.position_before(&first);
                    let hidden = hide(module, &builder, lane);
                    select.set_operand(chosen, in_all_lanes(&builder, hidden, nan.get_type()));
                }
            }
        }
    }
}

/// A number as all lanes of a value of this type.
fn in_all_lanes<'ctx>(
    builder: &Builder<'ctx>,
    number: BasicValueEnum<'ctx>,
    ty: BasicTypeEnum<'ctx>,
) -> BasicValueEnum<'ctx> {
    let BasicTypeEnum::VectorType(ty) = ty else {
        return number;
    };
    let first = ty.get_context().i32_type().const_zero();
    let poison = ty.get_poison();
    let vector = builder.build_insert_element(poison, number, first, "");
    let mask = VectorType::const_vector(&vec![first; ty.get_size() as usize]);
    let vector = builder.build_shuffle_vector(vector.built(), poison, mask, "");
    vector.built().into()
}

fn is_square_root(value: BasicValueEnum<'_>) -> bool {
    let Some(call) = value.as_instruction_value() else {
        return false;
    };
    let callee = CallSiteValue::try_from(call)
        .ok()
        .and_then(|call| call.get_called_fn_value());
    callee.is_some_and(|callee| callee.get_name().to_bytes().starts_with(b"llvm.sqrt."))
}
