//! Finds comparisons that LLVM 22's vectorizer of straight-line code computes wrong: of a number that was extended with zeros
//! and one that was extended with its sign, both from as many bits. Where the rest of an expression ends in fewer bits, such as a
//! clamped difference that is stored in 16, the vectorizer makes the comparison in so few bits as well, and takes the larger
//! half of the one's numbers for negative. Functions with such comparisons are not vectorized: during the passes they have the
//! attribute `noimplicitfloat`, which vectorizers respect, and so have functions that they are inlined into.
//!
//! A function with
//!
//! ```text
//! %x = zext i16 %a to i32
//! %y = sext i16 %b to i32
//! %less = icmp slt i32 %x, %y
//! ```
//!
//! becomes one with `attributes #0 = { noimplicitfloat }`.
//!
//! Condition: none is needed for it to be right. It is needed where, for 8, 16 or 32 bits that are fewer than the
//! comparison's, one number is within `0 <= x < 2^bits` but not below `2^(bits - 1)`, and the other within `-2^(bits - 1)
//! <= y < 2^(bits - 1)` and may be negative. Inputs with what becomes of them: `tests/passes/mixed-comparisons`.

use inkwell::attributes::{Attribute, AttributeLoc};
use inkwell::module::Module as LlvmModule;
use inkwell::values::{BasicValueEnum, InstructionOpcode, InstructionValue};

use crate::lane_ranges::{Range, lane_bits, range_of};

/// Tells vectorizers to leave a function alone.
const ATTRIBUTE: &str = "noimplicitfloat";

/// Keeps functions with such comparisons from vectorizers. To be called before these.
pub(crate) fn keep_scalar(module: &LlvmModule<'_>) {
    for function in module.get_functions() {
        let blocks = function.get_basic_block_iter();
        if blocks
            .flat_map(|block| block.get_instructions())
            .any(is_mixed)
        {
            let kind = Attribute::get_named_enum_kind_id(ATTRIBUTE);
            let attribute = module.get_context().create_enum_attribute(kind, 0);
            function.add_attribute(AttributeLoc::Function, attribute);
        }
    }
}

/// Takes the attribute away, which the code generator should not know. To be called after the passes.
pub(crate) fn release(module: &LlvmModule<'_>) {
    let kind = Attribute::get_named_enum_kind_id(ATTRIBUTE);
    for function in module.get_functions() {
        function.remove_enum_attribute(AttributeLoc::Function, kind);
    }
}

fn is_mixed(comparison: InstructionValue<'_>) -> bool {
    if comparison.get_opcode() != InstructionOpcode::ICmp {
        return false;
    }
    let range = |index| match comparison.get_operand(index)?.value()? {
        value @ BasicValueEnum::IntValue(_) => {
            Some((range_of(value)?, lane_bits(value.get_type())?))
        }
        _ => None,
    };
    let (Some((first, bits)), Some((second, _))) = (range(0), range(1)) else {
        return false;
    };
    [8, 16, 32]
        .into_iter()
        .filter(|&fewer| fewer < bits)
        .any(|fewer| needs_more(first, second, fewer) || needs_more(second, first, fewer))
}

/// Whether so many bits are enough for each of two numbers, the one without a sign and the other with, but not for both.
fn needs_more(unsigned: Range, signed: Range, bits: u32) -> bool {
    let has_sign = signed.least < 0 && signed.fits_signed(bits);
    has_sign && unsigned.fits_unsigned(bits) && !unsigned.fits_signed(bits)
}
