//! Finds products of two 64-bit numbers to 128 bits that are written in halves of 32 bits, because
//! WebAssembly has no such operator (compilers call `__multi3`), and makes them one multiplication.
//!
//! With `a` and `b` cut into halves, schoolbook multiplication (Knuth, TAOCP vol. 2, 4.3.1) is
//!
//! ```text
//! first  = a.low * b.low
//! second = a.low * b.high + first >> 32
//! third  = a.high * b.low + second.low
//! high   = a.high * b.high + second >> 32 + third >> 32
//! low    = third << 32 | first.low
//! ```
//!
//! or the same with `a` and `b` exchanged in the middle. Where `third` is found, `third >> 32` becomes
//! the value that `high` requires, so that LLVM cancels the rest in whatever order the sum was written.
//!
//! In LLVM's terms
//!
//! ```text
//! %low = or disjoint i64 (shl %third, 32), (and %first, 4294967295)
//! %carry = lshr i64 %third, 32
//! ```
//!
//! becomes
//!
//! ```text
//! %low = mul i64 %a, %b
//! %high = trunc i128 (lshr (mul nuw i128 (zext %a), (zext %b)), 64) to i64
//! %carry = sub i64 (sub %high, (mul (lshr %a, 32), (lshr %b, 32))), (lshr %second, 32)
//! ```
//!
//! Condition: all halves are of `a` and `b`, and no sum leaves 64 bits, for `(2^32 - 1)^2 + 2 * (2^32 - 1) = 2^64 - 1`.
//! Then `high` is `a.high * b.high + second >> 32 + carry`, from which the carry follows modulo 2^64. Inputs with what
//! becomes of them: `tests/passes/wide-multiply`.

use inkwell::builder::Builder;
use inkwell::context::Context;
use inkwell::module::Module as LlvmModule;
use inkwell::values::{
    AsValueRef, BasicValueEnum, FunctionValue, InstructionOpcode, InstructionValue, IntValue,
};

use crate::emitter::Built;

/// How many multiplications a product takes that is written in halves.
pub(crate) const MULTIPLICATIONS: usize = 4;

const LOW_HALF: u64 = 0xffff_ffff;

/// A half of a number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half<'ctx> {
    Low(IntValue<'ctx>),
    High(IntValue<'ctx>),
}

/// The findings around `third`.
struct Product<'ctx> {
    a: IntValue<'ctx>,
    b: IntValue<'ctx>,
    first: IntValue<'ctx>,
    second: IntValue<'ctx>,
    third: IntValue<'ctx>,
}

/// Replaces such products in all functions. To be called on code whose locals were lifted and whose
/// expressions were brought into LLVM's usual form.
pub(crate) fn replace(module: &LlvmModule<'_>, context: &Context) {
    for function in module.get_functions() {
        let products: Vec<_> = instructions(function)
            .filter_map(|instruction| find(int_result(instruction)?))
            .collect();
        for product in products {
            rewrite(context, function, &product);
        }
    }
}

fn instructions<'ctx>(
    function: FunctionValue<'ctx>,
) -> impl Iterator<Item = InstructionValue<'ctx>> {
    function
        .get_basic_block_iter()
        .flat_map(|block| block.get_instructions())
}

fn int_result(instruction: InstructionValue<'_>) -> Option<IntValue<'_>> {
    let value = IntValue::try_from(instruction).ok()?;
    (value.get_type().get_bit_width() == 64).then_some(value)
}

/// The operands of a value that is made by this operator.
fn operands<'ctx>(value: IntValue<'ctx>, opcode: InstructionOpcode) -> Option<[IntValue<'ctx>; 2]> {
    let instruction = value.as_instruction()?;
    if instruction.get_opcode() != opcode {
        return None;
    }
    let operand = |index| match instruction.get_operand(index)?.value()? {
        BasicValueEnum::IntValue(value) => Some(value),
        _ => None,
    };
    Some([operand(0)?, operand(1)?])
}

/// The operands of a commutative operator, in both orders.
fn both_ways<'ctx>(
    value: IntValue<'ctx>,
    opcode: InstructionOpcode,
) -> impl Iterator<Item = [IntValue<'ctx>; 2]> {
    let found = operands(value, opcode);
    found
        .into_iter()
        .flat_map(|[left, right]| [[left, right], [right, left]])
}

fn is_constant(value: IntValue<'_>, wanted: u64) -> bool {
    value.get_zero_extended_constant() == Some(wanted)
}

/// `x` of `x & 0xffffffff`.
fn low_of(value: IntValue<'_>) -> Option<IntValue<'_>> {
    let [x, mask] = operands(value, InstructionOpcode::And)?;
    is_constant(mask, LOW_HALF).then_some(x)
}

/// `x` of `x >> 32`.
fn high_of(value: IntValue<'_>) -> Option<IntValue<'_>> {
    let [x, amount] = operands(value, InstructionOpcode::LShr)?;
    is_constant(amount, 32).then_some(x)
}

fn half(value: IntValue<'_>) -> Option<Half<'_>> {
    low_of(value)
        .map(Half::Low)
        .or_else(|| high_of(value).map(Half::High))
}

/// The halves that are multiplied, in one order.
fn multiplied(value: IntValue<'_>) -> Option<[Half<'_>; 2]> {
    let [x, y] = operands(value, InstructionOpcode::Mul)?;
    Some([half(x)?, half(y)?])
}

/// Whether these are those two, in either order.
fn are<'ctx>(halves: [Half<'ctx>; 2], x: Half<'ctx>, y: Half<'ctx>) -> bool {
    halves == [x, y] || halves == [y, x]
}

fn find(third: IntValue<'_>) -> Option<Product<'_>> {
    both_ways(third, InstructionOpcode::Add).find_map(|[carried, product]| {
        let second = low_of(carried)?;
        let outer = multiplied(product)?;
        both_ways(second, InstructionOpcode::Add).find_map(|[carried, product]| {
            let first = high_of(carried)?;
            let inner = multiplied(product)?;
            let [Half::Low(a), Half::Low(b)] = multiplied(first)? else {
                return None;
            };
            let one = (Half::Low(a), Half::High(b));
            let other = (Half::High(a), Half::Low(b));
            let fits = are(inner, one.0, one.1) && are(outer, other.0, other.1)
                || are(inner, other.0, other.1) && are(outer, one.0, one.1);
            fits.then_some(Product {
                a,
                b,
                first,
                second,
                third,
            })
        })
    })
}

fn rewrite<'ctx>(context: &'ctx Context, function: FunctionValue<'ctx>, product: &Product<'ctx>) {
    let Some(after) = product
        .third
        .as_instruction()
        .and_then(InstructionValue::get_next_instruction)
    else {
        return;
    };
    let uses: Vec<_> = instructions(function)
        .filter_map(|user| Some((user, replacement_for(int_result(user)?, product)?)))
        .collect();
    let builder = context.create_builder();
    builder.position_before(&after);
    let low = builder.build_int_mul(product.a, product.b, "").built();
    let carry = carry_of_third(context, &builder, product);
    for (user, replacement) in uses {
        let value = match replacement {
            Replacement::Low => low,
            Replacement::Carry => carry,
        };
        if let Some(value) = value.as_instruction() {
            user.replace_all_uses_with(&value);
        }
    }
}

/// `third >> 32`, which is `high - a.high * b.high - second >> 32`.
fn carry_of_third<'ctx>(
    context: &'ctx Context,
    builder: &Builder<'ctx>,
    product: &Product<'ctx>,
) -> IntValue<'ctx> {
    let (short, long) = (context.i64_type(), context.i128_type());
    let wide = |value| builder.build_int_z_extend(value, long, "").built();
    let whole = builder
        .build_int_nuw_mul(wide(product.a), wide(product.b), "")
        .built();
    let high = builder
        .build_right_shift(whole, long.const_int(64, false), false, "")
        .built();
    let high = builder.build_int_truncate(high, short, "").built();
    let upper = |value| {
        builder
            .build_right_shift(value, short.const_int(32, false), false, "")
            .built()
    };
    let highest = builder
        .build_int_mul(upper(product.a), upper(product.b), "")
        .built();
    let rest = builder.build_int_sub(high, highest, "").built();
    builder
        .build_int_sub(rest, upper(product.second), "")
        .built()
}

/// The meaning of a use of `third`.
enum Replacement {
    Low,
    Carry,
}

fn replacement_for<'ctx>(user: IntValue<'ctx>, product: &Product<'ctx>) -> Option<Replacement> {
    if high_of(user).is_some_and(|x| x.as_value_ref() == product.third.as_value_ref()) {
        return Some(Replacement::Carry);
    }
    let is_low = both_ways(user, InstructionOpcode::Or)
        .chain(both_ways(user, InstructionOpcode::Add))
        .any(|[upper, lower]| {
            let shifted = operands(upper, InstructionOpcode::Shl);
            shifted.is_some_and(|[x, amount]| x == product.third && is_constant(amount, 32))
                && low_of(lower).is_some_and(|x| x == product.first)
        });
    is_low.then_some(Replacement::Low)
}
