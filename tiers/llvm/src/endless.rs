//! Loops that only a trap ends. LLVM drops accesses that have no effect, and then such a loop runs for ever where the
//! specification has an access out of bounds. Accesses that it may not drop are made volatile here:
//!
//! - In a loop without a way out that can be relied on, all accesses. LLVM moves stores to behind the end of a loop, where
//!   nothing gets to.
//! - In any other loop, a load whose value matters neither to the loop's effects nor to its next round: LLVM drops it, or
//!   moves it to behind the loop's end.
//! - Outside of loops, a load whose value does not matter at all: the function may be called in a loop.
//!
//! - In callees that are called from a loop of the first kind, a load whose value is only returned.
//!
//! - In a loop that ends when a counter meets a bound which it may miss, a store to one address: LLVM moves it to behind the
//!   loop's end, too. Where the loop also loads from there, LLVM moves the load to before the loop, where it traps.
//!
//! A way out can be relied on if its condition changes within the loop. LLVM may find out in its passes that it never
//! holds; then the loop is without a way out in the end, and the unit is built again with that known.
//!
//! In a loop that nothing ends but a trap
//!
//! ```text
//! %v = load i32, ptr %place, align 1          ; nobody looks at %v
//! store i32 %p, ptr %place, align 1
//! ```
//!
//! becomes
//!
//! ```text
//! %v = load volatile i32, ptr %place, align 1
//! store volatile i32 %p, ptr %place, align 1
//! ```
//!
//! Condition: none is needed for it to be right, as a volatile access does what another does. It is needed where LLVM might
//! drop or move an access to linear memory without which a loop does not end, and costs where it is not. Inputs with what
//! becomes of them: `tests/passes/endless`, with a folder each for [`keep`], [`keep_in_callees`] and [`keep_stores`].

use std::collections::{HashMap, HashSet};

use inkwell::IntPredicate;
use inkwell::basic_block::BasicBlock;
use inkwell::context::Context;
use inkwell::module::{Linkage, Module as LlvmModule};
use inkwell::values::{
    AsValueRef, BasicValue, CallSiteValue, FunctionValue, InstructionOpcode, InstructionValue,
    Operand,
};

use crate::addresses::int_of;
use crate::dominators::successors;
use crate::emitter::{Metadata, Region};
use crate::loops::{computes, is_pure, users};
use crate::nests::{LoopId, Nests};

/// How many instructions are looked at to see where a value comes from or goes to.
const MOST_LOOKED_AT: usize = 64;

/// Functions with so many loads have their stores moved all the same: each is compared with each.
const MOST_LOADS: usize = 1 << 10;

/// Functions of a unit by their names, and how many loops without a way out each has.
pub(crate) type Endless = HashMap<String, usize>;

/// Counts the loops without a way out.
pub(crate) fn count(module: &LlvmModule<'_>) -> Endless {
    let count = |function| {
        let name = name_of(function);
        (name, Nests::new(function).without_exit())
    };
    functions(module).map(count).collect()
}

/// The functions that have more loops without a way out than before.
pub(crate) fn came_up(before: &Endless, after: &Endless) -> HashSet<String> {
    let is_more = |(name, count): (&String, &usize)| {
        let known = before.get(name).copied().unwrap_or(0);
        (*count > known).then(|| name.clone())
    };
    after.iter().filter_map(is_more).collect()
}

/// Keeps the accesses that must stay. To be called on code whose locals were lifted, before anything unused is dropped, and
/// again when callees were inlined. No way out of a loop of the functions `endless` can be relied on.
pub(crate) fn keep(module: &LlvmModule<'_>, context: &Context, endless: &HashSet<String>) {
    let metadata = Metadata::new(context);
    for function in functions(module) {
        let keeper = Keeper {
            nests: Nests::new(function),
            metadata,
        };
        keeper.keep(is_known(function, endless));
    }
}

/// Keeps loads whose values callees do nothing with but return them, where such loops call these: the results may be
/// unused. To be called after [`keep`], when callees that are inlined are.
pub(crate) fn keep_in_callees(
    module: &LlvmModule<'_>,
    context: &Context,
    endless: &HashSet<String>,
) {
    let metadata = Metadata::new(context);
    let mut called = Vec::new();
    for function in functions(module) {
        let nests = Nests::new(function);
        let keeper = Keeper { nests, metadata };
        let loops = keeper.endless_or(is_known(function, endless));
        if !loops.contains(&true) {
            continue;
        }
        for &block in &keeper.nests.blocks {
            if keeper.nests.of(block).any(|it| loops[it.index()]) {
                called.extend(callees(block));
            }
        }
    }
    let mut seen = HashSet::new();
    while let Some(function) = called.pop() {
        if function.count_basic_blocks() > 0 && seen.insert(function) {
            called.extend(function.get_basic_block_iter().flat_map(callees));
            let nests = Nests::new(function);
            Keeper { nests, metadata }.keep_returned();
        }
    }
}

fn callees<'ctx>(block: BasicBlock<'ctx>) -> impl Iterator<Item = FunctionValue<'ctx>> {
    block.get_instructions().filter_map(|instruction| {
        let call = CallSiteValue::try_from(instruction).ok()?;
        call.get_called_fn_value()
    })
}

/// Whether no way out of a function's loops can be relied on. A callee may be inlined into a function of which that is known.
fn is_known(function: FunctionValue<'_>, endless: &HashSet<String>) -> bool {
    let is_callee = function.get_linkage() == Linkage::Internal;
    !endless.is_empty() && (is_callee || endless.contains(&name_of(function)))
}

/// Keeps stores to one address in loops that may miss their bound. To be called on code whose expressions were brought into
/// LLVM's usual form.
pub(crate) fn keep_stores(module: &LlvmModule<'_>, context: &Context) {
    let metadata = Metadata::new(context);
    for function in functions(module) {
        let nests = Nests::new(function);
        if nests.count() > 0 {
            Keeper { nests, metadata }.keep_stores();
        }
    }
}

fn functions<'ctx>(module: &LlvmModule<'ctx>) -> impl Iterator<Item = FunctionValue<'ctx>> {
    module
        .get_functions()
        .filter(|function| function.count_basic_blocks() > 0)
}

fn name_of(function: FunctionValue<'_>) -> String {
    function.get_name().to_string_lossy().into_owned()
}

struct Keeper<'ctx> {
    nests: Nests<'ctx>,
    metadata: Metadata<'ctx>,
}

impl<'ctx> Keeper<'ctx> {
    fn keep(&self, all_endless: bool) {
        let endless = self.endless_or(all_endless);
        let live = self.live(has_effect);
        for &block in &self.nests.blocks {
            let inner = self.nests.of(block).next();
            let is_in_endless = inner.is_some_and(|inner| endless[inner.index()]);
            let around = self.nests.of(block).find(|it| endless[it.index()]);
            for access in block.get_instructions() {
                let is_load = match access.get_opcode() {
                    InstructionOpcode::Load => true,
                    InstructionOpcode::Store => false,
                    _ => continue,
                };
                if !self.metadata.is_of(access, Region::Memory) {
                    continue;
                }
                let stays = is_in_endless
                    || if is_load {
                        !live.contains(&access)
                            || inner.is_some_and(|inner| !self.matters_in(inner, access, &live))
                    } else {
                        around.is_some_and(|around| !self.address_changes_in(around, access))
                    };
                if stays {
                    // Fails for instructions that are no access only.
                    let _ = access.set_volatile(true);
                }
            }
        }
    }

    /// Keeps loads whose values do not matter to the function's effects, its result aside.
    fn keep_returned(&self) {
        let live = self.live(|it| has_effect(it) && it.get_opcode() != InstructionOpcode::Return);
        for &block in &self.nests.blocks {
            for load in block.get_instructions() {
                if load.get_opcode() == InstructionOpcode::Load
                    && self.metadata.is_of(load, Region::Memory)
                    && !live.contains(&load)
                {
                    // Fails for instructions that are no access only.
                    let _ = load.set_volatile(true);
                }
            }
        }
    }

    /// Which loops have no way out that can be relied on, or all.
    fn endless_or(&self, all: bool) -> Vec<bool> {
        if all {
            vec![true; self.nests.count()]
        } else {
            self.endless(|_| false)
        }
    }

    fn keep_stores(&self) {
        let endless = self.endless(may_miss);
        if !endless.contains(&true) {
            return;
        }
        let accesses = |block: BasicBlock<'ctx>, opcode| {
            block
                .get_instructions()
                .filter(move |it| it.get_opcode() == opcode)
                .filter(|&it| self.metadata.is_of(it, Region::Memory))
        };
        let loads: Vec<_> = self
            .nests
            .blocks
            .iter()
            .flat_map(|&block| accesses(block, InstructionOpcode::Load).map(move |it| (block, it)))
            .take(MOST_LOADS)
            .collect();
        if loads.len() == MOST_LOADS {
            return;
        }
        for &block in &self.nests.blocks {
            let Some(around) = self.nests.of(block).find(|it| endless[it.index()]) else {
                continue;
            };
            for store in accesses(block, InstructionOpcode::Store) {
                if self.address_changes_in(around, store) {
                    continue;
                }
                let is_loaded = loads.iter().any(|&(within, load)| {
                    are_same(load.get_operand(0), store.get_operand(1), MOST_DEPTH)
                        && self.nests.contains(around, within)
                });
                if !is_loaded {
                    // Fails for instructions that are no access only.
                    let _ = store.set_volatile(true);
                }
            }
        }
    }

    /// Which loops have no way out that can be relied on, those aside that a branch may miss.
    fn endless(&self, may_miss: impl Fn(BasicBlock<'ctx>) -> bool) -> Vec<bool> {
        let mut endless = vec![true; self.nests.count()];
        for &block in &self.nests.blocks {
            let ways = successors(block);
            if ways.len() < 2 || may_miss(block) {
                continue;
            }
            let mut sources = None;
            for left in self.nests.left(block, &ways) {
                if endless[left.index()] {
                    let sources = sources.get_or_insert_with(|| self.sources_of_branch(block));
                    endless[left.index()] = !self.any_in(left, sources.as_deref());
                }
            }
        }
        endless
    }

    fn any_in(&self, around: LoopId, blocks: Option<&[BasicBlock<'ctx>]>) -> bool {
        blocks.is_none_or(|blocks| {
            blocks
                .iter()
                .any(|&block| self.nests.contains(around, block))
        })
    }

    /// The blocks of the values that a branch depends on.
    fn sources_of_branch(&self, block: BasicBlock<'ctx>) -> Option<Vec<BasicBlock<'ctx>>> {
        let condition = operands(block.get_terminator()?).next()?;
        sources(condition)
    }

    fn address_changes_in(&self, around: LoopId, store: InstructionValue<'ctx>) -> bool {
        let address = store.get_operand(1).and_then(Operand::value);
        let Some(address) = address.and_then(|it| it.as_instruction_value()) else {
            return false;
        };
        self.any_in(around, sources(address).as_deref())
    }

    /// The instructions that matter to effects.
    fn live(
        &self,
        is_effect: impl Fn(InstructionValue<'ctx>) -> bool,
    ) -> HashSet<InstructionValue<'ctx>> {
        let mut live = HashSet::new();
        let mut reached = Vec::new();
        for &block in &self.nests.blocks {
            reached.extend(block.get_instructions().filter(|&it| is_effect(it)));
        }
        while let Some(instruction) = reached.pop() {
            if live.insert(instruction) {
                reached.extend(operands(instruction));
            }
        }
        live
    }

    /// Whether a value matters to an effect within a loop, or to the loop's next round.
    fn matters_in(
        &self,
        around: LoopId,
        value: InstructionValue<'ctx>,
        live: &HashSet<InstructionValue<'ctx>>,
    ) -> bool {
        let mut seen = vec![value];
        let mut next = 0;
        while let Some(&value) = seen.get(next) {
            next += 1;
            for user in users(value) {
                let is_inside = user
                    .get_parent()
                    .is_some_and(|block| self.nests.contains(around, block));
                if !is_inside || !live.contains(&user) || seen.contains(&user) {
                    continue;
                }
                let is_phi = user.get_opcode() == InstructionOpcode::Phi;
                if is_phi || has_effect(user) || seen.len() == MOST_LOOKED_AT {
                    return true;
                }
                seen.push(user);
            }
        }
        false
    }
}

/// Whether a block ends by asking if a number to which rounds add something else than one is equal to another.
fn may_miss(block: BasicBlock<'_>) -> bool {
    let asks = || {
        let comparison = operands(block.get_terminator()?).next()?;
        let is_equality = matches!(
            comparison.get_icmp_predicate()?,
            IntPredicate::EQ | IntPredicate::NE
        );
        let mut sides = operands(comparison);
        Some(is_equality && sides.any(advances_by_more_than_one))
    };
    asks().unwrap_or(false)
}

/// Whether a value is a counter of a loop that does not count one by one, or its sum with a round's step.
fn advances_by_more_than_one(value: InstructionValue<'_>) -> bool {
    let step = |sum: InstructionValue<'_>| {
        let is_sum = sum.get_opcode() == InstructionOpcode::Add;
        let step = int_of(sum, 1)?.get_sign_extended_constant()?;
        is_sum.then_some(step)
    };
    let phi = match value.get_opcode() {
        InstructionOpcode::Phi => Some(value),
        _ => operands(value).next().filter(|_| step(value).is_some()),
    };
    let is_phi = |it: &InstructionValue<'_>| it.get_opcode() == InstructionOpcode::Phi;
    phi.filter(is_phi).is_some_and(|phi| {
        let mut ways = operands(phi);
        ways.any(|way| {
            operands(way).next() == Some(phi) && step(way).is_some_and(|step| step.abs() != 1)
        })
    })
}

/// How many levels of expressions are compared.
const MOST_DEPTH: u32 = 4;

/// Whether two operands are the same expression of the same values.
fn are_same(a: Option<Operand<'_>>, b: Option<Operand<'_>>, depth: u32) -> bool {
    let (Some(Operand::Value(a)), Some(Operand::Value(b))) = (a, b) else {
        return false;
    };
    if a.as_value_ref() == b.as_value_ref() {
        return true;
    }
    let (Some(a), Some(b)) = (a.as_instruction_value(), b.as_instruction_value()) else {
        return false;
    };
    let opcode = a.get_opcode();
    let count = a.get_num_operands();
    depth > 0
        && opcode == b.get_opcode()
        && count == b.get_num_operands()
        && computes(opcode)
        && !matches!(opcode, InstructionOpcode::Load | InstructionOpcode::Call)
        && (0..count).all(|index| are_same(a.get_operand(index), b.get_operand(index), depth - 1))
}

/// The blocks of the instructions that a value depends on and that do more than compute. `None` if they are many.
fn sources(value: InstructionValue<'_>) -> Option<Vec<BasicBlock<'_>>> {
    let mut seen = vec![value];
    let mut blocks = Vec::new();
    let mut next = 0;
    while let Some(&value) = seen.get(next) {
        next += 1;
        let opcode = value.get_opcode();
        let only_computes = computes(opcode)
            && opcode != InstructionOpcode::Load
            && (opcode != InstructionOpcode::Call || is_pure(value));
        if !only_computes {
            blocks.extend(value.get_parent());
            continue;
        }
        for operand in operands(value) {
            if seen.contains(&operand) {
                continue;
            }
            if seen.len() == MOST_LOOKED_AT {
                return None;
            }
            seen.push(operand);
        }
    }
    Some(blocks)
}

/// Whether an instruction does something else than to compute a value.
fn has_effect(instruction: InstructionValue<'_>) -> bool {
    match instruction.get_opcode() {
        InstructionOpcode::Load => instruction.get_volatile().unwrap_or(true),
        InstructionOpcode::Call => !is_pure(instruction),
        InstructionOpcode::Store => true,
        _ => instruction.is_terminator(),
    }
}

/// The instructions whose values an instruction uses.
fn operands(instruction: InstructionValue<'_>) -> impl Iterator<Item = InstructionValue<'_>> {
    (0..instruction.get_num_operands()).filter_map(move |index| {
        let value = instruction.get_operand(index)?.value()?;
        value.as_instruction_value()
    })
}
