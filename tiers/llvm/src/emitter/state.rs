//! The emitter's state while one function is translated: its first block with all that everything else
//! needs, its locals, and where in the module it is.

use std::collections::HashMap;
use std::sync::Arc;

use inkwell::basic_block::BasicBlock;
use inkwell::builder::Builder;
use inkwell::context::Context;
use inkwell::debug_info::{AsDIScope, DISubprogram, DebugInfoBuilder};
use inkwell::module::Module as LlvmModule;
use inkwell::values::{BasicValueEnum, FunctionValue, InstructionValue, PhiValue, PointerValue};
use smallvec::SmallVec;
use upshift_module::{
    EntityRef, LocalIndex, Module, ModuleOffset, TableIndex, TypeIndex, ValType, to_u32,
};
use upshift_runtime::{TrapCode, offsets};
use upshift_translate::{
    EntryPoint, FrameLayout, FunctionShape, IndirectCall, ModuleUnit, OptimizerOptions,
};

use super::build::{Built, Metadata, Region, Types};
use crate::guesses::{Guess, guesses};
use crate::tables::{Tables, Targets};
use crate::unit::{Callees, Summaries};

/// State shared by all functions of one LLVM module.
pub(crate) struct Shared<'u, 'ctx> {
    pub context: &'ctx Context,
    pub llvm_module: &'u LlvmModule<'ctx>,
    pub builder: &'u Builder<'ctx>,
    pub debug: &'u DebugInfoBuilder<'ctx>,
    pub types: Types<'ctx>,
    pub metadata: Metadata<'ctx>,
    pub unit: &'u ModuleUnit,
    pub module: &'u Module,
    pub summaries: &'u Summaries,
    pub tables: &'u Tables,
    pub options: &'u OptimizerOptions,
}

/// The function to emit.
pub(crate) struct Target<'u, 'ctx> {
    /// Where to emit into.
    pub function: FunctionValue<'ctx>,
    /// Its debug scope.
    pub scope: DISubprogram<'ctx>,
    /// Where it is entered.
    pub entry: EntryPoint,
    /// Which calls go where within the unit.
    pub callees: Callees<'u, 'ctx>,
    /// Whether it makes calls that can come back to it, so that it must look after its stack.
    pub checks_stack: bool,
}

/// Drives LLVM's instruction builder for one function.
pub(crate) struct LlvmEmitter<'u, 'ctx> {
    pub(super) context: &'ctx Context,
    pub(super) llvm_module: &'u LlvmModule<'ctx>,
    pub(super) builder: &'u Builder<'ctx>,
    debug: &'u DebugInfoBuilder<'ctx>,
    scope: DISubprogram<'ctx>,
    pub(super) types: Types<'ctx>,
    pub(super) metadata: Metadata<'ctx>,
    pub(super) unit: &'u ModuleUnit,
    pub(super) module: &'u Module,
    summaries: &'u Summaries,
    tables: &'u Tables,
    pub(super) options: &'u OptimizerOptions,
    pub(super) function: FunctionValue<'ctx>,
    pub(super) callees: Callees<'u, 'ctx>,
    /// The first block: allocas, fields that never change, and at last a jump to the second.
    first: BasicBlock<'ctx>,
    second: BasicBlock<'ctx>,
    pub(super) vmctx: PointerValue<'ctx>,
    /// Where results are returned through memory, if they are.
    pub(super) results: Option<PointerValue<'ctx>>,
    /// In an OSR entry: the cells of the frame that is taken over.
    taken_over: Option<PointerValue<'ctx>>,
    /// The locals that the function reads or writes.
    locals: HashMap<LocalIndex, (ValType, PointerValue<'ctx>)>,
    /// Fields of the context that never change, read in the first block.
    fixed: Vec<(i32, PointerValue<'ctx>)>,
    /// Cells for the results of calls.
    call_cells: Option<ResultCells<'ctx>>,
    /// The parameters of all blocks.
    phis: Vec<PhiValue<'ctx>>,
    /// The last load of a memory: the operator after it decides whether it has to stay.
    pub(super) last_load: Option<InstructionValue<'ctx>>,
    offset: ModuleOffset,
    /// The offset that the builder's debug location says.
    located: Option<ModuleOffset>,
    /// Accesses stay where they are.
    pub(super) precise: bool,
}

/// Cells that all calls of a function share whose results come through memory.
#[derive(Clone, Copy)]
struct ResultCells<'ctx> {
    /// An allocation of one cell, until the largest number is known.
    cells: PointerValue<'ctx>,
    /// How many the calls so far need.
    count: usize,
}

/// Bytes of a result cell.
const RESULT_CELL: u32 = 16;

/// Where a result is, from the first result cell.
pub(super) fn result_offset(place: usize) -> i32 {
    (RESULT_CELL * to_u32(place)).cast_signed()
}

impl<'u, 'ctx> LlvmEmitter<'u, 'ctx> {
    /// An emitter into `target`, with the first blocks done: the walk can begin. `used` are the locals that it will ask for, in
    /// order.
    pub fn new(
        shared: &Shared<'u, 'ctx>,
        target: Target<'u, 'ctx>,
        shape: &FunctionShape<'u>,
        used: &[LocalIndex],
    ) -> Self {
        let function = target.function;
        let first = shared.context.append_basic_block(function, "entry");
        let second = shared.context.append_basic_block(function, "body");
        let parameter = |index: u32| function.get_nth_param(index).expect("as declared");
        let vmctx = parameter(0).into_pointer_value();
        let last = function.count_params() - 1;
        let (results, taken_over) = match target.entry {
            EntryPoint::Function if shape.ty.results().len() > 1 => {
                (Some(parameter(last).into_pointer_value()), None)
            }
            EntryPoint::Function => (None, None),
            EntryPoint::Loop(_) => (
                Some(parameter(2).into_pointer_value()),
                Some(parameter(1).into_pointer_value()),
            ),
        };
        let mut emitter = Self {
            context: shared.context,
            llvm_module: shared.llvm_module,
            builder: shared.builder,
            debug: shared.debug,
            scope: target.scope,
            types: shared.types,
            metadata: shared.metadata,
            unit: shared.unit,
            module: shared.module,
            summaries: shared.summaries,
            tables: shared.tables,
            options: shared.options,
            function,
            callees: target.callees,
            first,
            second,
            vmctx,
            results,
            taken_over,
            locals: HashMap::with_capacity(used.len()),
            fixed: Vec::new(),
            call_cells: None,
            phis: Vec::new(),
            last_load: None,
            offset: shape.start,
            located: None,
            precise: shared.unit.settings.precise_traps,
        };
        emitter.begin(shape, used, target.checks_stack);
        emitter
    }

    fn begin(&mut self, shape: &FunctionShape<'_>, used: &[LocalIndex], checks_stack: bool) {
        self.builder.unset_current_debug_location();
        self.builder.position_at_end(self.first);
        for &local in used {
            let ty = shape.locals[local];
            let place = self.builder.build_alloca(self.types.of(ty), "").built();
            self.locals.insert(local, (ty, place));
        }
        self.builder.position_at_end(self.second);
        self.set_position(shape.start);
        if checks_stack {
            self.check_stack();
        }
        if let Some(cells) = self.taken_over {
            let layout = FrameLayout::new(shape.locals.values().copied());
            for local in used {
                let (ty, place) = self.locals[local];
                let offset = layout.local_offset(*local).cast_signed();
                let value = self.read_field(self.types.of(ty), cells, offset, Region::Cells);
                self.builder.build_store(place, value).built();
            }
            return;
        }
        let params = shape.ty.params().len();
        for &local in used {
            let (ty, place) = self.locals[&local];
            let value = if local.index() < params {
                let param = self.function.get_nth_param(1 + local.as_u32());
                param.expect("as declared")
            } else {
                self.types.of(ty).const_zero()
            };
            self.builder.build_store(place, value).built();
        }
    }

    /// Traps when the stack is used up. Functions that are inlined into one another compare the same two
    /// values, so one check is left of theirs.
    fn check_stack(&mut self) {
        let level = self.const_i32(0);
        let frame = self.intrinsic(
            "llvm.frameaddress",
            &[self.types.ptr.into()],
            &[level.into()],
        );
        let frame = self
            .builder
            .build_ptr_to_int(frame.into_pointer_value(), self.types.i64, "")
            .built();
        let store = self.fixed_field(offsets::VMCONTEXT_STORE);
        // Code that lowers it for a callee puts it back, so it does not change while this function runs.
        let limit = self.read_fixed(self.types.i64, store, offsets::VMSTORE_STACK_LIMIT);
        let exhausted = self
            .builder
            .build_int_compare(
                inkwell::IntPredicate::ULT,
                frame,
                limit.into_int_value(),
                "",
            )
            .built();
        self.trap_if(exhausted, TrapCode::StackOverflow);
    }

    /// Ends the function's blocks: to be called after the walk.
    pub fn finish(self) {
        self.builder.unset_current_debug_location();
        self.size_result_cells();
        self.builder.position_at_end(self.first);
        self.builder.build_unconditional_branch(self.second).built();
        // A block without predecessors is allowed, parameters without arguments are not.
        for phi in &self.phis {
            if phi.count_incoming() == 0 {
                let ty = phi.as_basic_value().get_type();
                replace_with_poison(*phi, ty);
            }
        }
    }

    /// The possible targets of a call through a table, if they are known for good.
    pub(super) fn known_targets(
        &self,
        table: TableIndex,
        type_index: TypeIndex,
    ) -> Option<Arc<Targets>> {
        self.tables
            .targets(self.module, self.summaries, table, type_index)
    }

    /// The probable targets of the current operator, a call through a table.
    pub(super) fn probable_targets(
        &self,
        table: TableIndex,
        type_index: TypeIndex,
    ) -> SmallVec<[Guess; 4]> {
        if !self.callees.guesses() {
            return SmallVec::new();
        }
        let call = IndirectCall {
            offset: self.offset,
            table,
            type_index,
        };
        let samples = self.unit.calls.samples(self.offset);
        guesses(self.module, &samples, self.options, call)
    }

    // Where we are.

    pub(super) fn set_position(&mut self, module_offset: ModuleOffset) {
        self.offset = module_offset;
    }

    /// Gives the instructions that follow the current operator as their location. Only instructions that can be in
    /// a backtrace need it; the rest may keep the location of an operator before it.
    pub(super) fn locate(&mut self) {
        if self.located == Some(self.offset) {
            return;
        }
        self.located = Some(self.offset);
        let scope = self.scope.as_debug_info_scope();
        let location =
            self.debug
                .create_debug_location(self.context, self.offset.as_u32(), 0, scope, None);
        self.builder.set_current_debug_location(location);
    }

    // Blocks.

    pub(super) fn new_block(&self) -> BasicBlock<'ctx> {
        self.context.append_basic_block(self.function, "")
    }

    pub(super) fn add_phi(&mut self, ty: ValType) -> PhiValue<'ctx> {
        let phi = self.builder.build_phi(self.types.of(ty), "").built();
        self.phis.push(phi);
        phi
    }

    /// How many parameters all blocks have so far.
    pub(super) fn phi_count(&self) -> u32 {
        to_u32(self.phis.len())
    }

    pub(super) fn phi(&self, index: usize) -> PhiValue<'ctx> {
        self.phis[index]
    }

    pub(super) fn current_block(&self) -> BasicBlock<'ctx> {
        self.builder
            .get_insert_block()
            .expect("the walk emits into blocks")
    }

    // Values of the first block.

    /// Emits into the first block, which dominates all others.
    pub(super) fn in_first_block<T>(&mut self, emit: impl FnOnce(&Self) -> T) -> T {
        let here = self.builder.get_insert_block();
        self.builder.position_at_end(self.first);
        let value = emit(self);
        if let Some(here) = here {
            self.builder.position_at_end(here);
        }
        value
    }

    /// A pointer in the context that never changes.
    pub(super) fn fixed_field(&mut self, offset: i32) -> PointerValue<'ctx> {
        if let Some(&(_, value)) = self.fixed.iter().find(|&&(of, _)| of == offset) {
            return value;
        }
        let value = self.in_first_block(|emitter| {
            emitter
                .read_fixed(emitter.types.ptr, emitter.vmctx, offset)
                .into_pointer_value()
        });
        self.fixed.push((offset, value));
        value
    }

    /// Cells for so many results of a call.
    pub(super) fn result_cells(&mut self, count: usize) -> PointerValue<'ctx> {
        let cells = match self.call_cells {
            Some(ResultCells { cells, .. }) => cells,
            None => self.in_first_block(|emitter| emitter.allocate_cells(1)),
        };
        let before = self.call_cells.map_or(0, |of| of.count);
        let count = count.max(before);
        self.call_cells = Some(ResultCells { cells, count });
        cells
    }

    fn allocate_cells(&self, count: usize) -> PointerValue<'ctx> {
        let ty = self.types.v128.array_type(to_u32(count));
        self.builder.build_alloca(ty, "").built()
    }

    /// Makes the cells for results as many as the function's calls need.
    fn size_result_cells(&self) {
        let Some(ResultCells { cells, count }) = self.call_cells else {
            return;
        };
        let Some(instruction) = cells.as_instruction() else {
            return;
        };
        self.builder.position_before(&instruction);
        let sized = self.allocate_cells(count);
        cells.replace_all_uses_with(sized);
        instruction.erase_from_basic_block();
    }

    // Locals.

    pub(super) fn read_local(&self, local: LocalIndex) -> BasicValueEnum<'ctx> {
        let (ty, place) = self.locals[&local];
        self.builder
            .build_load(self.types.of(ty), place, "")
            .built()
    }

    pub(super) fn write_local(&self, local: LocalIndex, value: BasicValueEnum<'ctx>) {
        let (_, place) = self.locals[&local];
        self.builder
            .build_store(place, self.canonical(value))
            .built();
    }

    pub(super) fn read_taken_over(&self, offset: u32, ty: ValType) -> BasicValueEnum<'ctx> {
        let cells = self.taken_over.expect("asked for in OSR entries only");
        self.read_field(
            self.types.of(ty),
            cells,
            offset.cast_signed(),
            Region::Cells,
        )
    }
}

/// Removes a block parameter that nothing gives a value to: its block is never entered.
fn replace_with_poison<'ctx>(phi: PhiValue<'ctx>, ty: inkwell::types::BasicTypeEnum<'ctx>) {
    use inkwell::llvm_sys::core::LLVMReplaceAllUsesWith;
    use inkwell::types::BasicType;
    use inkwell::values::AsValueRef;
    let poison = match ty.as_basic_type_enum() {
        inkwell::types::BasicTypeEnum::IntType(ty) => ty.get_poison().as_value_ref(),
        inkwell::types::BasicTypeEnum::FloatType(ty) => ty.get_poison().as_value_ref(),
        inkwell::types::BasicTypeEnum::VectorType(ty) => ty.get_poison().as_value_ref(),
        inkwell::types::BasicTypeEnum::PointerType(ty) => ty.get_poison().as_value_ref(),
        other => unreachable!("no block parameter is of type {other}"),
    };
    // SAFETY: both are values of one type and one context, and the phi is not used afterwards.
    unsafe { LLVMReplaceAllUsesWith(phi.as_value_ref(), poison) };
    phi.as_instruction().erase_from_basic_block();
}
