//! Which locals a frame at a loop's header may still read, and an entry at that loop must find in the frame's
//! cells. Found in one pass backwards over the body, so for some loops there are more than need be. The same pass counts
//! the locals that are alive where control joins.

use std::collections::HashMap;
use std::sync::Arc;

use upshift_module::{
    DefinedFuncIndex, EntityRef, LocalIndex, LoopIndex, Module, PrimaryMap, to_usize,
};
use wasmparser::Operator;

use super::body::Body;
use super::error::{TranslateError, TranslateProblem};
use crate::{CostLimits, CostMeasure, Excess};

/// The most words of sets that there are at a time: 64 MiB.
const MAX_WORDS: usize = 8 << 20;

/// For each loop of a function the locals that are read there or later before they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoopLocals {
    /// Loops in which the same locals are alive share them.
    loops: PrimaryMap<LoopIndex, Arc<[LocalIndex]>>,
    /// The locals that are read or written, in order.
    used: Vec<LocalIndex>,
    /// See [`CostMeasure::NestedLocals`].
    nested: usize,
}

impl LoopLocals {
    /// Those of a defined function.
    ///
    /// # Errors
    /// When there is no such function, its body can't be read, or more locals are alive at joins or at loops than the
    /// limits allow.
    pub fn new(
        module: &Module,
        defined: DefinedFuncIndex,
        limits: CostLimits,
    ) -> Result<Self, TranslateError> {
        let body = Body::new(module, defined)?;
        let too_large =
            |excess| TranslateError::new(body.function, 0, TranslateProblem::TooLarge(excess));
        let Steps {
            steps,
            loops,
            locals,
            depth,
        } = steps(&body)?;
        let words = locals.len().div_ceil(64);
        let sets = depth.saturating_add(loops.len());
        if sets.saturating_mul(words) > MAX_WORDS {
            return Err(too_large(Excess {
                measure: CostMeasure::JoinedLocals,
                amount: sets.saturating_mul(locals.len()),
                limit: limits.joined_locals.min(64 * MAX_WORDS),
            }));
        }
        let mut pass = Pass {
            live: Set::new(locals.len()),
            open: Vec::new(),
            headers: vec![None; loops.len()].into(),
            joins: Vec::new(),
        };
        for step in steps.iter().rev() {
            pass.step(step);
        }
        let (mut headers, joins) = (pass.headers, pass.joins);
        // A local that is read in the next round of a loop is alive all through this one.
        for (number, &outer) in &loops {
            if let Some(outer) = outer
                && let Ok([outer, inner]) = headers.get_disjoint_mut([outer, number])
                && let (Some(outer), Some(inner)) = (outer, inner)
            {
                inner.add(outer);
            }
        }
        let counts: PrimaryMap<LoopIndex, usize> = headers
            .values()
            .map(|set| set.as_ref().map_or(0, Set::len))
            .collect();
        let at_loops = counts.values().sum();
        Excess::check(CostMeasure::LoopValues, at_loops, limits.loop_values).map_err(too_large)?;
        // Of a label inside a loop, the reads of the next round were not known yet.
        let at_join = |join: &Join| {
            let around = join.inside.map_or(0, |number| counts[number]);
            around.max(join.locals)
        };
        let joined = joins
            .iter()
            .map(at_join)
            .fold(at_loops, usize::saturating_add);
        Excess::check(CostMeasure::JoinedLocals, joined, limits.joined_locals)
            .map_err(too_large)?;
        let nested = nested(&loops, &counts);
        Excess::check(CostMeasure::NestedLocals, nested, limits.nested_locals)
            .map_err(too_large)?;
        let loops = Self::shared(&headers, &loops, &locals);
        let mut used = locals;
        used.sort_unstable();
        Ok(Self {
            loops,
            used,
            nested,
        })
    }

    /// The members of each loop's set, those of an equal set of the loop before or of the one around it if they are the
    /// same.
    fn shared(
        headers: &PrimaryMap<LoopIndex, Option<Set>>,
        around: &PrimaryMap<LoopIndex, Option<LoopIndex>>,
        locals: &[LocalIndex],
    ) -> PrimaryMap<LoopIndex, Arc<[LocalIndex]>> {
        let mut loops: PrimaryMap<LoopIndex, Arc<[LocalIndex]>> =
            PrimaryMap::with_capacity(headers.len());
        for (number, set) in headers {
            let before = number.index().checked_sub(1).map(LoopIndex::new);
            let near = [before, around[number]];
            let same = near.into_iter().flatten().find(|&of| headers[of] == *set);
            let members = same.and_then(|of| loops.get(of)).cloned();
            loops.push(members.unwrap_or_else(|| {
                let members = set.iter().flat_map(Set::members);
                let mut members: Vec<_> = members.map(|member| locals[member]).collect();
                members.sort_unstable();
                members.into()
            }));
        }
        loops
    }

    /// The locals that the function reads or writes, in order. A few bytes declare fifty thousand.
    #[must_use]
    pub fn used(&self) -> &[LocalIndex] {
        &self.used
    }

    /// [`CostMeasure::NestedLocals`] of the function.
    #[must_use]
    pub fn nested(&self) -> usize {
        self.nested
    }

    /// How many loops the function has.
    #[must_use]
    pub fn loops(&self) -> usize {
        self.loops.len()
    }

    /// The locals that are alive at the header of a loop, in order.
    #[must_use]
    pub fn at(&self, number: LoopIndex) -> &[LocalIndex] {
        self.loops.get(number).map_or(&[], |locals| &**locals)
    }
}

/// The sum of locals alive at loops, each times the loops around. `around` has the loop around each, which comes before it.
fn nested(
    around: &PrimaryMap<LoopIndex, Option<LoopIndex>>,
    locals: &PrimaryMap<LoopIndex, usize>,
) -> usize {
    let mut depths: PrimaryMap<LoopIndex, usize> = PrimaryMap::with_capacity(around.len());
    let mut sum: usize = 0;
    for (number, outer) in around {
        let depth = outer.map_or(0, |outer| depths[outer]) + 1;
        depths.push(depth);
        sum = sum.saturating_add(depth.saturating_mul(locals[number]));
    }
    sum
}

/// An operator, as far as it matters here. Locals are numbered in the order in which they come first.
enum Step {
    Get(usize),
    Set(usize),
    Block,
    Loop(LoopIndex),
    If,
    Else,
    /// The end of a block: whether it is a loop, and the innermost loop around the code behind it.
    End(bool, Option<LoopIndex>),
    /// To one of these labels, and if the flag is set perhaps straight on.
    Branch(Box<[u32]>, bool),
    /// Nothing follows.
    Leave,
}

/// A body as steps.
struct Steps {
    steps: Vec<Step>,
    /// For each loop the one around it.
    loops: PrimaryMap<LoopIndex, Option<LoopIndex>>,
    /// The locals that are read or written, by their numbers in steps.
    locals: Vec<LocalIndex>,
    /// How many blocks are open at most.
    depth: usize,
}

fn steps(body: &Body<'_>) -> Result<Steps, TranslateError> {
    let malformed = |error| TranslateError::malformed(body.function, &error);
    let (mut steps, mut loops, mut depth) = (Vec::new(), PrimaryMap::new(), 1);
    let (mut locals, mut numbers) = (Vec::new(), HashMap::new());
    let mut number_of = |local| {
        *numbers.entry(local).or_insert_with(|| {
            locals.push(LocalIndex::from_u32(local));
            locals.len() - 1
        })
    };
    // For each open block the loop that it is or is in, and whether it is that loop.
    let mut open: Vec<(Option<LoopIndex>, bool)> = Vec::new();
    let mut reader = body.operators()?;
    while !reader.eof() {
        let operator = reader.read().map_err(malformed)?;
        let inside = open.last().and_then(|&(inside, _)| inside);
        steps.push(match operator {
            Operator::LocalGet { local_index } => Step::Get(number_of(local_index)),
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                Step::Set(number_of(local_index))
            }
            Operator::Block { .. } => {
                open.push((inside, false));
                Step::Block
            }
            Operator::If { .. } => {
                open.push((inside, false));
                Step::If
            }
            Operator::Loop { .. } => {
                let number = loops.push(inside);
                open.push((Some(number), true));
                Step::Loop(number)
            }
            Operator::Else => Step::Else,
            // The last ends the function.
            Operator::End => {
                depth = depth.max(open.len() + 1);
                let is_loop = open.pop().is_some_and(|(_, is_loop)| is_loop);
                Step::End(is_loop, open.last().and_then(|&(inside, _)| inside))
            }
            Operator::Br { relative_depth } => Step::Branch([relative_depth].into(), false),
            Operator::BrIf { relative_depth } => Step::Branch([relative_depth].into(), true),
            Operator::BrTable { targets } => {
                let mut depths = Vec::with_capacity(to_usize(targets.len()) + 1);
                for depth in targets.targets() {
                    depths.push(depth.map_err(malformed)?);
                }
                depths.push(targets.default());
                depths.sort_unstable();
                depths.dedup();
                Step::Branch(depths.into(), false)
            }
            Operator::Return | Operator::Unreachable => Step::Leave,
            _ => continue,
        });
    }
    Ok(Steps {
        steps,
        loops,
        locals,
        depth,
    })
}

/// The way backwards.
struct Pass {
    /// The locals that are alive in front of the step that was looked at last.
    live: Set,
    /// The blocks whose ends were passed.
    open: Vec<Open>,
    headers: PrimaryMap<LoopIndex, Option<Set>>,
    joins: Vec<Join>,
}

/// A place behind a block where control joins.
struct Join {
    /// How many locals are alive there.
    locals: usize,
    /// The innermost loop around it.
    inside: Option<LoopIndex>,
}

struct Open {
    /// The locals that are alive where a branch to its label goes. For a loop that is its header: locals alive there are added to
    /// those inside later, for the whole loop at once.
    label: Set,
    /// The locals that are alive where the second arm of an `if` begins, if it has one.
    second_arm: Option<Set>,
    /// Whether something branches to its label.
    is_target: bool,
    /// The innermost loop around the code behind it.
    inside: Option<LoopIndex>,
}

impl Pass {
    /// The block has been gone through.
    fn close(&mut self, is_if: bool) -> Option<Open> {
        let open = self.open.pop()?;
        if is_if || open.is_target {
            self.joins.push(Join {
                locals: open.label.len(),
                inside: open.inside,
            });
        }
        Some(open)
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Get(local) => self.live.insert(*local),
            Step::Set(local) => self.live.remove(*local),
            Step::End(is_loop, inside) => self.open.push(Open {
                label: if *is_loop {
                    self.live.emptied()
                } else {
                    self.live.clone()
                },
                second_arm: None,
                is_target: false,
                inside: *inside,
            }),
            Step::Block => _ = self.close(false),
            Step::Loop(number) => {
                self.headers[*number] = Some(self.live.clone());
                self.open.pop();
            }
            Step::Else => {
                if let Some(open) = self.open.last_mut() {
                    let behind = open.label.clone();
                    open.second_arm = Some(std::mem::replace(&mut self.live, behind));
                }
            }
            Step::If => {
                if let Some(open) = self.close(true) {
                    self.live.add(&open.second_arm.unwrap_or(open.label));
                }
            }
            Step::Branch(depths, perhaps) => {
                if !perhaps {
                    self.live = self.live.emptied();
                }
                for &depth in depths {
                    let label = self.open.len().checked_sub(to_usize(depth) + 1);
                    if let Some(open) = label.and_then(|label| self.open.get_mut(label)) {
                        open.is_target = true;
                        self.live.add(&open.label);
                    }
                }
            }
            Step::Leave => self.live = self.live.emptied(),
        }
    }
}

/// A set of locals, a bit each by their numbers in steps.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Set(Box<[u64]>);

impl Set {
    fn new(locals: usize) -> Self {
        Self(vec![0; locals.div_ceil(64)].into())
    }

    fn emptied(&self) -> Self {
        Self(vec![0; self.0.len()].into())
    }

    fn insert(&mut self, number: usize) {
        if let Some(word) = self.0.get_mut(number / 64) {
            *word |= 1 << (number % 64);
        }
    }

    fn remove(&mut self, number: usize) {
        if let Some(word) = self.0.get_mut(number / 64) {
            *word &= !(1 << (number % 64));
        }
    }

    fn add(&mut self, other: &Self) {
        for (word, &more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    fn len(&self) -> usize {
        let counts = self.0.iter().map(|word| to_usize(word.count_ones()));
        counts.sum()
    }

    fn members(&self) -> impl Iterator<Item = usize> {
        let words = self.0.iter().enumerate();
        words.flat_map(|(i, &word)| {
            let bits = (0..64).filter(move |bit| word >> bit & 1 == 1);
            bits.map(move |bit| i * 64 + bit)
        })
    }
}

#[cfg(test)]
mod tests {
    use upshift_module::Features;

    use super::*;

    fn numbers(locals: &[LocalIndex]) -> Vec<u32> {
        locals.iter().map(|local| local.as_u32()).collect()
    }

    fn live(body: &str) -> Vec<Vec<u32>> {
        let text = format!("(module (func (param i32 i32) (result i32) (local i32 i32) {body}))");
        let module = Module::parse(text.as_bytes(), &Features::default()).expect("valid");
        let locals = LoopLocals::new(&module, DefinedFuncIndex::from_u32(0), CostLimits::NONE)
            .expect("a function");
        let loops = (0..locals.loops()).map(LoopIndex::new);
        loops.map(|number| numbers(locals.at(number))).collect()
    }

    #[test]
    fn what_is_written_before_it_is_read_is_dead() {
        let body = "(loop (local.set 2 (local.get 0)) (br_if 0 (local.get 2))) (local.get 1)";
        assert_eq!(live(body), [[0, 1]]);
    }

    #[test]
    fn what_the_next_round_reads_is_alive_in_inner_loops() {
        let body = "(loop (local.set 3 (local.get 2))
            (loop (br_if 0 (local.get 3)))
            (br_if 0 (local.get 0))) (i32.const 0)";
        assert_eq!(live(body), [vec![0, 2], vec![0, 2, 3]]);
    }

    #[test]
    fn either_arm_of_an_if_counts_and_so_does_no_arm() {
        let both = "(loop (if (local.get 0) (then (local.set 2 (local.get 1))) (else (local.set 2 (i32.const 1))))
            (br_if 0 (local.get 2))) (local.get 3)";
        assert_eq!(live(both), [[0, 1, 3]]);
        let one =
            "(loop (if (local.get 0) (then (local.set 2 (i32.const 1)))) (br_if 0 (local.get 2)))
            (i32.const 0)";
        assert_eq!(live(one), [[0, 2]]);
    }

    fn joined(body: &str, joined_locals: usize) -> Result<(), Excess> {
        let text = format!("(module (func (param i32 i32) (result i32) (local i32 i32) {body}))");
        let module = Module::parse(text.as_bytes(), &Features::default()).expect("valid");
        let limits = CostLimits {
            joined_locals,
            ..CostLimits::NONE
        };
        match LoopLocals::new(&module, DefinedFuncIndex::from_u32(0), limits) {
            Ok(_) => Ok(()),
            Err(error) => match *error.problem() {
                TranslateProblem::TooLarge(excess) => Err(excess),
                _ => panic!("{error}"),
            },
        }
    }

    #[test]
    fn locals_alive_at_joins_are_counted() {
        // Two at the header, and as many behind the `if`, where the next round's are alive. Nothing joins behind the
        // blocks that no branch leads out of.
        let body = "(block (block (loop
              (if (local.get 0) (then (local.set 2 (i32.const 1))))
              (br_if 0 (local.get 1)))))
            (i32.const 0)";
        let excess = joined(body, 3).unwrap_err();
        let Excess {
            measure, amount, ..
        } = excess;
        assert_eq!((measure, amount), (CostMeasure::JoinedLocals, 4));
        assert_eq!(joined(body, 4), Ok(()));
    }

    #[test]
    fn locals_alive_in_nested_loops_count_once_for_each_loop_around() {
        let body = "(loop (br_if 0 (local.get 0)) (loop (loop (br_if 2 (local.get 1)))))
            (loop (br_if 0 (local.get 3))) (i32.const 0)";
        let text = format!("(module (func (param i32 i32) (result i32) (local i32 i32) {body}))");
        let module = Module::parse(text.as_bytes(), &Features::default()).expect("valid");
        let locals = LoopLocals::new(&module, DefinedFuncIndex::from_u32(0), CostLimits::NONE)
            .expect("a function");
        assert_eq!(numbers(locals.used()), [0, 1, 3]);
        // Three, in one loop, in two and in three, and one.
        assert_eq!(locals.nested(), 3 * (1 + 2 + 3) + 1);
    }

    #[test]
    fn loops_with_the_same_locals_share_them() {
        let body = "(loop (loop (loop (br_if 0 (local.get 1)) (br_if 1 (local.get 0)) (br_if 2 (local.get 3)))))
            (i32.const 0)";
        let text = format!("(module (func (param i32 i32) (result i32) (local i32 i32) {body}))");
        let module = Module::parse(text.as_bytes(), &Features::default()).expect("valid");
        let locals = LoopLocals::new(&module, DefinedFuncIndex::from_u32(0), CostLimits::NONE)
            .expect("a function");
        let [first, second, third] = [0, 1, 2].map(|number| locals.at(LoopIndex::from_u32(number)));
        assert_eq!(numbers(first), [0, 1, 3]);
        assert!(std::ptr::eq(first, second) && std::ptr::eq(first, third));
    }

    #[test]
    fn branches_go_to_what_is_behind_their_blocks() {
        let body = "(block (loop (br_if 1 (local.get 0)) (local.set 1 (i32.const 0)) (br 0))) (local.get 1)";
        assert_eq!(live(body), [[0, 1]]);
        let table = "(block (block (loop (br_table 0 1 2 (local.get 0)))) (return (local.get 2))) (local.get 3)";
        assert_eq!(live(table), [[0, 2, 3]]);
        let unreachable =
            "(loop (br_if 0 (local.get 0)) (unreachable) (drop (local.get 1))) (local.get 1)";
        assert_eq!(live(unreachable), [[0]]);
    }
}
