//! The walk: reads a body's operators once and drives an emitter. Here are its state, the operand stack
//! and the loop over operators; each group of operators has a file of its own.

mod body;
mod control;
mod error;
mod liveness;
mod memory;
mod osr;
mod scalar;
mod simd;
mod summary;
mod work;

use upshift_module::{
    DefinedFuncIndex, EntityRef, FuncIndex, LocalIndex, Module, ModuleOffset, PrimaryMap, Stop,
    ValType, to_u32, to_usize,
};
use wasmparser::Operator;

use body::Body;
pub use body::{enclosing_loops, validate};
use control::Frame;
pub use error::{TranslateError, TranslateProblem};
pub use liveness::LoopLocals;
use osr::Osr;
pub use summary::{BodySummary, IndirectCall};
use work::{TimesOfBlocks, Work};

use crate::cost::Cost;
use crate::{CostLimits, Costs, Emitter, EntryPoint, Excess};

/// How a function is to be translated.
#[derive(Clone, Copy, Debug)]
pub struct Mode<'s> {
    /// Where the code is entered.
    pub entry: EntryPoint,
    /// An entry at a loop is a chain of copies of the body, one for the loop and one for each loop around
    /// it, so that each loop is entered at its header only. When the copies add up to more bytes of
    /// WebAssembly than this, there is one copy instead, entered in the middle: loops around that place
    /// may then be irreducible, which is correct but optimizes badly. Zero: always one copy.
    pub max_chain_bytes: usize,
    /// Whether loops poll in entries at loops, too, because these can be left for something better.
    pub polls_in_entries: bool,
    /// The tier's bounds.
    pub limits: CostLimits,
    /// The request that ends it early.
    pub stop: Stop<'s>,
}

impl From<EntryPoint> for Mode<'_> {
    /// A chain of up to 128 KiB: some 60 000 operators, seconds of an optimizing compiler.
    fn from(entry: EntryPoint) -> Self {
        Self {
            entry,
            max_chain_bytes: 128 * 1024,
            polls_in_entries: false,
            limits: CostLimits::NONE,
            stop: Stop::NEVER,
        }
    }
}

/// Translates the body of a defined function by calling `emitter`.
///
/// The emitter's current block is where code starts: at the entry of the function, its locals initialized,
/// or, for an entry at a loop, with the locals read from the cells of the frame that is taken over.
/// Polls are emitted for [`EntryPoint::Function`]; for an entry at a loop those of loops
/// ([`Emitter::poll_loop`]), if the mode says so.
///
/// Blocks where control joins have parameters. When a function is entered at its start these are the
/// label's own values; all values below them dominate the block. When it is entered at a loop they are
/// *all* values of the operand stack, because those below may have been made by code that is dead now.
///
/// Returns the cost of the code.
///
/// # Errors
/// When the body is not valid, when it has operators that no tier knows, when it exceeds one of the
/// mode's limits, when the mode's `stop` ends it, or when the loop to enter at is not there or unreachable. The code
/// emitted until then is to be thrown away.
pub fn translate<E: Emitter>(
    module: &Module,
    defined: DefinedFuncIndex,
    emitter: &mut E,
    mode: Mode<'_>,
) -> Result<Costs, TranslateError> {
    validate(module, defined, mode.stop)?;
    let body = Body::new(module, defined)?;
    let locals = body.locals()?;
    let osr = match mode.entry {
        EntryPoint::Function => None,
        EntryPoint::Loop(number) => Some(Osr::new(&body, &locals, number, mode.max_chain_bytes)?),
    };
    let mut walk = Walk::new(module, &body, &locals, emitter, osr);
    walk.cost = Cost::within(mode.limits);
    walk.stop = mode.stop;
    walk.polls = mode.entry == EntryPoint::Function || mode.polls_in_entries;
    match mode.entry {
        EntryPoint::Function => walk.whole_function(&body)?,
        EntryPoint::Loop(number) => walk.osr_entry(&body, number)?,
    }
    Ok(walk.cost.so_far())
}

/// Operators between two looks at whether to go on: some ten microseconds of most emitters, a few milliseconds where each
/// has a thousand values.
const OPERATORS_BETWEEN_LOOKS: u32 = 128;

/// Cases of a branch table between two such looks: some ten microseconds.
const CASES_BETWEEN_LOOKS: usize = 4096;

/// The result of a step of the walk.
type Step<T = ()> = Result<T, TranslateError>;

/// The state of a walk over a body.
struct Walk<'a, E: Emitter> {
    module: &'a Module,
    locals: &'a PrimaryMap<LocalIndex, ValType>,
    emitter: &'a mut E,
    /// For errors: the function.
    function: FuncIndex,
    /// For errors: where the current operator is in the module.
    offset: u64,

    /// The operand stack, and beside it the types.
    values: Vec<E::Value>,
    types: Vec<ValType>,
    /// Height below which the innermost block's operators take nothing from the stack.
    floor: usize,

    /// The control stack. Blocks opened in unreachable code are not on it.
    frames: Vec<Frame<'a, E::Block>>,
    /// Whether the current operator can be reached. If not, nothing is emitted.
    reachable: bool,
    /// How many blocks opened in unreachable code are open.
    skipped_blocks: usize,
    /// How many `loop` operators were seen.
    loops_seen: u32,
    /// The work so far of the innermost loop, or of the code outside of loops.
    work: Work,
    /// For each frame, how often the code behind its `end` runs, as [`Work`] has it.
    times: TimesOfBlocks,
    /// The cost of the code so far.
    cost: Cost,
    /// The request that ends the walk.
    stop: Stop<'a>,
    /// Operators until it is looked at.
    until_look: u32,
    /// Whether the operator before this one was a load, so that its result is on top of the stack.
    after_load: bool,
    /// Whether loops poll.
    polls: bool,
    /// The loop that is entered, and how.
    osr: Option<Osr<E::Block>>,

    /// For each open `if`, one after the other, the operands with which its `else` arm starts.
    saved: Vec<E::Value>,
    /// Scratch for arguments, results, operands with types, types of parameters and branch tables.
    scratch: Scratch<E>,
}

/// Vectors that are empty between operators and keep their memory.
struct Scratch<E: Emitter> {
    values: Vec<E::Value>,
    types: Vec<ValType>,
    table: TablePlaces,
}

/// The labels of a branch table, by the places of their blocks in the control stack.
#[derive(Default)]
struct TablePlaces {
    /// Each label once, in the order in which they come first.
    labels: Vec<usize>,
    /// For each entry which of the labels it has, by its place there.
    cases: Vec<u32>,
    /// For each place in the control stack its place among the labels, if it is one of them.
    known: Vec<Option<u32>>,
}

impl TablePlaces {
    /// The next entry.
    fn add(&mut self, position: usize) {
        if self.known.len() <= position {
            self.known.resize(position + 1, None);
        }
        let label = *self.known[position].get_or_insert_with(|| {
            self.labels.push(position);
            to_u32(self.labels.len() - 1)
        });
        self.cases.push(label);
    }

    /// Empties it in a time that does not depend on how deep the control stack is.
    fn forget(&mut self) {
        for position in self.labels.drain(..) {
            self.known[position] = None;
        }
        self.cases.clear();
    }
}

impl<'a, E: Emitter> Walk<'a, E> {
    fn new(
        module: &'a Module,
        body: &Body<'a>,
        locals: &'a PrimaryMap<LocalIndex, ValType>,
        emitter: &'a mut E,
        osr: Option<Osr<E::Block>>,
    ) -> Self {
        Self {
            module,
            locals,
            emitter,
            function: body.function,
            offset: 0,
            values: Vec::with_capacity(32),
            types: Vec::with_capacity(32),
            floor: 0,
            frames: Vec::with_capacity(16),
            reachable: true,
            skipped_blocks: 0,
            loops_seen: 0,
            work: Work::none(),
            times: TimesOfBlocks::default(),
            cost: Cost::within(CostLimits::NONE),
            stop: Stop::NEVER,
            until_look: 0,
            after_load: false,
            polls: true,
            osr,
            saved: Vec::new(),
            scratch: Scratch {
                values: Vec::new(),
                types: Vec::new(),
                table: TablePlaces::default(),
            },
        }
    }

    /// Translates the function as it is called.
    fn whole_function(&mut self, body: &Body<'a>) -> Step {
        self.set_offset(body.operators()?.original_position());
        self.count_call(body.ty.params().len() + body.ty.results().len())?;
        let site = self.emitter.poll_entry();
        self.operators(body)?;
        self.emitter.set_work(site, self.work.operators());
        Ok(())
    }

    /// Walks over all operators, emitting into the current block.
    fn operators(&mut self, body: &Body<'a>) -> Step {
        self.values.clear();
        self.types.clear();
        self.saved.clear();
        self.reachable = true;
        self.skipped_blocks = 0;
        self.loops_seen = 0;
        self.work = Work::none();
        self.times.clear();
        self.push_function_frame(body.ty.results());
        self.cost.begin_copy();
        let mut reader = body.operators()?;
        while !reader.eof() {
            self.offset = reader.original_position();
            self.look_whether_to_go_on()?;
            let operator = reader.read();
            let operator = operator.map_err(|e| TranslateError::malformed(self.function, &e))?;
            if self.frames.is_empty() {
                return Err(self.error(TranslateProblem::Unbalanced));
            }
            if self.reachable {
                self.set_offset(self.offset);
                self.cost.count().map_err(|excess| self.excess(excess))?;
                self.emitter.begin_operator(self.values.len());
                self.reachable_operator(&operator)?;
            } else {
                self.unreachable_operator(&operator)?;
            }
        }
        if self.frames.is_empty() {
            Ok(())
        } else {
            Err(self.error(TranslateProblem::Unbalanced))
        }
    }

    fn reachable_operator(&mut self, operator: &Operator<'_>) -> Step {
        // Operators that only give structure cost nothing at run time.
        if !matches!(
            operator,
            Operator::Nop
                | Operator::Block { .. }
                | Operator::Loop { .. }
                | Operator::Else
                | Operator::End
        ) {
            self.work.count();
        }
        let after_load = std::mem::take(&mut self.after_load);
        match operator {
            Operator::Drop => {
                let value = self.pop()?;
                if after_load {
                    self.emitter.keep_load(value);
                }
                Ok(())
            }
            other => self.control(other),
        }
    }

    /// Ends the walk if it is to end, which is found out once in so many operators.
    fn look_whether_to_go_on(&mut self) -> Step {
        if self.until_look > 0 {
            self.until_look -= 1;
            return Ok(());
        }
        self.until_look = OPERATORS_BETWEEN_LOOKS;
        self.look_whether_stopped()
    }

    /// Ends the walk if it is to end.
    fn look_whether_stopped(&self) -> Step {
        if self.stop.is_requested() {
            return Err(self.error(TranslateProblem::Stopped));
        }
        Ok(())
    }

    fn set_offset(&mut self, offset: u64) {
        self.offset = offset;
        // A module is smaller than 4 GiB: its parser takes `u32` sizes. Offsets are for diagnosis only.
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        self.emitter.set_offset(ModuleOffset::new(offset));
    }

    // Errors.

    #[cold]
    fn error(&self, problem: TranslateProblem) -> TranslateError {
        TranslateError::new(self.function, self.offset, problem)
    }

    #[cold]
    fn unsupported(&self, operator: &Operator<'_>) -> TranslateError {
        self.error(TranslateProblem::Unsupported(format!("{operator:?}")))
    }

    #[cold]
    fn unknown(&self, space: &'static str, index: u32) -> TranslateError {
        self.error(TranslateProblem::UnknownIndex { space, index })
    }

    #[cold]
    fn excess(&self, excess: Excess) -> TranslateError {
        self.error(TranslateProblem::TooLarge(excess))
    }

    // The cost of the code.

    /// A branch hands over so many values.
    fn pass(&mut self, values: usize) -> Step {
        let passed = self.cost.pass(values);
        passed.map_err(|excess| self.excess(excess))
    }

    /// So many ways come of a conditional branch.
    fn count_branch(&mut self, ways: usize) -> Step {
        let counted = self.cost.branch(ways);
        counted.map_err(|excess| self.excess(excess))
    }

    /// Memory is loaded from or stored to.
    fn count_access(&mut self) -> Step {
        let counted = self.cost.access();
        counted.map_err(|excess| self.excess(excess))
    }

    /// A call has so many parameters and results.
    fn count_call(&mut self, values: usize) -> Step {
        let counted = self.cost.call(values);
        counted.map_err(|excess| self.excess(excess))
    }

    /// A poll keeps so many values.
    fn keep_at_loop(&mut self, values: usize) -> Step {
        let kept = self.cost.keep_at_loop(values);
        kept.map_err(|excess| self.excess(excess))
    }

    /// Goes on in a block.
    fn switch_to(&mut self, block: E::Block) {
        self.cost.begin_block();
        self.emitter.switch_to(block, &mut self.values);
    }

    /// The index of this number into an index space, which has an entry there.
    fn index<I: EntityRef, T>(
        &self,
        space: &'static str,
        entries: &PrimaryMap<I, T>,
        number: u32,
    ) -> Step<I> {
        if to_usize(number) < entries.len() {
            Ok(I::new(to_usize(number)))
        } else {
            Err(self.unknown(space, number))
        }
    }

    // The operand stack.

    fn push(&mut self, value: E::Value, ty: ValType) {
        self.values.push(value);
        self.types.push(ty);
    }

    fn pop(&mut self) -> Step<E::Value> {
        Ok(self.pop_typed()?.0)
    }

    fn pop_typed(&mut self) -> Step<(E::Value, ValType)> {
        if self.values.len() > self.floor
            && let Some(value) = self.values.pop()
            && let Some(ty) = self.types.pop()
        {
            return Ok((value, ty));
        }
        Err(self.error(TranslateProblem::OperandMissing))
    }

    /// The position in the stack of the topmost `count` operands.
    fn top(&self, count: usize) -> Step<usize> {
        match self.values.len().checked_sub(count) {
            Some(start) if start >= self.floor => Ok(start),
            _ => Err(self.error(TranslateProblem::OperandMissing)),
        }
    }

    fn truncate(&mut self, height: usize) {
        self.values.truncate(height);
        self.types.truncate(height);
    }
}
