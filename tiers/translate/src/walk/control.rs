//! WebAssembly's control stack as blocks and jumps: blocks, loops, ifs, branches, calls.

use upshift_module::{LoopIndex, ValType, to_usize};
use upshift_runtime::TrapCode;
use wasmparser::{BlockType, BrTable, Operator};

use super::body::value_type;
use super::work::Work;
use super::{CASES_BETWEEN_LOOKS, Step, TablePlaces, TranslateError, TranslateProblem, Walk};
use crate::{BranchTable, Emitter, WorkSite};

/// A block of WebAssembly that was opened in reachable code and is not closed.
pub(super) struct Frame<'m, B> {
    kind: Kind<B>,
    params: &'m [ValType],
    results: &'m [ValType],
    /// Height of the operand stack below the parameters.
    height: usize,
    /// Where branches to the label go. For a loop, its header. For others, the block behind the `end`,
    /// which is there once something branches to it: most blocks of straight code need none.
    target: Option<B>,
    /// The place in the control stack of the innermost loop that it is or is in. Set when it gets there.
    innermost_loop: Option<usize>,
    /// How many of it and the blocks around it are loops. Set when it gets there.
    loops: usize,
}

/// What a block takes from the operand stack and leaves there.
struct BlockTypes<'m> {
    params: &'m [ValType],
    results: &'m [ValType],
}

enum Kind<B> {
    /// The function's body, or a `block`.
    Block,
    /// An `if`, in its first arm.
    If {
        /// Where the condition is false.
        otherwise: B,
        /// Where in `saved` the operands are with which that starts.
        saved: usize,
        /// The work up to here.
        work_before: Work,
    },
    /// An `if`, in its `else` arm.
    Else {
        /// The work up to the end of the first arm.
        work_with_first: Work,
    },
    Loop {
        role: LoopRole,
        site: Option<WorkSite>,
        /// The work of the code around the loop, so far.
        work_outside: Work,
    },
}

/// The role of a loop in a copy of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoopRole {
    /// A loop with a header block of its own.
    Plain,
    /// The loop at which this copy is entered: its header is shared by all copies.
    Entered { link: usize },
    /// A loop around that. Branches back to it go to its own copy, so here it is no loop.
    Enclosing { link: usize },
}

impl<'m, B> Frame<'m, B> {
    /// The types that a branch to the label takes.
    fn label_types(&self) -> &'m [ValType] {
        match self.kind {
            Kind::Loop { .. } => self.params,
            _ => self.results,
        }
    }
}

impl<'a, E: Emitter> Walk<'a, E> {
    pub(super) fn push_function_frame(&mut self, results: &'a [ValType]) {
        self.frames.clear();
        self.push_frame(Frame {
            kind: Kind::Block,
            params: &[],
            results,
            height: 0,
            target: None,
            innermost_loop: None,
            loops: 0,
        });
    }

    /// Only nesting matters in unreachable code, and the numbers of loops.
    pub(super) fn unreachable_operator(&mut self, operator: &Operator<'_>) -> Step {
        match operator {
            Operator::Block { .. } | Operator::If { .. } => self.skipped_blocks += 1,
            Operator::Loop { .. } => {
                self.skipped_blocks += 1;
                self.loops_seen += 1;
            }
            Operator::Else if self.skipped_blocks == 0 => return self.begin_else(),
            Operator::End if self.skipped_blocks == 0 => {
                self.set_offset(self.offset);
                return self.end();
            }
            Operator::End => self.skipped_blocks -= 1,
            // These open blocks that no tier knows.
            Operator::TryTable { .. } | Operator::Try { .. } => {
                return Err(self.unsupported(operator));
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn control(&mut self, operator: &Operator<'_>) -> Step {
        match *operator {
            Operator::Nop => Ok(()),
            Operator::Unreachable => {
                self.emitter.trap(TrapCode::Unreachable);
                self.now_unreachable()
            }
            Operator::Block { blockty } => self.begin_block(blockty),
            Operator::Loop { blockty } => self.begin_loop(blockty),
            Operator::If { blockty } => self.begin_if(blockty),
            Operator::Else => self.begin_else(),
            Operator::End => self.end(),
            Operator::Br { relative_depth } => self.branch(relative_depth),
            Operator::BrIf { relative_depth } => self.branch_if(relative_depth),
            Operator::BrTable { ref targets } => self.branch_table(targets),
            Operator::Return => self.return_values(),
            Operator::Call { function_index } => self.call(function_index),
            Operator::CallIndirect {
                type_index,
                table_index,
            } => self.call_indirect(type_index, table_index),
            Operator::Select => {
                let condition = self.pop()?;
                let b = self.pop()?;
                let (a, ty) = self.pop_typed()?;
                let value = self.emitter.select(ty, condition, a, b);
                self.push(value, ty);
                Ok(())
            }
            Operator::TypedSelect { ty } => {
                let ty = value_type(ty).ok_or_else(|| self.unsupported(operator))?;
                let condition = self.pop()?;
                let b = self.pop()?;
                let a = self.pop()?;
                let value = self.emitter.select(ty, condition, a, b);
                self.push(value, ty);
                Ok(())
            }
            _ => self.scalar(operator),
        }
    }

    // Frames.

    fn push_frame(&mut self, mut frame: Frame<'a, E::Block>) {
        self.floor = frame.height;
        let around = self.loops_around();
        (frame.innermost_loop, frame.loops) = match frame.kind {
            Kind::Loop { .. } => (Some(self.frames.len()), around + 1),
            _ => (
                self.frames.last().and_then(|outer| outer.innermost_loop),
                around,
            ),
        };
        self.frames.push(frame);
        self.times.push(self.work.times());
    }

    /// How many loops are around the current operator.
    pub(super) fn loops_around(&self) -> usize {
        self.frames.last().map_or(0, |frame| frame.loops)
    }

    fn pop_frame(&mut self) -> Step<Frame<'a, E::Block>> {
        let frame = self
            .frames
            .pop()
            .ok_or_else(|| self.error(TranslateProblem::Unbalanced))?;
        self.floor = self.frames.last().map_or(0, |outer| outer.height);
        if let Some(times) = self.times.pop() {
            self.work.one_in(times);
        }
        Ok(frame)
    }

    /// The operators that follow the current one are not reached.
    fn now_unreachable(&mut self) -> Step {
        self.reachable = false;
        self.truncate(self.floor);
        Ok(())
    }

    /// Parameters and results of a block.
    fn block_type(&self, ty: BlockType) -> Step<BlockTypes<'a>> {
        match ty {
            BlockType::Empty => Ok(BlockTypes {
                params: &[],
                results: &[],
            }),
            BlockType::Type(ty) => match value_type(ty) {
                Some(ty) => Ok(BlockTypes {
                    params: &[],
                    results: single(ty),
                }),
                None => {
                    let problem = TranslateProblem::Unsupported(format!("block of type {ty}"));
                    Err(self.error(problem))
                }
            },
            BlockType::FuncType(index) => {
                let ty = &self.module.types[self.index("type", &self.module.types, index)?];
                Ok(BlockTypes {
                    params: ty.params(),
                    results: ty.results(),
                })
            }
        }
    }

    // Blocks where control joins.

    /// A block for a label: its parameters are `own` and, in an entry at a loop, all values below them.
    pub(super) fn join_block(&mut self, height: usize, own: &[ValType]) -> E::Block {
        if self.osr.is_none() {
            return self.emitter.create_block(height, own);
        }
        let types = &mut self.scratch.types;
        types.clear();
        types.extend_from_slice(&self.types[..height]);
        types.extend_from_slice(own);
        self.emitter.create_block(0, types)
    }

    /// Goes on in a block made by [`Self::join_block`], with its parameters as operands.
    fn enter_join(&mut self, block: E::Block, height: usize, own: &[ValType]) {
        self.values
            .truncate(if self.osr.is_some() { 0 } else { height });
        self.switch_to(block);
        self.types.truncate(height);
        self.types.extend_from_slice(own);
        debug_assert_eq!(
            self.values.len(),
            self.types.len(),
            "one value for each parameter"
        );
    }

    /// Jumps to a block made by [`Self::join_block`], of which the topmost `own` operands are the own
    /// arguments.
    fn jump_to_join(&mut self, block: E::Block, height: usize, own: usize) -> Step {
        self.top(own)?;
        let whole = self.osr.is_some();
        self.pass(own + if whole { height } else { 0 })?;
        let args = join_args(&self.values, &mut self.scratch.values, whole, height, own);
        self.emitter.jump(block, args);
        Ok(())
    }

    /// The position in the control stack of the frame of a label.
    fn frame_of_label(&self, depth: u32) -> Step<usize> {
        let position = self.frames.len().checked_sub(to_usize(depth) + 1);
        position.ok_or_else(|| self.unknown("label", depth))
    }

    /// Where a branch to a label goes.
    fn label_block(&mut self, position: usize) -> E::Block {
        let frame = &self.frames[position];
        if let Some(block) = frame.target {
            return block;
        }
        let (height, own) = (frame.height, frame.label_types());
        let block = match frame.kind {
            Kind::Loop {
                role: LoopRole::Enclosing { link },
                ..
            } => self.shared_header(link, height, own),
            _ => None,
        };
        let block = block.unwrap_or_else(|| self.join_block(height, own));
        self.frames[position].target = Some(block);
        block
    }

    // Opening and closing blocks.

    fn begin_block(&mut self, ty: BlockType) -> Step {
        let BlockTypes { params, results } = self.block_type(ty)?;
        let height = self.top(params.len())?;
        self.push_frame(Frame {
            kind: Kind::Block,
            params,
            results,
            height,
            target: None,
            innermost_loop: None,
            loops: 0,
        });
        Ok(())
    }

    fn begin_loop(&mut self, ty: BlockType) -> Step {
        let BlockTypes { params, results } = self.block_type(ty)?;
        let height = self.top(params.len())?;
        let number = LoopIndex::from_u32(self.loops_seen);
        self.loops_seen += 1;
        let begun = self.cost.begin_loop(self.loops_around());
        begun.map_err(|excess| self.excess(excess))?;
        let role = self
            .osr
            .as_ref()
            .map_or(LoopRole::Plain, |osr| osr.role(number));
        let target = match role {
            LoopRole::Plain => {
                let header = self.join_block(height, params);
                self.jump_to_join(header, height, params.len())?;
                Some(header)
            }
            LoopRole::Entered { link } => self.shared_header(link, height, params),
            LoopRole::Enclosing { .. } => None,
        };
        if let Some(header) = target {
            if role != LoopRole::Plain {
                self.enter_shared_header(header)?;
            }
            self.enter_join(header, height, params);
        }
        // Branches back to an enclosing loop go to the header in that loop's own copy, and poll there.
        let site = if self.polls && target.is_some() {
            Some(self.poll_loop(number)?)
        } else {
            None
        };
        let work_outside = self.work;
        let kind = Kind::Loop {
            role,
            site,
            work_outside,
        };
        self.push_frame(Frame {
            kind,
            params,
            results,
            height,
            target,
            innermost_loop: None,
            loops: 0,
        });
        self.work = Work::none();
        Ok(())
    }

    fn poll_loop(&mut self, number: LoopIndex) -> Step<WorkSite> {
        self.keep_at_loop(self.values.len())?;
        Ok(self.emitter.poll_loop(number, &self.values, &self.types))
    }

    fn begin_if(&mut self, ty: BlockType) -> Step {
        let BlockTypes { params, results } = self.block_type(ty)?;
        let condition = self.pop()?;
        self.count_branch(1)?;
        let height = self.top(params.len())?;
        if !params.is_empty() {
            self.emitter.share_operands(&self.values[height..]);
        }
        let then = self.emitter.create_block(self.values.len(), &[]);
        let otherwise = self.emitter.create_block(self.values.len(), &[]);
        self.emitter
            .branch_if(condition, (then, &[]), (otherwise, &[]));
        self.emitter.seal(then);
        self.emitter.seal(otherwise);
        // In an entry at a loop, joins in the first arm replace the values below the `if` as well.
        let saved = self.saved.len();
        let first = if self.osr.is_some() { 0 } else { height };
        self.pass(self.values.len() - first)?;
        self.saved.extend_from_slice(&self.values[first..]);
        let kind = Kind::If {
            otherwise,
            saved,
            work_before: self.work,
        };
        self.push_frame(Frame {
            kind,
            params,
            results,
            height,
            target: None,
            innermost_loop: None,
            loops: 0,
        });
        self.switch_to(then);
        Ok(())
    }

    fn begin_else(&mut self) -> Step {
        let mut frame = self.pop_frame()?;
        let Kind::If {
            otherwise,
            saved,
            work_before,
        } = frame.kind
        else {
            return Err(self.error(TranslateProblem::Unbalanced));
        };
        self.end_first_arm(&mut frame)?;
        self.begin_second_arm(&frame, otherwise, saved);
        frame.kind = Kind::Else {
            work_with_first: self.work.other_arm(work_before),
        };
        self.push_frame(frame);
        Ok(())
    }

    /// Leaves the first arm of an `if` for the code behind the `if`.
    fn end_first_arm(&mut self, frame: &mut Frame<'a, E::Block>) -> Step {
        if !self.reachable {
            return Ok(());
        }
        let (height, results) = (frame.height, frame.results);
        self.check_height(height + results.len())?;
        let end = match frame.target {
            Some(end) => end,
            None => self.join_block(height, results),
        };
        frame.target = Some(end);
        self.jump_to_join(end, height, results.len())
    }

    fn begin_second_arm(&mut self, frame: &Frame<'a, E::Block>, block: E::Block, saved: usize) {
        self.values
            .truncate(if self.osr.is_some() { 0 } else { frame.height });
        self.values.extend(self.saved.drain(saved..));
        self.types.truncate(frame.height);
        self.types.extend_from_slice(frame.params);
        self.switch_to(block);
        self.reachable = true;
    }

    fn end(&mut self) -> Step {
        let mut frame = self.pop_frame()?;
        match frame.kind {
            Kind::Loop {
                role,
                site,
                work_outside,
            } => {
                if let Some(site) = site {
                    self.emitter.set_work(site, self.work.operators());
                }
                self.work = work_outside;
                // A header that copies share is sealed when all of them are done.
                if let (LoopRole::Plain, Some(header)) = (role, frame.target) {
                    self.emitter.seal(header);
                }
                frame.target = None;
            }
            Kind::If {
                otherwise, saved, ..
            } => {
                self.end_first_arm(&mut frame)?;
                self.begin_second_arm(&frame, otherwise, saved);
            }
            Kind::Else { work_with_first } => self.work.join(work_with_first),
            Kind::Block => {}
        }
        if self.reachable {
            self.check_height(frame.height + frame.results.len())?;
        }
        self.join_at_end(&frame)?;
        if self.frames.is_empty() && self.reachable {
            self.emitter.return_values(&self.values);
        }
        Ok(())
    }

    /// Goes on behind the `end` of a block: from there, from branches to its label, from both or neither.
    fn join_at_end(&mut self, frame: &Frame<'a, E::Block>) -> Step {
        match frame.target {
            Some(end) => {
                if self.reachable {
                    self.jump_to_join(end, frame.height, frame.results.len())?;
                }
                self.emitter.seal(end);
                self.enter_join(end, frame.height, frame.results);
                self.reachable = true;
            }
            None if self.reachable => {}
            None => self.truncate(self.floor),
        }
        Ok(())
    }

    fn check_height(&self, height: usize) -> Step {
        if self.values.len() < height {
            return Err(self.error(TranslateProblem::OperandMissing));
        }
        if self.values.len() > height {
            return Err(self.error(TranslateProblem::OperandsLeftOver));
        }
        Ok(())
    }

    // Branches.

    fn branch(&mut self, depth: u32) -> Step {
        let position = self.frame_of_label(depth)?;
        if position == 0 {
            return self.return_values();
        }
        let block = self.label_block(position);
        let frame = &self.frames[position];
        let (height, own) = (frame.height, frame.label_types().len());
        self.jump_to_join(block, height, own)?;
        self.now_unreachable()
    }

    fn branch_if(&mut self, depth: u32) -> Step {
        let condition = self.pop()?;
        self.count_branch(1)?;
        let position = self.frame_of_label(depth)?;
        let block = self.label_block(position);
        let frame = &self.frames[position];
        let (height, own) = (frame.height, frame.label_types().len());
        self.top(own)?;
        let next = self.emitter.create_block(self.values.len(), &[]);
        let whole = self.osr.is_some();
        self.pass(own + if whole { height } else { 0 })?;
        let args = join_args(&self.values, &mut self.scratch.values, whole, height, own);
        self.emitter
            .branch_if(condition, (block, args), (next, &[]));
        self.emitter.seal(next);
        self.switch_to(next);
        Ok(())
    }

    fn branch_table(&mut self, table: &BrTable<'_>) -> Step {
        let index = self.pop()?;
        if table.is_empty() {
            return self.branch(table.default());
        }
        let mut places = std::mem::take(&mut self.scratch.table);
        let branched = self.branch_by_table(index, table, &mut places);
        places.forget();
        self.scratch.table = places;
        branched?;
        self.now_unreachable()
    }

    fn branch_by_table(
        &mut self,
        index: E::Value,
        table: &BrTable<'_>,
        places: &mut TablePlaces,
    ) -> Step {
        let depths = table.targets().chain(std::iter::once(Ok(table.default())));
        for (case, depth) in depths.enumerate() {
            if case % CASES_BETWEEN_LOOKS == CASES_BETWEEN_LOOKS - 1 {
                self.look_whether_stopped()?;
            }
            let depth = depth.map_err(|e| TranslateError::malformed(self.function, &e))?;
            let position = self.frame_of_label(depth)?;
            places.add(position);
        }
        let default = places.cases.pop().unwrap_or_default();
        let counted = self.cost.branch_table(places.labels.len());
        counted.map_err(|excess| self.excess(excess))?;
        self.count_branch(places.labels.len())?;
        let mut outermost = self.frames.len();
        let mut blocks = Vec::with_capacity(places.labels.len());
        for &position in &places.labels {
            if !matches!(self.frames[position].kind, Kind::Loop { .. }) {
                outermost = outermost.min(position);
            }
            blocks.push(self.label_block(position));
        }
        let whole = self.osr.is_some();
        let mut joined = Vec::new();
        for &position in &places.labels {
            let frame = &self.frames[position];
            let (height, own) = (frame.height, frame.label_types().len());
            let top = self.top(own)?;
            self.pass(own + if whole { height } else { 0 })?;
            if whole {
                let below = self.values[..height].iter();
                joined.push(below.chain(&self.values[top..]).copied().collect());
            }
        }
        let mut ways: Vec<(E::Block, &[E::Value])> = Vec::with_capacity(blocks.len());
        for (way, (&block, &position)) in blocks.iter().zip(&places.labels).enumerate() {
            let joined: Option<&Vec<E::Value>> = joined.get(way);
            let own = self.frames[position].label_types().len();
            let top = self.values.len() - own;
            ways.push((block, joined.map_or(&self.values[top..], Vec::as_slice)));
        }
        let table = BranchTable {
            ways: &ways,
            cases: &places.cases,
            default,
        };
        self.emitter.branch_table(index, &table);
        self.count_arms(outermost, places.labels.len());
        Ok(())
    }

    /// Has the work of a branch table's arms, which lie behind the ends of blocks up to this one, count in part.
    fn count_arms(&mut self, outermost: usize, arms: usize) {
        // A loop's work is counted for one round of it, whatever is around.
        let inside = self.frames.last().and_then(|frame| frame.innermost_loop);
        let first = inside.map_or(0, |innermost| innermost + 1).max(outermost);
        let arms = u32::try_from(arms).unwrap_or(u32::MAX);
        let times = self.work.times().saturating_mul(arms);
        self.times.set_from(first, times);
    }

    fn return_values(&mut self) -> Step {
        let results = self
            .frames
            .first()
            .map_or(0, |function| function.results.len());
        let start = self.top(results)?;
        let counted = self.cost.return_values(results);
        counted.map_err(|excess| self.excess(excess))?;
        self.emitter.return_values(&self.values[start..]);
        self.now_unreachable()
    }

    // Calls.

    fn call(&mut self, number: u32) -> Step {
        let function = self.index("function", &self.module.functions, number)?;
        let ty = self.module.func_type(function);
        let start = self.top(ty.params().len())?;
        self.count_call(ty.params().len() + ty.results().len())?;
        let results = &mut self.scratch.values;
        results.clear();
        self.emitter.call(function, &self.values[start..], results);
        self.push_results(start, ty.results());
        Ok(())
    }

    fn call_indirect(&mut self, type_number: u32, table_number: u32) -> Step {
        let type_index = self.index("type", &self.module.types, type_number)?;
        let table = self.table(table_number)?;
        let ty = &self.module.types[type_index];
        let index = self.pop()?;
        let start = self.top(ty.params().len())?;
        self.count_call(ty.params().len() + ty.results().len())?;
        let results = &mut self.scratch.values;
        results.clear();
        self.emitter
            .call_indirect(table, type_index, index, &self.values[start..], results);
        self.push_results(start, ty.results());
        Ok(())
    }

    /// Replaces a call's arguments, from `start` on, by its results.
    fn push_results(&mut self, start: usize, types: &[ValType]) {
        self.truncate(start);
        self.values.append(&mut self.scratch.values);
        self.types.extend_from_slice(types);
        debug_assert_eq!(
            self.values.len(),
            self.types.len(),
            "one value for each result"
        );
    }
}

/// The arguments of a jump to a join: the topmost `own` values and, if `whole`, those below `height`.
/// The caller has checked that there are so many.
fn join_args<'v, V: Copy>(
    values: &'v [V],
    scratch: &'v mut Vec<V>,
    whole: bool,
    height: usize,
    own: usize,
) -> &'v [V] {
    let top = values.len() - own;
    if !whole {
        &values[top..]
    } else if top == height {
        values
    } else {
        scratch.clear();
        scratch.extend_from_slice(&values[..height]);
        scratch.extend_from_slice(&values[top..]);
        scratch
    }
}

/// A list of one type that lives long enough.
fn single(ty: ValType) -> &'static [ValType] {
    match ty {
        ValType::I32 => &[ValType::I32],
        ValType::I64 => &[ValType::I64],
        ValType::F32 => &[ValType::F32],
        ValType::F64 => &[ValType::F64],
        ValType::V128 => &[ValType::V128],
        ValType::FuncRef => &[ValType::FuncRef],
        ValType::ExternRef => &[ValType::ExternRef],
    }
}
