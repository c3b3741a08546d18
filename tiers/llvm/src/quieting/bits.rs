//! Facts about the bits of floats in a function: which are no signalling NaN, and which are observed. Both are found
//! by worklists that look at each operand a few times at most.

use std::collections::{HashMap, HashSet};

use inkwell::llvm_sys::prelude::LLVMValueRef;
use inkwell::values::{
    AsValueRef, BasicValue, BasicValueEnum, InstructionOpcode as Op, InstructionValue,
};

use super::{Kind, float_of, folds, kind_of, operand};
use crate::constants::{doubles, is_constant, is_single, words};
use crate::loops::users;

/// Whether an instruction makes floats that are quiet or passes bits on.
fn quiets_or_passes_on(instruction: InstructionValue<'_>) -> bool {
    !matches!(kind_of(instruction), Kind::Other | Kind::Compares)
}

/// How many operators deep the back end is taken to look for constants.
const DEPTH: u32 = 6;

/// Whether a value is a constant for the back end, or has lanes of one: a choice between a constant and something else is
/// as good as a constant where vectors have masks, as is a masked value.
fn shows_constant(value: BasicValueEnum<'_>, depth: u32) -> bool {
    if is_constant(value) {
        return true;
    }
    let Some(instruction) = value.as_instruction_value().filter(|_| depth > 0) else {
        return false;
    };
    let shows = |index| operand(instruction, index).is_some_and(|it| shows_constant(it, depth - 1));
    match instruction.get_opcode() {
        Op::And => true,
        Op::Select => shows(1) || shows(2),
        Op::InsertElement | Op::ShuffleVector => shows(0) || shows(1),
        Op::BitCast | Op::ExtractElement | Op::FNeg | Op::Freeze => shows(0),
        _ => false,
    }
}

/// Whether a conversion takes back one to a longer type.
fn is_lengthened(instruction: InstructionValue<'_>) -> bool {
    operand(instruction, 0)
        .and_then(|operand| operand.as_instruction_value())
        .is_some_and(|operand| kind_of(operand) == Kind::Lengthens)
}

/// Of which types of lanes the bits of values are no signalling NaN, for all instructions that pass bits on or make floats.
pub(super) struct Quiet {
    known: HashMap<LLVMValueRef, Lanes>,
    /// How many operands were looked at, which grows with the function and not faster.
    looked_at: usize,
}

/// Types of lanes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Lanes {
    f32: bool,
    f64: bool,
}

impl Lanes {
    const NEITHER: Self = Self::both(false);
    const BOTH: Self = Self::both(true);

    const fn both(is: bool) -> Self {
        Self { f32: is, f64: is }
    }

    fn and(self, other: Self) -> Self {
        Self {
            f32: self.f32 && other.f32,
            f64: self.f64 && other.f64,
        }
    }
}

impl Quiet {
    pub fn of(instructions: &[InstructionValue<'_>]) -> Self {
        let mut quiet = Self {
            known: HashMap::new(),
            looked_at: 0,
        };
        // Everything is taken for quiet until an operand says otherwise.
        let is_followed = |it: &&InstructionValue<'_>| quiets_or_passes_on(**it);
        let followed = || instructions.iter().filter(is_followed);
        let assumed = followed().map(|it| (it.as_value_ref(), Lanes::BOTH));
        quiet.known.extend(assumed);
        let mut ahead = Vec::new();
        for &instruction in followed() {
            let lanes = quiet.result(instruction);
            if quiet.lower(instruction, lanes) {
                ahead.push(instruction);
            }
        }
        // An instruction comes here as often as its lanes become less, which is three times at most.
        while let Some(instruction) = ahead.pop() {
            let lanes = quiet.of_instruction(instruction);
            for user in users(instruction).filter(|&user| quiets_or_passes_on(user)) {
                let lanes = if user.get_opcode() == Op::Phi {
                    // It has as many operands as there are ways to it: only the one that changed is looked at.
                    quiet.looked_at += 1;
                    lanes
                } else {
                    quiet.result(user)
                };
                if quiet.lower(user, lanes) {
                    ahead.push(user);
                }
            }
        }
        quiet
    }

    fn of_instruction(&self, instruction: InstructionValue<'_>) -> Lanes {
        let known = self.known.get(&instruction.as_value_ref());
        known.copied().unwrap_or(Lanes::NEITHER)
    }

    /// Takes away from an instruction's lanes all others than these. Says whether it had any of them.
    fn lower(&mut self, instruction: InstructionValue<'_>, lanes: Lanes) -> bool {
        let before = self.of_instruction(instruction);
        let after = before.and(lanes);
        self.known.insert(instruction.as_value_ref(), after);
        before != after
    }

    fn result(&mut self, instruction: InstructionValue<'_>) -> Lanes {
        self.looked_at += operands_of(instruction);
        let of = |index| operand(instruction, index).map_or(Lanes::NEITHER, |it| self.lanes(it));
        let made = || float_of(instruction).map_or(Lanes::NEITHER, Self::type_of);
        // The back end folds constants that it sees, too.
        let shows = |index| operand(instruction, index).is_some_and(|it| shows_constant(it, DEPTH));
        match kind_of(instruction) {
            Kind::Arithmetic if folds(instruction) && (shows(0) || shows(1)) => {
                of(0).and(of(1)).and(made())
            }
            Kind::Shortens if is_lengthened(instruction) => Lanes::NEITHER,
            Kind::Arithmetic | Kind::Shortens | Kind::Lengthens | Kind::Quiets(_) => made(),
            Kind::PassesOn(operands) => (0..instruction.get_num_operands())
                .filter(|&index| operands.contain(index))
                .map(of)
                .fold(Lanes::BOTH, Lanes::and),
            Kind::Compares | Kind::Other => Lanes::NEITHER,
        }
    }

    fn lanes(&self, value: BasicValueEnum<'_>) -> Lanes {
        let known = self.known.get(&value.as_value_ref());
        known.copied().unwrap_or_else(|| constant_lanes(value))
    }

    fn type_of(value: BasicValueEnum<'_>) -> Lanes {
        let f32 = is_single(value);
        Lanes { f32, f64: !f32 }
    }

    pub fn is_quiet(&self, value: BasicValueEnum<'_>) -> bool {
        let (ty, quiet) = (Self::type_of(value), self.lanes(value));
        ty.and(quiet) == ty
    }
}

/// The instructions whose results' bits, as opposed to the numbers that they are, make a difference to something.
#[derive(Default)]
pub(super) struct Observed {
    known: HashSet<LLVMValueRef>,
    /// How many operands were looked at, which grows with the function and not faster.
    looked_at: usize,
}

impl Observed {
    pub fn among(instructions: &[InstructionValue<'_>]) -> Self {
        let mut observed = Self::default();
        // First those at which something looks in any case; then those whose bits these pass on.
        let mut ahead = instructions.to_vec();
        while let Some(instruction) = ahead.pop() {
            observed.looked_at += operands_of(instruction);
            for index in 0..instruction.get_num_operands() {
                let made =
                    operand(instruction, index).and_then(|operand| operand.as_instruction_value());
                if let Some(made) = made
                    && observed.by(instruction, index)
                    && observed.known.insert(made.as_value_ref())
                {
                    ahead.push(made);
                }
            }
        }
        observed
    }

    pub fn contains(&self, instruction: InstructionValue<'_>) -> bool {
        self.known.contains(&instruction.as_value_ref())
    }

    /// Whether an instruction looks at the bits of an operand, as far as is known which ones' own are looked at.
    pub fn by(&self, instruction: InstructionValue<'_>, index: u32) -> bool {
        match kind_of(instruction) {
            // The sign of a product is changed where an operand's is.
            Kind::PassesOn(_) if instruction.get_opcode() == Op::FNeg => true,
            // They quiet, or are looked at themselves.
            Kind::Arithmetic | Kind::Shortens | Kind::Lengthens | Kind::Quiets(_) => false,
            Kind::PassesOn(operands) => operands.contain(index) && self.contains(instruction),
            Kind::Compares => false,
            Kind::Other => true,
        }
    }
}

/// Of which types of lanes the bits of a constant are no signalling NaN.
fn constant_lanes(value: BasicValueEnum<'_>) -> Lanes {
    let Some(words) = words(value) else {
        return Lanes::NEITHER;
    };
    let single = |bits: u32| !f32::from_bits(bits).is_nan() || bits & 1 << 22 != 0;
    let double = |bits: u64| !f64::from_bits(bits).is_nan() || bits & 1 << 51 != 0;
    Lanes {
        f32: words.iter().copied().all(single),
        f64: words.len().is_multiple_of(2) && doubles(&words).all(double),
    }
}

fn operands_of(instruction: InstructionValue<'_>) -> usize {
    usize::try_from(instruction.get_num_operands()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use inkwell::context::Context;
    use inkwell::memory_buffer::MemoryBuffer;

    use super::*;
    use crate::quieting::instructions_of;

    /// How many operands a function has, and how many were looked at for quiet values and for observed ones.
    fn looked_at(body: &str) -> [usize; 3] {
        let text = format!("define float @f(i32 %which, float %x, float %y, ptr %p) {{ {body} }}");
        let context = Context::create();
        let buffer = MemoryBuffer::create_from_memory_range_copy(text.as_bytes(), "test");
        let module = context.create_module_from_ir(buffer).expect("it is IR");
        let function = module.get_function("f").expect("it is there");
        let instructions = instructions_of(function);
        let operands = instructions.iter().copied().map(operands_of).sum();
        let quiet = Quiet::of(&instructions).looked_at;
        [operands, quiet, Observed::among(&instructions).looked_at]
    }

    fn assert_is_linear(body: &str) {
        let [operands, quiet, observed] = looked_at(body);
        assert!(operands > 4000, "{operands}");
        assert!(quiet <= 4 * operands, "{quiet} for {operands}");
        assert!(observed <= 2 * operands, "{observed} for {operands}");
    }

    /// Sums in a row, each of the one before; the last is observed.
    fn chain(link: impl Fn(usize) -> String) -> String {
        let mut body = "%v0 = load float, ptr %p\n".to_owned();
        for place in 1..=2000 {
            let before = place - 1;
            let link = link(before);
            let _ = writeln!(body, "%v{place} = {link}");
        }
        body + "store float %v2000, ptr %p\nret float %v2000"
    }

    /// As many ways to a block as sums, one on each.
    fn fan(sum: &str) -> String {
        let (mut cases, mut blocks, mut ways) = (String::new(), String::new(), String::new());
        for place in 0..2000 {
            let _ = writeln!(cases, "i32 {place}, label %b{place}");
            let _ = writeln!(blocks, "b{place}: %v{place} = {sum} br label %end");
            let _ = write!(ways, "[ %v{place}, %b{place} ], ");
        }
        format!(
            "switch i32 %which, label %other [ {cases} ] {blocks}
            other: br label %end
            end: %r = phi float {ways} [ 0.0, %other ]
            store float %r, ptr %p
            ret float %r"
        )
    }

    #[test]
    fn a_long_chain_is_gone_along_a_few_times() {
        assert_is_linear(&chain(|before| format!("fadd float %v{before}, %x")));
        assert_is_linear(&chain(|before| format!("fadd float %v{before}, -0.0")));
        assert_is_linear(&chain(|before| {
            format!("select i1 true, float %v{before}, float %y")
        }));
    }

    #[test]
    fn operands_of_a_wide_phi_are_looked_at_a_few_times() {
        assert_is_linear(&fan("fadd float %x, %y"));
        assert_is_linear(&fan("fadd float %x, -0.0"));
        assert_is_linear(&fan("load float, ptr %p"));
    }
}
