//! The emitter's state while a function is translated: its prologue, its frame of cells, the values of
//! locals known in the current block, and the helpers that every group of operators uses.

use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::immediates::Offset32;
use cranelift_codegen::ir::types::{F32, F64, I8X16, I32, I64};
use cranelift_codegen::ir::{
    self, BlockArg, Endianness, Function, GlobalValueData, Inst, InstBuilder, MemFlags,
    MemFlagsData, SigRef, SourceLoc, StackSlot, StackSlotData, StackSlotKind, TrapCode, Type,
    Value,
};
use cranelift_codegen::isa::CallConv;
use upshift_module::{
    DefinedFuncIndex, EntityRef, FuncType, LocalIndex, Module, ModuleOffset, PrimaryMap,
    SecondaryMap, TypeIndex, ValType, to_u32,
};
use upshift_runtime::{Builtin, offsets};
use upshift_translate::{
    CallList, CostLimits, EntryPoint, FrameLayout, FunctionShape, LoopLocals, ModuleUnit, WorkSite,
};

use super::build::{osr_signature, signature};
use super::homes::{Home, Resident};
use super::memory::Sum;
use super::poll::Site;
use super::values::Values;

/// Bytes of a result cell.
const RESULT_CELL: u32 = 16;

/// Where locals are between blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Locals {
    /// In cells of the frame: best for a register allocator that knows one block.
    InCells,
    /// Nowhere in particular: they are values, and so are whole functions' residents and the budget. Cells
    /// are filled only when a frame may be left.
    AsValues,
}

/// State that is the same for all functions of a tier.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EmitOptions {
    /// How functions are called.
    pub call_conv: CallConv,
    /// Whether the first round of a loop, too, asks whether there is a better place to go on.
    pub poll_first_rounds: bool,
    /// Where locals are between blocks.
    pub locals: Locals,
    /// Bounds on the cost of functions.
    pub limits: CostLimits,
}

impl EmitOptions {
    /// Whether code that is entered there counts work. Entries of the baseline, for tests, do not.
    fn counts_in(self, entry: EntryPoint) -> bool {
        entry == EntryPoint::Function || self.locals == Locals::AsValues
    }
}

/// The code generator's input beside the function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finished {
    /// The work that each call counts for, if work is counted.
    pub entry_work: Option<i32>,
    /// Where the first operator is in the module.
    pub first_offset: SourceLoc,
}

/// Drives Cranelift's instruction builder for one function.
pub(crate) struct ClifEmitter<'f> {
    pub(super) cursor: FuncCursor<'f>,
    /// The current block.
    block: ir::Block,
    pub(super) unit: &'f ModuleUnit,
    pub(super) module: &'f Module,
    /// The function and its type.
    pub(super) function: DefinedFuncIndex,
    pub(super) ty: &'f FuncType,
    pub(super) flags: AccessFlags,
    pub(super) scratch: &'f mut Scratch,
    /// The context, in the first block only; elsewhere [`Self::context`].
    pub(super) entry_context: Value,
    /// Where results are returned through memory, if they are; in the first block only.
    pub(super) entry_results: Option<Value>,
    /// Address of the frame's cells, for stores only: as their operand it costs nothing.
    frame: Value,
    frame_slot: StackSlot,
    pub(super) layout: FrameLayout,
    /// In an OSR entry: the cells of the frame that is taken over.
    taken_over: Option<Value>,
    /// Whether work is counted.
    pub(super) counts: bool,
    /// The site that the walk is in.
    pub(super) open_site: Option<WorkSite>,
    /// The work that each call counts for, when the walk has said it.
    pub(super) entry_work: Option<i32>,
    /// The block that leaves the function through an OSR entry, once a loop wants it.
    pub(super) osr_exit: Option<ir::Block>,
    /// Cells for results of calls and of OSR entries.
    result_area: Option<StackSlot>,
    pub(super) options: EmitOptions,
    /// The last instruction that everything else comes after.
    prologue_end: Inst,
    /// The first source location.
    first_location: SourceLoc,
}

/// Vectors that keep their memory from one function to the next.
#[derive(Default)]
pub(crate) struct Scratch {
    /// Types of the locals.
    locals: PrimaryMap<LocalIndex, ValType>,
    /// The value of each local, where the current block knows it.
    known: SecondaryMap<LocalIndex, Option<Value>>,
    /// Which entries of `known` are filled.
    filled: Vec<LocalIndex>,
    /// The homes made so far.
    pub(super) homes: Vec<Home>,
    /// Addresses in linear memory that the current block has computed, the newest first.
    pub(super) sums: Vec<Sum>,
    /// Signatures imported so far.
    pub(super) signatures: Vec<(TypeIndex, SigRef)>,
    /// Signatures of builtins, by discriminant.
    pub(super) builtins: [Option<SigRef>; Builtin::ALL.len()],
    /// Signature of OSR entries.
    pub(super) osr_signature: Option<SigRef>,
    /// Where work is taken from the budget.
    pub(super) work_sites: PrimaryMap<WorkSite, Site>,
    /// The calls of defined functions so far.
    pub(crate) calls: CallList,
    pub(super) block_args: Vec<BlockArg>,
    /// Locals as values, and behind them the budget.
    pub(super) values_of_locals: Values,
    /// For locals as values: which of them a loop's header needs.
    pub(crate) loop_locals: LoopLocals,
    pub(super) values: Vec<Value>,
}

impl Scratch {
    fn reset(&mut self, shape: &FunctionShape<'_>) {
        // The memory is kept, which a clone would not do.
        self.locals.clear();
        self.locals.extend(shape.locals.values().copied());
        self.known.clear();
        self.known.resize(shape.locals.len());
        self.filled.clear();
        self.homes.clear();
        self.sums.clear();
        self.signatures.clear();
        self.builtins = [None; Builtin::ALL.len()];
        self.osr_signature = None;
        self.work_sites.clear();
        self.calls.clear();
        self.values_of_locals.clear();
    }
}

/// Statements about memory accesses, entered in the function's table once.
#[derive(Clone, Copy)]
pub(super) struct AccessFlags {
    /// Our own structures and cells: mapped and aligned.
    pub own: MemFlags,
    /// Fields of our own that never change once code runs.
    pub fixed: MemFlags,
    /// Linear memory: may trap, any alignment. And bits of one type read as another.
    pub heap: MemFlags,
}

impl AccessFlags {
    fn new(func: &mut Function) -> Self {
        let mut enter = |flags| func.dfg.mem_flags.insert_unchecked(flags);
        let own = MemFlagsData::trusted();
        let little = MemFlagsData::new().with_endianness(Endianness::Little);
        Self {
            own: enter(own),
            fixed: enter(own.with_readonly().with_can_move()),
            heap: enter(little.with_trap_code(Some(TrapCode::HEAP_OUT_OF_BOUNDS))),
        }
    }
}

/// The type that values of a WebAssembly type have between blocks and functions.
pub(super) fn clif_type(ty: ValType) -> Type {
    match ty {
        ValType::I32 => I32,
        ValType::I64 | ValType::FuncRef | ValType::ExternRef => I64,
        ValType::F32 => F32,
        ValType::F64 => F64,
        ValType::V128 => I8X16,
    }
}

/// Where result number `index` is, from the first result cell.
pub(super) fn result_offset(index: usize) -> i32 {
    (to_u32(index) * RESULT_CELL).cast_signed()
}

impl<'f> ClifEmitter<'f> {
    /// Sets up an empty function and emits its prologue. The current block is where code goes on.
    pub(crate) fn new(
        func: &'f mut Function,
        scratch: &'f mut Scratch,
        unit: &'f ModuleUnit,
        shape: &FunctionShape<'f>,
        function: DefinedFuncIndex,
        entry: EntryPoint,
        options: EmitOptions,
    ) -> Self {
        scratch.reset(shape);
        func.signature = match entry {
            EntryPoint::Function => signature(shape.ty, options.call_conv),
            EntryPoint::Loop(_) => osr_signature(options.call_conv),
        };
        let flags = AccessFlags::new(func);
        limit_stack(func, flags);
        let layout = FrameLayout::new(shape.locals.values().copied());
        // How large it is, is known at the end.
        let slot = StackSlotData::new(StackSlotKind::ExplicitSlot, 0, 4);
        let frame_slot = func.create_sized_stack_slot(slot);

        let block = func.dfg.make_block();
        for i in 0..func.signature.params.len() {
            let ty = func.signature.params[i].value_type;
            func.dfg.append_block_param(block, ty);
        }
        let mut cursor = FuncCursor::new(func);
        cursor.insert_block(block);
        let frame = cursor.ins().stack_addr(I64, frame_slot, 0);
        let prologue_end = cursor.func.dfg.value_def(frame).unwrap_inst();
        let entry_context = cursor.func.dfg.block_params(block)[0];
        let mut emitter = Self {
            cursor,
            block,
            unit,
            module: &unit.module,
            function,
            ty: shape.ty,
            flags,
            scratch,
            entry_context,
            entry_results: None,
            frame,
            frame_slot,
            layout,
            taken_over: None,
            counts: unit.settings.count_work && options.counts_in(entry),
            open_site: None,
            entry_work: None,
            osr_exit: None,
            result_area: None,
            options,
            prologue_end,
            first_location: SourceLoc::default(),
        };
        emitter.move_in(Resident::Context, entry_context);
        emitter.begin_values();
        match entry {
            EntryPoint::Function => emitter.store_params(block),
            EntryPoint::Loop(_) => emitter.take_over_locals(block),
        }
        emitter.take_budget();
        emitter
    }

    /// Makes the first values of locals.
    fn begin_values(&mut self) {
        if !self.as_values() {
            return;
        }
        self.seal_block(self.block);
        let zeros = [
            self.iconst(I32, 0),
            self.iconst(I64, 0),
            self.cursor.ins().f32const(0.0),
            self.cursor.ins().f64const(0.0),
            self.vector_constant(I8X16, 0),
        ];
        self.scratch.values_of_locals.begin(zeros);
    }

    /// The work left behind the walk. The function can be compiled then.
    pub(crate) fn finish(mut self) -> Finished {
        self.emit_osr_exit();
        self.cursor.func.sized_stack_slots[self.frame_slot].size = self.layout.size();
        Finished {
            entry_work: self.entry_work,
            first_offset: self.first_location,
        }
    }

    /// Puts parameters into their cells and zeroes the other locals.
    fn store_params(&mut self, entry: ir::Block) {
        let params = self.ty.params().len();
        for number in 0..params {
            let value = self.cursor.func.dfg.block_params(entry)[1 + number];
            self.write_local(LocalIndex::new(number), value);
        }
        if self.ty.results().len() > 1 {
            let results = self.cursor.func.dfg.block_params(entry)[1 + params];
            self.entry_results = Some(results);
            self.move_in(Resident::Results, results);
        }
        if self.as_values() {
            for local in self.scratch.locals.keys().skip(params) {
                let ty = clif_type(self.scratch.locals[local]);
                let zero = self.scratch.values_of_locals.zero(ty);
                self.write_local(local, zero);
            }
        } else if params < self.scratch.locals.len() {
            self.zero_cells(
                self.layout.local_offset(LocalIndex::new(params)),
                self.layout.operands_offset(),
            );
        }
    }

    fn zero_cells(&mut self, mut start: u32, end: u32) {
        if !start.is_multiple_of(16) {
            let zero = self.iconst(I64, 0);
            self.store_cell(start, zero);
            start += 8;
        }
        if start < end {
            let zero = self.vector_constant(I8X16, 0);
            for offset in (start..end).step_by(16) {
                self.store_cell(offset, zero);
            }
        }
    }

    /// In an OSR entry: copies the locals of the frame that is taken over to this one's cells.
    fn take_over_locals(&mut self, entry: ir::Block) {
        let params = self.cursor.func.dfg.block_params(entry);
        let (cells, results) = (params[1], params[2]);
        self.taken_over = Some(cells);
        self.entry_results = Some(results);
        self.move_in(Resident::Results, results);
        if self.as_values() {
            for local in self.scratch.locals.keys() {
                let ty = clif_type(self.scratch.locals[local]);
                let offset = self.layout.local_offset(local).cast_signed();
                let value = self.load_at(ty, self.flags.own, cells, offset);
                self.write_local(local, value);
            }
            return;
        }
        for offset in (0..self.layout.operands_offset()).step_by(16) {
            let value = self.load_at(I8X16, self.flags.own, cells, offset.cast_signed());
            self.store_cell(offset, value);
        }
    }

    /// Reads an operand of the frame that is taken over.
    pub(super) fn read_taken_over(&mut self, offset: u32, ty: ValType) -> Value {
        // Only an OSR entry has operands to read, so the cells are there.
        let cells = self.taken_over.unwrap_or(self.entry_context);
        self.load_at(clif_type(ty), self.flags.own, cells, offset.cast_signed())
    }

    /// Whether locals are values.
    pub(super) fn as_values(&self) -> bool {
        self.options.locals == Locals::AsValues
    }

    // Locals and cells.

    /// The variable behind all locals.
    pub(super) fn budget_variable(&self) -> LocalIndex {
        self.scratch.locals.next_key()
    }

    pub(super) fn read_local(&mut self, local: LocalIndex) -> Value {
        if !self.as_values()
            && let Some(value) = self.scratch.known[local]
        {
            return value;
        }
        let ty = self.scratch.locals.get(local);
        let ty = ty.map_or(I32, |&ty| clif_type(ty));
        if self.as_values() {
            let func = &mut *self.cursor.func;
            return self
                .scratch
                .values_of_locals
                .read(self.block, local, ty, func);
        }
        let offset = self.layout.local_offset(local).cast_signed();
        // A load can become an operand of the instruction that uses it, and its address is then
        // computed apart: here, not in the prologue, which would keep it in a spill slot.
        let address = self.cursor.ins().stack_addr(I64, self.frame_slot, offset);
        let value = self.load_at(ty, self.flags.own, address, 0);
        self.learn(local, value);
        value
    }

    pub(super) fn write_local(&mut self, local: LocalIndex, value: Value) {
        if self.as_values() {
            let value = self.canonical(value);
            self.scratch
                .values_of_locals
                .write(self.block, local, value);
            return;
        }
        self.store_cell(self.layout.local_offset(local), value);
        self.learn(local, value);
    }

    fn learn(&mut self, local: LocalIndex, value: Value) {
        if self.scratch.known[local].replace(value).is_none() {
            self.scratch.filled.push(local);
        }
    }

    /// Forgets the values of locals and residents. At the start of a block; and at a call, across which a value
    /// would be stored and loaded again: it is in memory already.
    pub(super) fn forget_values(&mut self) {
        if self.as_values() {
            return;
        }
        self.forget_residents();
        self.scratch.sums.clear();
        for local in self.scratch.filled.drain(..) {
            self.scratch.known[local] = None;
        }
    }

    pub(super) fn store_cell(&mut self, offset: u32, value: Value) {
        self.store_at(self.flags.own, value, self.frame, offset.cast_signed());
    }

    /// The address of the frame's cells as a value of its own.
    pub(super) fn frame_address(&mut self) -> Value {
        self.cursor.ins().stack_addr(I64, self.frame_slot, 0)
    }

    /// Cells for `count` results, shared by all calls of the function.
    pub(super) fn result_cells(&mut self, count: usize) -> Value {
        let size = RESULT_CELL * to_u32(count.max(1));
        let slots = &mut self.cursor.func.sized_stack_slots;
        let area = *self.result_area.get_or_insert_with(|| {
            slots.push(StackSlotData::new(StackSlotKind::ExplicitSlot, size, 4))
        });
        let slot = &mut slots[area];
        slot.size = slot.size.max(size);
        self.cursor.ins().stack_addr(I64, area, 0)
    }

    // Blocks.

    /// All branches to a block have been made.
    pub(super) fn seal_block(&mut self, block: ir::Block) {
        if self.as_values() {
            let func = &mut *self.cursor.func;
            self.scratch.values_of_locals.seal(block, func);
        }
    }

    /// The last instruction branches to a block.
    pub(super) fn note_branch(&mut self, to: ir::Block) {
        if self.as_values() {
            let branch = self.cursor.func.layout.last_inst(self.block);
            if let Some(branch) = branch {
                let values = &mut self.scratch.values_of_locals;
                values.add_branch(self.block, branch, to);
            }
        }
    }

    /// Goes on in `block`.
    pub(super) fn start_block(&mut self, block: ir::Block) {
        self.cursor.func.layout.append_block(block);
        self.cursor.goto_bottom(block);
        self.block = block;
        self.scratch.sums.clear();
        self.forget_values();
    }

    /// Emits with `emit` behind the prologue, whatever the current block is.
    pub(super) fn in_prologue<T>(&mut self, emit: impl FnOnce(&mut Self) -> T) -> T {
        let position = self.cursor.position();
        let location = self.cursor.srcloc();
        self.cursor.goto_after_inst(self.prologue_end);
        self.cursor.set_srcloc(self.first_location);
        let value = emit(self);
        self.cursor.set_position(position);
        self.cursor.set_srcloc(location);
        value
    }

    pub(super) fn set_location(&mut self, module_offset: ModuleOffset) {
        let location = SourceLoc::new(module_offset.as_u32());
        if self.first_location.is_default() {
            self.first_location = location;
        }
        self.cursor.set_srcloc(location);
    }
}

/// States where the lowest usable stack address is found: the prologue compares.
fn limit_stack(func: &mut Function, flags: AccessFlags) {
    let context = func.create_global_value(GlobalValueData::VMContext);
    let load = |base, offset| GlobalValueData::Load {
        base,
        offset: Offset32::new(offset),
        global_type: I64,
        flags: flags.fixed,
    };
    let store = func.create_global_value(load(context, offsets::VMCONTEXT_STORE));
    let limit = func.create_global_value(load(store, offsets::VMSTORE_STACK_LIMIT));
    func.stack_limit = Some(limit);
}
