//! Tells LLVM which accesses to linear memory go to which of the program's objects. To LLVM one memory is one object, in
//! which it works out the distance between two accesses; where they go at different strides it cannot, and gives up on
//! the loop. Between objects it compares where accesses begin and end before the loop instead, as it does for C.
//!
//! The choice of objects is a guess, and needs no more than that: the address that other numbers are added to, such as a
//! parameter or a loaded value. Accesses that have different ones get different bases, by calls of which LLVM knows
//! nothing except that they have no effect; so it must assume that two of them may lead to the same memory. After LLVM's
//! passes the calls go, and the base is one again.
//!
//! ```text
//! %at.p = getelementptr i8, ptr %base, i64 %wide.p     ; counted from %p
//! %at.q = getelementptr i8, ptr %base, i64 %wide.q     ; counted from %q
//! ```
//!
//! becomes
//!
//! ```text
//! %other = call ptr @object.2(ptr %base)
//! %one = call ptr @object.1(ptr %base)
//! %at.p = getelementptr i8, ptr %one, i64 %wide.p
//! %at.q = getelementptr i8, ptr %other, i64 %wide.q
//! ```
//!
//! Condition: none is needed for it to be right, as the functions return their argument in the end, `base + x =
//! object(base) + x`, and LLVM knows nothing of them that would not hold of such a function: no effect, no unwinding, a
//! result that is no object of its own. It pays in a loop of one block that writes to one object and accesses another, all
//! known before it. Inputs with what becomes of them: `tests/passes/objects`.

use std::collections::HashMap;

use inkwell::attributes::AttributeLoc;
use inkwell::basic_block::BasicBlock;
use inkwell::builder::Builder;
use inkwell::context::Context;
use inkwell::module::{Linkage, Module as LlvmModule};
use inkwell::values::{
    AnyValueEnum, BasicValue, BasicValueEnum, FunctionValue, InstructionOpcode, InstructionValue,
    IntValue, PhiValue, PointerValue,
};

use crate::addresses::{instruction_of, int_of, place_of, summands};
use crate::emitter::{Built, flag_attribute};
use crate::loops::repeats;

/// How the names of functions begin that stand for objects.
const PREFIX: &str = "object.";
/// Objects that one unit may have.
const MOST_OBJECTS: usize = 32;
/// Values that are looked at to find an address's origin.
const MOST_VALUES: usize = 64;

/// The origin of an address: the value it is counted from.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Root<'ctx> {
    /// Numbers only: LLVM knows how far apart these are.
    Constant,
    /// A value that is no sum, no multiple and no counter.
    Value(IntValue<'ctx>),
}

/// An access to linear memory.
struct Access<'ctx> {
    block: BasicBlock<'ctx>,
    writes: bool,
    /// The instruction that adds to the memory's base.
    place: InstructionValue<'ctx>,
    root: Root<'ctx>,
}

/// Gives accesses to different objects different bases, in functions with a loop that writes to one and accesses
/// another. To be called on code whose locals were lifted; [`join`] undoes it.
pub(crate) fn separate(module: &LlvmModule<'_>, context: &Context) {
    let mut objects = Objects {
        module,
        context,
        builder: context.create_builder(),
        made: 0,
    };
    for function in module.get_functions() {
        objects.separate_in(function);
    }
}

/// Takes the calls out that [`separate`] put in.
pub(crate) fn join(module: &LlvmModule<'_>) {
    let is_object = |function: &FunctionValue<'_>| {
        let name = function.get_name().to_bytes();
        name.starts_with(PREFIX.as_bytes())
    };
    let objects: Vec<_> = module.get_functions().filter(is_object).collect();
    for object in objects {
        let value = object.as_global_value().as_pointer_value();
        while let Some(used) = value.get_first_use()
            && let AnyValueEnum::PointerValue(result) = used.get_user()
            && let Some(call) = result.as_instruction()
            && let Some(BasicValueEnum::PointerValue(base)) =
                call.get_operand(0).and_then(|operand| operand.value())
        {
            result.replace_all_uses_with(base);
            call.erase_from_basic_block();
        }
        if value.get_first_use().is_none() {
            // SAFETY: nothing refers to it any more.
            unsafe { object.delete() };
        }
    }
}

struct Objects<'a, 'm, 'ctx> {
    module: &'a LlvmModule<'m>,
    context: &'ctx Context,
    builder: Builder<'ctx>,
    made: usize,
}

impl<'m: 'ctx, 'ctx> Objects<'_, 'm, 'ctx> {
    fn separate_in(&mut self, function: FunctionValue<'ctx>) {
        if !function.get_basic_block_iter().any(|block| repeats(&block)) {
            return;
        }
        let accesses = self.accesses(function);
        let mut objects = HashMap::new();
        for of_loop in accesses.chunk_by(|a, b| a.block == b.block) {
            if !repeats(&of_loop[0].block) || !are_apart(of_loop) {
                continue;
            }
            for access in of_loop {
                if self.made < MOST_OBJECTS {
                    objects.entry(access.root).or_insert_with(|| {
                        self.made += 1;
                        self.declare(self.made)
                    });
                }
            }
        }
        let mut bases = HashMap::new();
        for access in accesses {
            let (Some(&object), Some(load)) =
                (objects.get(&access.root), instruction_of(access.place, 0))
            else {
                continue;
            };
            if load.get_opcode() != InstructionOpcode::Load {
                // Another access to the same place came first.
                continue;
            }
            let base = *bases.entry((load, access.root)).or_insert_with(|| {
                let base = PointerValue::try_from(load).expect("the base is a pointer");
                let next = load.get_next_instruction();
                self.builder
                    .position_before(&next.expect("no load ends a block"));
                let call = self.builder.build_call(object, &[base.into()], "").built();
                let value = call.try_as_basic_value();
                value.expect_basic("it returns a base").into_pointer_value()
            });
            access.place.set_operand(0, base);
        }
    }

    /// Accesses to linear memory with known origins of their addresses, block by block.
    fn accesses(&self, function: FunctionValue<'ctx>) -> Vec<Access<'ctx>> {
        let invariant = self.context.get_kind_id("invariant.load");
        let blocks = function.get_basic_block_iter();
        let instructions = blocks.flat_map(|block| block.get_instructions());
        let found = |instruction: InstructionValue<'ctx>| {
            let writes = match instruction.get_opcode() {
                InstructionOpcode::Load => false,
                InstructionOpcode::Store => true,
                _ => return None,
            };
            let place = place_of(instruction, invariant)?;
            let Found::From(value) = Search::default().find(int_of(place, 1)?)? else {
                return None;
            };
            let root = value.map_or(Root::Constant, Root::Value);
            let block = instruction.get_parent()?;
            Some(Access {
                block,
                writes,
                place,
                root,
            })
        };
        instructions.filter_map(found).collect()
    }

    /// A function that makes a base one of its own, as far as LLVM knows.
    fn declare(&self, number: usize) -> FunctionValue<'ctx> {
        let context = self.module.get_context();
        let pointer = context.ptr_type(inkwell::AddressSpace::default());
        let function = self.module.add_function(
            &format!("{PREFIX}{number}"),
            pointer.fn_type(&[pointer.into()], false),
            Some(Linkage::External),
        );
        for flag in ["nounwind", "willreturn", "speculatable", "memory"] {
            // No effect on memory is zero.
            let attribute = flag_attribute(self.context, flag);
            function.add_attribute(AttributeLoc::Function, attribute);
        }
        function
    }
}

/// Whether a loop writes to one object and accesses another, and all of them are known before it.
fn are_apart(of_loop: &[Access<'_>]) -> bool {
    let is_inside = |access: &Access<'_>| match access.root {
        Root::Constant => false,
        Root::Value(value) => value
            .as_instruction()
            .is_some_and(|it| it.get_parent() == Some(access.block)),
    };
    let mut written = of_loop.iter().filter(|access| access.writes);
    !of_loop.iter().any(is_inside)
        && written.any(|one| of_loop.iter().any(|other| other.root != one.root))
}

/// The findings about a number's origin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found<'ctx> {
    /// It comes from the round before.
    Before,
    /// From this value, or if there is none from constants.
    From(Option<IntValue<'ctx>>),
}

impl<'ctx> Found<'ctx> {
    const NOTHING: Self = Self::From(None);

    /// The origin of a sum of two; none if that might be either.
    fn plus(self, other: Self) -> Option<Self> {
        match (self, other) {
            // A round's step is no origin.
            (Self::Before, _) | (_, Self::Before) => Some(Self::Before),
            (Self::From(Some(_)), Self::From(Some(_))) => None,
            (Self::From(a), Self::From(b)) => Some(Self::From(a.or(b))),
        }
    }
}

/// Looks for the origin of an address.
#[derive(Default)]
struct Search<'ctx> {
    /// Values looked at.
    seen: usize,
    /// The ways through loops that are being followed.
    phis: Vec<PhiValue<'ctx>>,
}

impl<'ctx> Search<'ctx> {
    fn find(&mut self, value: IntValue<'ctx>) -> Option<Found<'ctx>> {
        self.seen += 1;
        if self.seen > MOST_VALUES {
            return None;
        }
        if value.is_constant_int() {
            return Some(Found::NOTHING);
        }
        let Some(instruction) = value.as_instruction() else {
            return Some(Found::From(Some(value)));
        };
        if let Some([a, b]) = summands(value) {
            return self.find(a)?.plus(self.find(b)?);
        }
        match instruction.get_opcode() {
            InstructionOpcode::ZExt | InstructionOpcode::SExt | InstructionOpcode::Trunc => {
                let inner = int_of(instruction, 0)?;
                if inner.get_type().get_bit_width() < 32 {
                    return Some(Found::NOTHING);
                }
                self.find(inner)
            }
            InstructionOpcode::Sub => self.find(int_of(instruction, 0)?),
            InstructionOpcode::Phi => {
                let phi = PhiValue::try_from(instruction).ok()?;
                if self.phis.contains(&phi) {
                    return Some(Found::Before);
                }
                self.phis.push(phi);
                let found = self.find_of_phi(phi);
                self.phis.pop();
                found
            }
            InstructionOpcode::Load
            | InstructionOpcode::Call
            | InstructionOpcode::Select
            | InstructionOpcode::ExtractValue => Some(Found::From(Some(value))),
            // Multiples, and other things that are computed: indices.
            _ => Some(Found::NOTHING),
        }
    }

    /// The value that the ways into a block bring, or the phi itself if they don't agree.
    fn find_of_phi(&mut self, phi: PhiValue<'ctx>) -> Option<Found<'ctx>> {
        let mut common = Found::Before;
        for (value, _) in phi.get_incomings() {
            let BasicValueEnum::IntValue(value) = value else {
                return None;
            };
            match (common, self.find(value)?) {
                (_, Found::Before) => (),
                (Found::Before, found) => common = found,
                (known, other) if known == other => (),
                _ => {
                    let value = phi.as_basic_value().into_int_value();
                    return Some(Found::From(Some(value)));
                }
            }
        }
        Some(common)
    }
}
