//! The trait that a tier implements: straight-line operators, blocks and jumps, calls. Nothing here knows of
//! WebAssembly's control stack; the walk in `walk` turns that into blocks and jumps.

use cranelift_entity::entity_impl;
use upshift_module::{
    FuncIndex, FuncType, GlobalIndex, LocalIndex, LoopIndex, MemoryIndex, ModuleOffset, PrimaryMap,
    TableIndex, TypeIndex, ValType,
};
use upshift_runtime::{Builtin, TrapCode};

use crate::ops::*;

/// A tier's part in the walk over a body: it is told operators, blocks and jumps, in order.
///
/// A condition is an `i32` value: zero is false.
///
/// Values are in the tier's own representation; the walk keeps the `ValType` of each beside it. The walk
/// guarantees: types match as validation found them; every value is used only in code that its definition
/// dominates, except in code without predecessors, which it may also emit and which a tier must accept;
/// a block is switched to once, after the current block was ended by a jump, branch, return or trap;
/// after [`Emitter::seal`], a block gets no new predecessors.
pub trait Emitter {
    /// A value.
    type Value: Copy;
    /// A basic block with parameters.
    type Block: Copy;

    /// Sets where in the module the operators are that follow: for traps and backtraces.
    fn set_offset(&mut self, module_offset: ModuleOffset);
    /// States how many values the operand stack has where the next operator begins. Values that were above are not
    /// used again.
    fn begin_operator(&mut self, operands: usize) {
        let _ = operands;
    }
    /// States that both arms of the `if` that follows begin with these operands, the topmost ones. The block of the
    /// second arm is the second one that is created from now on.
    fn share_operands(&mut self, operands: &[Self::Value]) {
        let _ = operands;
    }

    // Blocks.

    /// A new block with these parameters, without predecessors so far. Where it begins, the operand stack has `height`
    /// values below them.
    fn create_block(&mut self, height: usize, params: &[ValType]) -> Self::Block;
    /// Starts to emit into a block, and pushes its parameters to `values`.
    fn switch_to(&mut self, block: Self::Block, values: &mut Vec<Self::Value>);
    /// States that all predecessors of a block have been emitted.
    fn seal(&mut self, block: Self::Block);
    /// Ends the current block with a jump.
    fn jump(&mut self, target: Self::Block, args: &[Self::Value]);
    /// Ends the current block: to `then` if `condition` is not zero, to `otherwise` if it is.
    fn branch_if(
        &mut self,
        condition: Self::Value,
        then: (Self::Block, &[Self::Value]),
        otherwise: (Self::Block, &[Self::Value]),
    );
    /// Ends the current block: the way that the table has for `index`.
    fn branch_table(
        &mut self,
        index: Self::Value,
        table: &BranchTable<'_, Self::Block, Self::Value>,
    );
    /// Ends the current block and the function.
    fn return_values(&mut self, values: &[Self::Value]);
    /// Ends the current block with a trap.
    fn trap(&mut self, code: TrapCode);

    // Tiering.

    /// Counts work at the function's entry; called once, first. The amount is told later, by
    /// [`Emitter::set_work`], when the walk knows it.
    fn poll_entry(&mut self) -> WorkSite;
    /// Counts work at a loop header, at the start of its block; an OSR entry may be taken here.
    /// `operands` is the whole operand stack, which goes into cells behind the locals', and `types` has the type of each.
    fn poll_loop(
        &mut self,
        loop_number: LoopIndex,
        operands: &[Self::Value],
        types: &[ValType],
    ) -> WorkSite;
    /// Sets how many operators a site counts: as many as run from there on average, as far as structure tells.
    fn set_work(&mut self, site: WorkSite, operators: u32);

    // Locals and stack.

    /// Reads a local.
    fn local_get(&mut self, local: LocalIndex) -> Self::Value;
    /// Writes a local.
    fn local_set(&mut self, local: LocalIndex, value: Self::Value);
    /// Reads an operand of the frame that an OSR entry takes over, from its cell
    /// ([`FrameLayout::operand_offsets`](crate::FrameLayout::operand_offsets)).
    fn osr_operand(&mut self, cell_offset: u32, ty: ValType) -> Self::Value;
    /// `condition ? a : b`, both of type `ty`.
    fn select(
        &mut self,
        ty: ValType,
        condition: Self::Value,
        a: Self::Value,
        b: Self::Value,
    ) -> Self::Value;

    // Scalars.

    /// An `i32` constant.
    fn i32_const(&mut self, value: i32) -> Self::Value;
    /// An `i64` constant.
    fn i64_const(&mut self, value: i64) -> Self::Value;
    /// An `f32` constant, as bits.
    fn f32_const(&mut self, bits: u32) -> Self::Value;
    /// An `f64` constant, as bits.
    fn f64_const(&mut self, bits: u64) -> Self::Value;
    /// A `v128` constant.
    fn v128_const(&mut self, bits: u128) -> Self::Value;
    /// `eqz`.
    fn eqz(&mut self, ty: IntType, a: Self::Value) -> Self::Value;
    /// Integer operators with one operand.
    fn int_unary(&mut self, ty: IntType, op: IntUnary, a: Self::Value) -> Self::Value;
    /// Integer operators with two operands.
    fn int_binary(
        &mut self,
        ty: IntType,
        op: IntBinary,
        a: Self::Value,
        b: Self::Value,
    ) -> Self::Value;
    /// Division and remainder, with their traps.
    fn int_division(
        &mut self,
        ty: IntType,
        op: IntDivision,
        a: Self::Value,
        b: Self::Value,
    ) -> Self::Value;
    /// Integer comparison.
    fn int_compare(
        &mut self,
        ty: IntType,
        op: IntCompare,
        a: Self::Value,
        b: Self::Value,
    ) -> Self::Value;
    /// Floating-point operators with one operand.
    fn float_unary(&mut self, ty: FloatType, op: FloatUnary, a: Self::Value) -> Self::Value;
    /// Floating-point operators with two operands.
    fn float_binary(
        &mut self,
        ty: FloatType,
        op: FloatBinary,
        a: Self::Value,
        b: Self::Value,
    ) -> Self::Value;
    /// Floating-point comparison.
    fn float_compare(
        &mut self,
        ty: FloatType,
        op: FloatCompare,
        a: Self::Value,
        b: Self::Value,
    ) -> Self::Value;
    /// Conversions.
    fn convert(&mut self, op: Convert, a: Self::Value) -> Self::Value;

    // Vectors.

    /// All lanes equal to a scalar (of which a narrow lane takes the low bits).
    fn splat(&mut self, shape: Shape, a: Self::Value) -> Self::Value;
    /// One lane as a scalar; `signed` matters for `i8x16` and `i16x8`.
    fn extract_lane(&mut self, shape: Shape, lane: u8, signed: bool, a: Self::Value)
    -> Self::Value;
    /// One lane replaced.
    fn replace_lane(
        &mut self,
        shape: Shape,
        lane: u8,
        a: Self::Value,
        b: Self::Value,
    ) -> Self::Value;
    /// `i8x16.shuffle`.
    fn shuffle(&mut self, lanes: [u8; 16], a: Self::Value, b: Self::Value) -> Self::Value;
    /// `i8x16.swizzle`.
    fn swizzle(&mut self, a: Self::Value, b: Self::Value) -> Self::Value;
    /// `v128.not`.
    fn vec_not(&mut self, a: Self::Value) -> Self::Value;
    /// Bitwise operators with two operands.
    fn vec_bitwise(&mut self, op: VecBitwise, a: Self::Value, b: Self::Value) -> Self::Value;
    /// `v128.bitselect`: bits of `a` where `mask` has ones, of `b` elsewhere.
    fn vec_bitselect(&mut self, a: Self::Value, b: Self::Value, mask: Self::Value) -> Self::Value;
    /// Reductions.
    fn vec_test(&mut self, op: VecTest, a: Self::Value) -> Self::Value;
    /// Integer lane operators with one operand.
    fn lane_unary(&mut self, shape: Shape, op: LaneUnary, a: Self::Value) -> Self::Value;
    /// Integer lane operators with two operands.
    fn lane_binary(
        &mut self,
        shape: Shape,
        op: LaneBinary,
        a: Self::Value,
        b: Self::Value,
    ) -> Self::Value;
    /// Lane shifts.
    fn lane_shift(
        &mut self,
        shape: Shape,
        op: LaneShift,
        a: Self::Value,
        amount: Self::Value,
    ) -> Self::Value;
    /// Integer lane comparisons.
    fn lane_compare(
        &mut self,
        shape: Shape,
        op: IntCompare,
        a: Self::Value,
        b: Self::Value,
    ) -> Self::Value;
    /// Floating-point lane operators with one operand.
    fn lane_float_unary(&mut self, ty: FloatType, op: FloatUnary, a: Self::Value) -> Self::Value;
    /// Floating-point lane operators with two operands.
    fn lane_float_binary(
        &mut self,
        ty: FloatType,
        op: FloatBinary,
        a: Self::Value,
        b: Self::Value,
    ) -> Self::Value;
    /// Floating-point lane comparisons.
    fn lane_float_compare(
        &mut self,
        ty: FloatType,
        op: FloatCompare,
        a: Self::Value,
        b: Self::Value,
    ) -> Self::Value;
    /// Lane conversions.
    fn lane_convert(&mut self, op: LaneConvert, a: Self::Value) -> Self::Value;
    /// Lane operators that change the shape.
    fn lane_combine(&mut self, op: LaneCombine, a: Self::Value, b: Self::Value) -> Self::Value;

    // Memory, tables, globals.

    /// A load.
    fn load(&mut self, op: LoadOp, access: MemoryAccess, address: Self::Value) -> Self::Value;
    /// A store.
    fn store(
        &mut self,
        op: StoreOp,
        access: MemoryAccess,
        address: Self::Value,
        value: Self::Value,
    );
    /// `v128.loadBB_lane`; the shape says the width.
    fn load_lane(
        &mut self,
        shape: Shape,
        lane: u8,
        access: MemoryAccess,
        address: Self::Value,
        vector: Self::Value,
    ) -> Self::Value;
    /// `v128.storeBB_lane`.
    fn store_lane(
        &mut self,
        shape: Shape,
        lane: u8,
        access: MemoryAccess,
        address: Self::Value,
        vector: Self::Value,
    );
    /// The value of a load that the program drops at once: it must still trap.
    fn keep_load(&mut self, value: Self::Value);
    /// `memory.size`, in pages.
    fn memory_size(&mut self, memory: MemoryIndex) -> Self::Value;
    /// `global.get`.
    fn global_get(&mut self, global: GlobalIndex) -> Self::Value;
    /// `global.set`.
    fn global_set(&mut self, global: GlobalIndex, value: Self::Value);
    /// `table.get`, with its bounds check.
    fn table_get(&mut self, table: TableIndex, index: Self::Value) -> Self::Value;
    /// `table.set`, with its bounds check.
    fn table_set(&mut self, table: TableIndex, index: Self::Value, value: Self::Value);
    /// `table.size`.
    fn table_size(&mut self, table: TableIndex) -> Self::Value;
    /// `ref.null`.
    fn ref_null(&mut self) -> Self::Value;
    /// `ref.is_null`.
    fn ref_is_null(&mut self, a: Self::Value) -> Self::Value;

    // Calls.

    /// Calls a function of this module; pushes its results to `results`.
    fn call(&mut self, function: FuncIndex, args: &[Self::Value], results: &mut Vec<Self::Value>);
    /// `call_indirect`, with its three checks.
    fn call_indirect(
        &mut self,
        table: TableIndex,
        type_index: TypeIndex,
        index: Self::Value,
        args: &[Self::Value],
        results: &mut Vec<Self::Value>,
    );
    /// Calls the runtime. `args` are in the order of [`Builtin::params`], without the context; the
    /// result is there if the builtin has one.
    fn call_builtin(&mut self, builtin: Builtin, args: &[Self::Value]) -> Option<Self::Value>;
}

/// The targets of a branch table. A label may be there for thousands of indices, so a tier's work on the way to a block is
/// done once for each way, not for each index.
#[derive(Clone, Copy, Debug)]
pub struct BranchTable<'t, B, V> {
    /// The blocks that it leads to, each of them once, with their arguments.
    pub ways: &'t [(B, &'t [V])],
    /// For each index which of the ways it takes, by its place there.
    pub cases: &'t [u32],
    /// Which of the ways all other indices take.
    pub default: u32,
}

impl<'t, B: Copy, V> BranchTable<'t, B, V> {
    /// The indices that take another way than those beyond the table.
    pub fn cases_besides_default(&self) -> impl Iterator<Item = Case> + use<'t, B, V> {
        let default = self.default;
        // A table has fewer than 2^32 entries.
        let cases = (0u32..).zip(self.cases.iter().copied());
        let cases = cases.map(|(index, way)| Case { index, way });
        cases.filter(move |case| case.way != default)
    }
}

/// An index of a branch table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// The index.
    pub index: u32,
    /// The way that it takes, by its place among the table's.
    pub way: u32,
}

/// A place where work is counted, as its tier numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkSite(u32);

entity_impl!(WorkSite);

impl WorkSite {
    /// What a tier says where no work is counted.
    pub const NOT_COUNTED: Self = Self(u32::MAX);
}

/// The types that an emitter is asked about when a function begins.
#[derive(Clone, Debug)]
pub struct FunctionShape<'m> {
    /// The function's type.
    pub ty: &'m FuncType,
    /// Types of all locals, parameters first.
    pub locals: PrimaryMap<LocalIndex, ValType>,
    /// Where its first operator is.
    pub start: ModuleOffset,
}
