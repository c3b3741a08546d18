//! Makes neighbours in linear memory visible as neighbours. WebAssembly's addresses are sums of 32 bits that may
//! wrap around, so that to LLVM `zext(x + 8)` has nothing to do with `zext(x)`: it neither addresses by
//! displacements nor sees that a row is gone through one by one.
//!
//! But a memory ends [`HEADROOM`] bytes before 4 GiB at the latest. So where something was accessed at `x`, `x + 8`
//! does not wrap around, and the later access may be at `zext(x) + 8`. The same goes for an index that is small
//! instead of the 8. If nothing was accessed after all because
//! `x` was out of bounds and the result of no use, then no address behind `x` up to the end of 4 GiB is accessible either.
//!
//! Behind an access at `%wide.x = zext i32 %x to i64`
//!
//! ```text
//! %y = add i32 %x, 8
//! %wide.y = zext i32 %y to i64
//! %at.y = getelementptr i8, ptr %base, i64 %wide.y
//! ```
//!
//! becomes
//!
//! ```text
//! %sum = add nuw nsw i64 %wide.x, 8
//! %at.y = getelementptr i8, ptr %base, i64 %sum
//! ```
//!
//! Condition: the access at `x` comes before on every way here, so `x < 2^32 - 2^20` or it has trapped. The distance `c` is
//! not negative, the index `i` is at most `m` by its own expression, and `c + m <= 2^20`. Hence `x + c + i < 2^32`, which
//! does not wrap around. Inputs with what becomes of them: `tests/passes/addresses`.

use std::collections::HashMap;

use inkwell::context::Context;
use inkwell::llvm_sys::core::LLVMGetIsDisjoint;
use inkwell::module::Module as LlvmModule;
use inkwell::values::{
    AsValueRef, BasicValueEnum, FunctionValue, InstructionOpcode, InstructionValue, IntValue,
};
use upshift_runtime::MEMORY_HEADROOM as HEADROOM;

use crate::dominators::Dominators;
use crate::emitter::Built;

/// Where an instruction is: the place of its block, and its own number in the order of places.
#[derive(Clone, Copy)]
struct Position {
    block: usize,
    number: usize,
}

/// An address that was accessed.
struct Known<'ctx> {
    /// After this, the address is known to be in bounds.
    position: Position,
    /// Its distance from the root.
    distance: i32,
    /// The address in 64 bits.
    wide: IntValue<'ctx>,
}

/// `base + zext(index)`.
struct Address<'ctx> {
    place: InstructionValue<'ctx>,
    wide: IntValue<'ctx>,
    index: IntValue<'ctx>,
}

/// `root + distance`, and maybe plus an index that is no larger than a number.
struct Sum<'ctx> {
    root: IntValue<'ctx>,
    distance: i32,
    index: Option<(IntValue<'ctx>, u64)>,
}

impl<'ctx> Sum<'ctx> {
    /// A sum without an index.
    fn of(value: IntValue<'ctx>) -> Self {
        match summands(value) {
            Some([rest, constant]) if let Some(distance) = signed_constant(constant) => {
                let rest = Self::of(rest);
                Self {
                    distance: rest.distance.wrapping_add(distance),
                    ..rest
                }
            }
            _ => Self {
                root: value,
                distance: 0,
                index: None,
            },
        }
    }

    /// The same with an index taken out of the root, if there is one.
    fn indexed(&self) -> Option<Self> {
        let [a, b] = summands(self.root)?;
        [(a, b), (b, a)].into_iter().find_map(|(root, index)| {
            let most = most(index, MOST_DEPTH).filter(|&most| most <= HEADROOM)?;
            let sum = Self::of(root);
            Some(Self {
                root: sum.root,
                distance: self.distance.wrapping_add(sum.distance),
                index: Some((index, most)),
            })
        })
    }
}

/// Relates addresses to others that were accessed before. To be called on code whose locals were lifted and whose
/// expressions were brought into LLVM's usual form.
pub(crate) fn relate(module: &LlvmModule<'_>, context: &Context) {
    for function in module.get_functions() {
        relate_in(function, context);
    }
}

fn relate_in<'ctx>(function: FunctionValue<'ctx>, context: &'ctx Context) {
    let invariant = context.get_kind_id("invariant.load");
    let dominators = Dominators::new(function);
    let builder = context.create_builder();
    let mut known: HashMap<IntValue<'ctx>, Vec<Known<'ctx>>> = HashMap::new();
    let mut positions: HashMap<InstructionValue<'ctx>, Position> = HashMap::new();
    let mut number = 0;
    for (block, &basic_block) in dominators.blocks.iter().enumerate() {
        for instruction in basic_block.get_instructions() {
            number += 1;
            let position = Position { block, number };
            match instruction.get_opcode() {
                InstructionOpcode::GetElementPtr => {
                    positions.insert(instruction, position);
                    continue;
                }
                InstructionOpcode::Load | InstructionOpcode::Store => {}
                _ => continue,
            }
            let Some(address) = accessed(instruction, invariant) else {
                continue;
            };
            let computed = positions.get(&address.place).copied();
            let nearby = |sum: &Sum<'ctx>| {
                nearby_of(known.get(&sum.root)?).find_map(|known| {
                    let computed = computed?;
                    let ahead = u32::try_from(sum.distance.wrapping_sub(known.distance)).ok()?;
                    let reach = u64::from(ahead) + sum.index.map_or(0, |(_, most)| most);
                    let earlier = known.position.number < computed.number
                        && dominators.dominates(known.position.block, computed.block);
                    (earlier && reach != 0 && reach <= HEADROOM)
                        .then_some((known.wide, ahead, sum.index))
                })
            };
            let plain = Sum::of(address.index);
            if let Some((wide, ahead, index)) = nearby(&plain).or_else(|| nearby(&plain.indexed()?))
            {
                builder.position_before(&address.place);
                // No operand uses the top bit.
                let add = |a: IntValue<'ctx>, b: IntValue<'ctx>| {
                    let sum = builder.build_int_nuw_add(a, b, "").built();
                    if let Some(sum) = sum.as_instruction() {
                        let _ = sum.set_no_signed_wrap_flag(true);
                    }
                    sum
                };
                let long = context.i64_type();
                let mut sum = wide;
                if let Some((index, _)) = index {
                    sum = add(sum, builder.build_int_z_extend(index, long, "").built());
                }
                if ahead != 0 {
                    sum = add(sum, long.const_int(u64::from(ahead), false));
                }
                address.place.set_operand(1, sum);
            } else {
                known.entry(plain.root).or_default().push(Known {
                    position,
                    distance: plain.distance,
                    wide: address.wide,
                });
            }
        }
    }
}

/// The accesses that one is compared with: the first, which dominate most, and the last, which are near.
fn nearby_of<'k, 'ctx>(known: &'k [Known<'ctx>]) -> impl Iterator<Item = &'k Known<'ctx>> {
    let (first, rest) = known.split_at(known.len().min(COMPARED_WITH));
    let last = rest.len().saturating_sub(COMPARED_WITH);
    first.iter().chain(&rest[last..])
}

/// The address of an access to linear memory, if it is as the emitter made it.
fn accessed(access: InstructionValue<'_>, invariant: u32) -> Option<Address<'_>> {
    let place = place_of(access, invariant)?;
    let wide = int_of(place, 1)?;
    let extension = wide.as_instruction()?;
    if extension.get_opcode() != InstructionOpcode::ZExt {
        return None;
    }
    let index = int_of(extension, 0)?;
    (index.get_type().get_bit_width() == 32).then_some(Address { place, wide, index })
}

/// The instruction that adds to a memory's base for a load or store of linear memory.
pub(crate) fn place_of(
    access: InstructionValue<'_>,
    invariant: u32,
) -> Option<InstructionValue<'_>> {
    let pointer = match access.get_opcode() {
        InstructionOpcode::Load => 0,
        _ => 1,
    };
    let mut place = instruction_of(access, pointer)?;
    if is_sum(place) && int_of(place, 1)?.is_constant_int() {
        place = instruction_of(place, 0)?;
    }
    if !is_sum(place) {
        return None;
    }
    // Bases of memories never change. Nothing else whose address is a sum has such a base.
    instruction_of(place, 0)?.get_metadata(invariant)?;
    Some(place)
}

/// The two summands of a sum.
pub(crate) fn summands(value: IntValue<'_>) -> Option<[IntValue<'_>; 2]> {
    let sum = value.as_instruction()?;
    let is_sum = match sum.get_opcode() {
        InstructionOpcode::Add => true,
        // SAFETY: an `or` that is alive.
        InstructionOpcode::Or => unsafe { LLVMGetIsDisjoint(sum.as_value_ref()) != 0 },
        _ => false,
    };
    is_sum.then_some([int_of(sum, 0)?, int_of(sum, 1)?])
}

fn signed_constant(value: IntValue<'_>) -> Option<i32> {
    i32::try_from(value.get_sign_extended_constant()?).ok()
}

/// How many of the first and of the last accesses are compared with one.
const COMPARED_WITH: usize = 32;

/// How far [`most`] looks.
const MOST_DEPTH: u32 = 6;

/// A number that a value does not exceed, if its own expression tells one.
fn most(value: IntValue<'_>, depth: u32) -> Option<u64> {
    if let Some(constant) = value.get_zero_extended_constant() {
        return Some(constant);
    }
    let depth = depth.checked_sub(1)?;
    let instruction = value.as_instruction()?;
    let operand = |index| int_of(instruction, index);
    let most_of = |index| most(operand(index)?, depth);
    let constant = |index| operand(index)?.get_zero_extended_constant();
    let fits = |most: u64| (most >> 32 == 0).then_some(most);
    match instruction.get_opcode() {
        InstructionOpcode::And => match (most_of(0), most_of(1)) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        },
        InstructionOpcode::ZExt => {
            let bits = operand(0)?.get_type().get_bit_width();
            most_of(0).or_else(|| (bits < 32).then(|| (1 << bits) - 1))
        }
        InstructionOpcode::Shl => {
            fits(most_of(0)?.checked_mul(1 << constant(1).filter(|&by| by < 32)?)?)
        }
        InstructionOpcode::LShr => {
            let by = constant(1).filter(|&by| by < 32)?;
            Some(most_of(0).unwrap_or(u64::from(u32::MAX)) >> by)
        }
        InstructionOpcode::Mul => fits(most_of(0)?.checked_mul(most_of(1)?)?),
        InstructionOpcode::Add => fits(most_of(0)?.checked_add(most_of(1)?)?),
        InstructionOpcode::URem => Some(constant(1)?.checked_sub(1)?),
        InstructionOpcode::Select => Some(most_of(1)?.max(most_of(2)?)),
        _ => None,
    }
}

/// Whether this adds so many bytes to a pointer.
fn is_sum(instruction: InstructionValue<'_>) -> bool {
    instruction.get_opcode() == InstructionOpcode::GetElementPtr
        && instruction.get_num_operands() == 2
        && instruction
            .get_gep_source_element_type()
            .is_ok_and(|ty| ty.is_int_type() && ty.into_int_type().get_bit_width() == 8)
}

pub(crate) fn int_of(instruction: InstructionValue<'_>, operand: u32) -> Option<IntValue<'_>> {
    match instruction.get_operand(operand)?.value()? {
        BasicValueEnum::IntValue(value) => Some(value),
        _ => None,
    }
}

/// The instruction that makes an operand which is a pointer.
pub(crate) fn instruction_of(
    instruction: InstructionValue<'_>,
    operand: u32,
) -> Option<InstructionValue<'_>> {
    match instruction.get_operand(operand)?.value()? {
        BasicValueEnum::PointerValue(value) => value.as_instruction(),
        _ => None,
    }
}
