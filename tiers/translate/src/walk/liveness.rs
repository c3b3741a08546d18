//! Which locals a frame at a loop's header may still read, and an entry at that loop must find in the frame's
//! cells. Found in one pass backwards over the body, so for some loops there are more than need be. The same pass counts
//! the locals that are alive where control joins.

use std::collections::HashMap;
use std::sync::Arc;

use upshift_module::Module;
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
    loops: Vec<Arc<[u32]>>,
    /// The locals that are read or written, in order.
    used: Vec<u32>,
    /// See [`CostMeasure::NestedLocals`].
    nested: usize,
}

impl LoopLocals {
    /// Those of a defined function (imports not counted).
    ///
    /// # Errors
    /// When there is no such function, its body can't be read, or more locals are alive at joins or at loops than the
    /// limits allow.
    pub fn new(module: &Module, defined: u32, limits: CostLimits) -> Result<Self, TranslateError> {
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
            headers: vec![None; loops.len()],
            joins: Vec::new(),
        };
        for step in steps.iter().rev() {
            pass.step(step);
        }
        let (mut headers, joins) = (pass.headers, pass.joins);
        // A local that is read in the next round of a loop is alive all through this one.
        for (number, &outer) in loops.iter().enumerate() {
            if let Some(outer) = outer {
                let (before, from) = headers.split_at_mut(number);
                if let (Some(outer), Some(inner)) = (&before[outer], &mut from[0]) {
                    inner.add(outer);
                }
            }
        }
        let counts: Vec<usize> = headers
            .iter()
            .map(|set| set.as_ref().map_or(0, Set::len))
            .collect();
        let at_loops = counts.iter().sum();
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
        headers: &[Option<Set>],
        around: &[Option<usize>],
        locals: &[u32],
    ) -> Vec<Arc<[u32]>> {
        let mut loops: Vec<Arc<[u32]>> = Vec::with_capacity(headers.len());
        for (number, set) in headers.iter().enumerate() {
            let near = [number.checked_sub(1), around[number]];
            let same = near.into_iter().flatten().find(|&of| headers[of] == *set);
            let members = same.and_then(|of| loops.get(of)).cloned();
            loops.push(members.unwrap_or_else(|| {
                let members = set.iter().flat_map(Set::members);
                let mut members: Vec<u32> = members.map(|index| locals[index as usize]).collect();
                members.sort_unstable();
                members.into()
            }));
        }
        loops
    }

    /// The locals that the function reads or writes, in order. A few bytes declare fifty thousand.
    #[must_use]
    pub fn used(&self) -> &[u32] {
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

    /// The locals that are alive at the header of the loop of this number, in order.
    #[must_use]
    pub fn at(&self, number: u32) -> &[u32] {
        self.loops
            .get(number as usize)
            .map_or(&[], |locals| &**locals)
    }
}

/// The sum of locals alive at loops, each times the loops around. `around` has the loop around each, which comes before it.
fn nested(around: &[Option<usize>], locals: &[usize]) -> usize {
    let mut depths: Vec<usize> = Vec::with_capacity(around.len());
    let mut sum: usize = 0;
    for (outer, &locals) in around.iter().zip(locals) {
        let depth = outer.map_or(0, |outer| depths[outer]) + 1;
        depths.push(depth);
        sum = sum.saturating_add(depth.saturating_mul(locals));
    }
    sum
}

/// An operator, as far as it matters here. Locals are numbered in the order in which they come first.
enum Step {
    Get(u32),
    Set(u32),
    Block,
    Loop(usize),
    If,
    Else,
    /// The end of a block: whether it is a loop, and the innermost loop around the code behind it.
    End(bool, Option<usize>),
    /// To one of these labels, and if the flag is set perhaps straight on.
    Branch(Box<[u32]>, bool),
    /// Nothing follows.
    Leave,
}

/// A body as steps.
struct Steps {
    steps: Vec<Step>,
    /// For each loop the one around it.
    loops: Vec<Option<usize>>,
    /// The locals that are read or written, by their numbers in steps.
    locals: Vec<u32>,
    /// How many blocks are open at most.
    depth: usize,
}

fn steps(body: &Body<'_>) -> Result<Steps, TranslateError> {
    let malformed = |error| TranslateError::malformed(body.function, &error);
    let (mut steps, mut loops, mut depth) = (Vec::new(), Vec::new(), 1);
    let (mut locals, mut numbers) = (Vec::new(), HashMap::new());
    let mut number_of = |local: u32| {
        *numbers.entry(local).or_insert_with(|| {
            locals.push(local);
            // Validation allows 50 000 locals.
            locals.len() as u32 - 1
        })
    };
    // For each open block the loop that it is or is in, and whether it is that loop.
    let mut open: Vec<(Option<usize>, bool)> = Vec::new();
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
                open.push((Some(loops.len()), true));
                loops.push(inside);
                Step::Loop(loops.len() - 1)
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
                let mut depths = Vec::with_capacity(targets.len() as usize + 1);
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
    headers: Vec<Option<Set>>,
    joins: Vec<Join>,
}

/// A place behind a block where control joins.
struct Join {
    /// How many locals are alive there.
    locals: usize,
    /// The innermost loop around it.
    inside: Option<usize>,
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
    inside: Option<usize>,
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
                    let label = self.open.len().checked_sub(depth as usize + 1);
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

/// A set of locals, a bit each.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Set(Box<[u64]>);

impl Set {
    fn new(locals: usize) -> Self {
        Self(vec![0; locals.div_ceil(64)].into())
    }

    fn emptied(&self) -> Self {
        Self(vec![0; self.0.len()].into())
    }

    fn insert(&mut self, local: u32) {
        if let Some(word) = self.0.get_mut(local as usize / 64) {
            *word |= 1 << (local % 64);
        }
    }

    fn remove(&mut self, local: u32) {
        if let Some(word) = self.0.get_mut(local as usize / 64) {
            *word &= !(1 << (local % 64));
        }
    }

    fn add(&mut self, other: &Self) {
        for (word, &more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    fn len(&self) -> usize {
        let counts = self.0.iter().map(|word| word.count_ones() as usize);
        counts.sum()
    }

    fn members(&self) -> impl Iterator<Item = u32> {
        let words = self.0.iter().enumerate();
        words.flat_map(|(i, &word)| {
            let bits = (0..64).filter(move |bit| word >> bit & 1 == 1);
            bits.map(move |bit| i as u32 * 64 + bit)
        })
    }
}

#[cfg(test)]
mod tests {
    use upshift_module::Features;

    use super::*;

    fn live(body: &str) -> Vec<Vec<u32>> {
        let text = format!("(module (func (param i32 i32) (result i32) (local i32 i32) {body}))");
        let module = Module::parse(text.as_bytes(), &Features::default()).expect("valid");
        let locals = LoopLocals::new(&module, 0, CostLimits::NONE).expect("a function");
        (0..locals.loops() as u32)
            .map(|number| locals.at(number).to_vec())
            .collect()
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
        match LoopLocals::new(&module, 0, limits) {
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
        let locals = LoopLocals::new(&module, 0, CostLimits::NONE).expect("a function");
        assert_eq!(locals.used(), [0, 1, 3]);
        // Three, in one loop, in two and in three, and one.
        assert_eq!(locals.nested(), 3 * (1 + 2 + 3) + 1);
    }

    #[test]
    fn loops_with_the_same_locals_share_them() {
        let body = "(loop (loop (loop (br_if 0 (local.get 1)) (br_if 1 (local.get 0)) (br_if 2 (local.get 3)))))
            (i32.const 0)";
        let text = format!("(module (func (param i32 i32) (result i32) (local i32 i32) {body}))");
        let module = Module::parse(text.as_bytes(), &Features::default()).expect("valid");
        let locals = LoopLocals::new(&module, 0, CostLimits::NONE).expect("a function");
        assert_eq!(locals.at(0), [0, 1, 3]);
        assert!(std::ptr::eq(locals.at(0), locals.at(1)));
        assert!(std::ptr::eq(locals.at(0), locals.at(2)));
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
