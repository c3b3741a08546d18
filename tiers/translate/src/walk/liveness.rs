//! Which locals a frame at a loop's header may still read: what an entry at that loop must find in the frame's
//! cells. Found in one pass backwards over the body, so for some loops there are more than need be.

use upshift_module::Module;
use wasmparser::Operator;

use super::body::Body;
use super::error::TranslateError;

/// For each loop of a function the locals that are read there or later before they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoopLocals {
    loops: Vec<Box<[u32]>>,
}

impl LoopLocals {
    /// Those of a defined function (imports not counted).
    ///
    /// # Errors
    /// When there is no such function, or its body can't be read.
    pub fn new(module: &Module, defined: u32) -> Result<Self, TranslateError> {
        let body = Body::new(module, defined)?;
        let (steps, loops) = steps(&body)?;
        let mut pass = Pass {
            live: Set::new(body.locals()?.len()),
            open: Vec::new(),
            headers: vec![None; loops.len()],
        };
        for step in steps.iter().rev() {
            pass.step(step);
        }
        let mut headers = pass.headers;
        // What is read in the next round of a loop is alive all through this one.
        for (number, outer) in loops.into_iter().enumerate() {
            if let Some(outer) = outer {
                let (before, from) = headers.split_at_mut(number);
                if let (Some(outer), Some(inner)) = (&before[outer], &mut from[0]) {
                    inner.add(outer);
                }
            }
        }
        let locals = |set: Option<Set>| set.map_or_else(Box::default, |set| set.members());
        Ok(Self {
            loops: headers.into_iter().map(locals).collect(),
        })
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

/// An operator, as far as it matters here.
enum Step {
    Get(u32),
    Set(u32),
    Block,
    Loop(usize),
    If,
    Else,
    /// The end of a block, which is a loop if the flag is set.
    End(bool),
    /// To one of these labels, and if the flag is set perhaps straight on.
    Branch(Box<[u32]>, bool),
    /// Nothing follows.
    Leave,
}

/// The steps of a body, and for each loop the one around it.
fn steps(body: &Body<'_>) -> Result<(Vec<Step>, Vec<Option<usize>>), TranslateError> {
    let malformed = |error| TranslateError::malformed(body.function, &error);
    let (mut steps, mut loops) = (Vec::new(), Vec::new());
    // For each open block the loop that it is or is in, and whether it is that loop.
    let mut open: Vec<(Option<usize>, bool)> = Vec::new();
    let mut reader = body.operators()?;
    while !reader.eof() {
        let operator = reader.read().map_err(malformed)?;
        let inside = open.last().and_then(|&(inside, _)| inside);
        steps.push(match operator {
            Operator::LocalGet { local_index } => Step::Get(local_index),
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                Step::Set(local_index)
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
            Operator::End => Step::End(open.pop().is_some_and(|(_, is_loop)| is_loop)),
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
    Ok((steps, loops))
}

/// The way backwards.
struct Pass {
    /// What is alive in front of the step that was looked at last.
    live: Set,
    /// The blocks whose ends were passed.
    open: Vec<Open>,
    headers: Vec<Option<Set>>,
}

struct Open {
    /// What is alive where a branch to its label goes. For a loop that is its header: what is alive there comes to
    /// what is inside later, for the whole loop at once.
    label: Set,
    /// What is alive where the second arm of an `if` begins, if it has one.
    second_arm: Option<Set>,
}

impl Pass {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Get(local) => self.live.insert(*local),
            Step::Set(local) => self.live.remove(*local),
            Step::End(is_loop) => self.open.push(Open {
                label: if *is_loop {
                    self.live.emptied()
                } else {
                    self.live.clone()
                },
                second_arm: None,
            }),
            Step::Block => _ = self.open.pop(),
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
                if let Some(open) = self.open.pop() {
                    self.live.add(&open.second_arm.unwrap_or(open.label));
                }
            }
            Step::Branch(depths, perhaps) => {
                if !perhaps {
                    self.live = self.live.emptied();
                }
                for &depth in depths {
                    let label = self.open.len().checked_sub(depth as usize + 1);
                    if let Some(open) = label.and_then(|label| self.open.get(label)) {
                        self.live.add(&open.label);
                    }
                }
            }
            Step::Leave => self.live = self.live.emptied(),
        }
    }
}

/// A set of locals, a bit each.
#[derive(Clone, Debug)]
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

    fn members(&self) -> Box<[u32]> {
        let words = self.0.iter().enumerate();
        let all = words.flat_map(|(i, &word)| {
            let bits = (0..64).filter(move |bit| word >> bit & 1 == 1);
            bits.map(move |bit| i as u32 * 64 + bit)
        });
        all.collect()
    }
}

#[cfg(test)]
mod tests {
    use upshift_module::Features;

    use super::*;

    fn live(body: &str) -> Vec<Vec<u32>> {
        let text = format!("(module (func (param i32 i32) (result i32) (local i32 i32) {body}))");
        let module = Module::parse(text.as_bytes(), &Features::default()).expect("valid");
        let locals = LoopLocals::new(&module, 0).expect("a function");
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
