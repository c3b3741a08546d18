//! The emitter's state while it goes over a body: where each operand and local is, the values of registers, and the
//! frame.
//!
//! An operand is known by its height on the operand stack, which is a cell of the frame too: its *home*. Until
//! something makes it go home it is in a register, a constant, or a comparison that nobody has made yet. Locals are
//! always in their cells, and registers remember which of them they have. At the end of a block everything goes home,
//! so blocks need to know nothing of one another.
//!
//! ```text
//! rbp + 16   arguments that came on the stack
//! rbp        the caller's rbp, and above it where it goes on
//! rbp - 8    the caller's rbx: the context is in rbx
//! rbp - 16   the caller's r14: the base of memory 0 is in r14
//! rbp - 24   where more than one result goes
//!            operands that the second arm of an `if` begins with, too
//! rsp        cells: locals, operands (as FrameLayout has them)
//! ```
//!
//! During a call rsp is lower, by the space of the call's arguments and results.

use cranelift_entity::entity_impl;
use cranelift_entity::packed_option::PackedOption;
use upshift_module::{
    DefinedFuncIndex, FuncType, LocalIndex, LoopIndex, Module, ModuleOffset, PrimaryMap,
    SecondaryMap, ValType,
};
use upshift_runtime::{CodeOffset, TrapCode, TrapSite};
use upshift_translate::{
    CallList, FloatType, FrameLayout, FunctionShape, IntType, ModuleUnit, WorkSite,
};

use super::checker::Checker;
use super::copies::Run;
use crate::asm::{Assembler, Constant, Flag, Gpr, Jump, Width, Xmm};

/// Where the context is.
pub(super) const CONTEXT: Gpr = Gpr::RBX;
/// Where the base of memory 0 is.
pub(super) const MEMORY: Gpr = Gpr::R14;
/// Free within every operator, and holds nothing between them.
pub(super) const SCRATCH: Gpr = Gpr::R11;
/// The same of vector registers.
pub(super) const FLOAT_SCRATCH: Xmm = Xmm(15);

/// Registers that hold values, beginning with those that have no other use.
pub(super) const GPR_COUNT: u8 = 8;
pub(super) const GPRS: [Gpr; 8] = [
    Gpr::RAX,
    Gpr::R10,
    Gpr::R9,
    Gpr::R8,
    Gpr::RDI,
    Gpr::RSI,
    Gpr::RDX,
    Gpr::RCX,
];
/// How many vector registers hold values: all below [`FLOAT_SCRATCH`].
pub(super) const XMMS: u8 = 15;

/// Where the saved registers are, from rbp.
pub(super) const SAVED_CONTEXT: i32 = -8;
pub(super) const SAVED_MEMORY: i32 = -16;
/// Where the pointer to results is, from rbp.
pub(super) const RESULTS: i32 = -24;
/// Bytes between rbp and the operands that are set aside.
pub(super) const FRAME_TOP: u32 = 32;
/// An operand, by its height on the stack.
pub(crate) type Slot = u32;
/// A block, as what branches to it knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label(u32);

entity_impl!(Label);

/// How many operands are followed, from the top. Deeper ones stay at home, so that no operator takes longer for a
/// stack of a million operands.
pub(super) const FOLLOWED: u32 = 32;

/// Where an operand is, besides its home.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// Nowhere else.
    Home,
    Gpr(Gpr),
    Xmm(Xmm),
    /// The bits of a constant.
    Constant(u64),
    /// A vector behind the code.
    Vector(Constant),
    /// An `i32` that says whether this holds.
    Comparison(Comparison),
}

/// A comparison whose instruction was not made yet. Its registers are the operand's own meanwhile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Comparison {
    Int {
        width: Width,
        flag: Flag,
        a: Gpr,
        b: IntOperand,
    },
    Float {
        ty: FloatType,
        condition: FloatCondition,
        a: Xmm,
        b: Xmm,
    },
    /// Whether any bit is one.
    Vector { flag: Flag, a: Xmm },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum IntOperand {
    Gpr(Gpr),
    Constant(i32),
}

/// The condition that the flags after `ucomis` are asked for. Unordered operands set carry, zero and parity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum FloatCondition {
    One(Flag),
    /// `E` and `NP`.
    Equal,
    /// `NE` or `P`.
    NotEqual,
}

impl FloatCondition {
    pub(super) fn not(self) -> Self {
        match self {
            Self::One(flag) => Self::One(flag.not()),
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
        }
    }
}

/// An operand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operand {
    pub(super) ty: ValType,
    pub(super) place: Place,
    /// Whether its home has it.
    pub(super) at_home: bool,
    /// Where its home is, in bytes from the first cell.
    pub(super) home: u32,
}

/// The value of a register: operands, and at most one local, all the same value.
#[derive(Clone, Copy)]
pub(super) struct Held {
    pub(super) operands: u32,
    pub(super) local: PackedOption<LocalIndex>,
}

impl Held {
    pub(super) fn nothing() -> Self {
        Self {
            operands: 0,
            local: None.into(),
        }
    }
}

/// Registers of one kind.
pub(super) struct Registers {
    pub(super) held: [Held; 16],
    /// Those that the current operator works with.
    pub(super) locked: u16,
    /// Where the search for one begins that only has a local.
    pub(super) next: u8,
}

impl Registers {
    pub(super) fn new() -> Self {
        Self {
            held: [Held::nothing(); 16],
            locked: 0,
            next: 0,
        }
    }

    pub(super) fn is_locked(&self, register: u8) -> bool {
        self.locked & 1 << register != 0
    }

    /// Whether it holds one operand and nothing else.
    pub(super) fn is_for_one(&self, register: u8) -> bool {
        let held = self.held[usize::from(register)];
        held.operands == 1 && held.local.is_none()
    }

    /// Whether it holds nothing, and no operator works with it.
    pub(super) fn is_free(&self, register: u8) -> bool {
        let held = self.held[usize::from(register)];
        held.operands == 0 && held.local.is_none() && !self.is_locked(register)
    }

    pub(super) fn lock(&mut self, register: u8) {
        self.locked |= 1 << register;
    }
}

/// A block.
#[derive(Clone, Copy)]
pub(super) struct Block {
    /// Operands below its parameters.
    pub height: u32,
    /// Where its parameters' types are in [`Scratch::params`].
    pub params: (u32, u32),
    /// Which of its parameters is the first vector.
    pub first_vector: Option<u32>,
    /// Where its code is, once it is switched to.
    pub position: Option<u32>,
}

/// A jump to a block.
#[derive(Clone, Copy)]
pub(super) struct Link {
    pub jump: Jump,
    pub target: Label,
}

/// An operand that is set aside for the second arm of an `if`.
#[derive(Clone, Copy)]
pub(super) struct Aside {
    /// Where the second arm begins.
    pub block: Label,
    pub ty: ValType,
    /// How far below [`FRAME_TOP`] it is.
    pub depth: u32,
}

/// Operands to be moved on the way to a block, where that can't be done before the branch: a block of its own, to which
/// all branches of an operator go that lead there.
#[derive(Clone, Copy)]
pub(super) struct Detour {
    pub block: Label,
    pub target: Label,
    /// Which of [`Scratch::moves`], in bytes from the first cell.
    pub moves: (u32, u32),
    pub offset: ModuleOffset,
}

/// The end of the last block, until the next one is known.
#[derive(Clone, Copy)]
pub(super) enum Pending {
    None,
    Jump(Label),
    /// Nothing else leads there.
    GoOn(Label),
    /// The flags are set.
    Branch {
        condition: FloatCondition,
        then: Label,
        otherwise: Label,
    },
}

/// Code behind everything else.
#[derive(Clone, Copy)]
pub(super) enum Stub {
    Trap(Jump, TrapCode, ModuleOffset),
    /// A loop's budget is used up.
    Poll {
        jump: Jump,
        back: u32,
        number: LoopIndex,
        offset: ModuleOffset,
    },
}

/// A table of jumps that is to be placed behind the code.
pub(super) struct JumpTable {
    /// Where the code wants its address.
    pub address: Jump,
    /// Where it is, once it is placed.
    pub position: u32,
    /// Which of [`Scratch::entries`].
    pub entries: (u32, u32),
}

/// Vectors that keep their memory from one function to the next.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(super) asm: Assembler,
    pub(super) operands: Vec<Operand>,
    pub(super) locals: PrimaryMap<LocalIndex, ValType>,
    /// For each local, the register that has it.
    pub(super) known: SecondaryMap<LocalIndex, Option<u8>>,
    pub(super) blocks: PrimaryMap<Label, Block>,
    pub(super) params: Vec<ValType>,
    pub(super) links: Vec<Link>,
    pub(super) detours: Vec<Detour>,
    pub(super) moves: Vec<Run>,
    pub(super) asides: Vec<Aside>,
    pub(super) stubs: Vec<Stub>,
    pub(super) tables: Vec<JumpTable>,
    /// Where the entries of jump tables lead.
    pub(super) entries: Vec<Label>,
    /// Where each site's amount of work is in the code.
    pub(super) sites: PrimaryMap<WorkSite, u32>,
    pub(crate) traps: Vec<TrapSite>,
    pub(crate) offsets: Vec<CodeOffset>,
    pub(crate) calls: CallList,
}

impl Scratch {
    fn reset(&mut self, shape: &FunctionShape<'_>) {
        self.asm.clear();
        self.operands.clear();
        // The memory is kept, which a clone would not do.
        self.locals.clear();
        self.locals.extend(shape.locals.values().copied());
        self.known.clear();
        self.known.resize(shape.locals.len());
        self.blocks.clear();
        self.params.clear();
        self.links.clear();
        self.detours.clear();
        self.moves.clear();
        self.asides.clear();
        self.stubs.clear();
        self.tables.clear();
        self.entries.clear();
        self.sites.clear();
        self.traps.clear();
        self.offsets.clear();
        self.calls.clear();
    }

    /// The code.
    pub(crate) fn code(&self) -> &[u8] {
        self.asm.code()
    }
}

/// Makes a function's code while a walk goes over its body.
pub(crate) struct FastEmitter<'f> {
    pub(super) unit: &'f ModuleUnit,
    pub(super) module: &'f Module,
    pub(super) function: DefinedFuncIndex,
    pub(super) ty: &'f FuncType,
    pub(super) s: &'f mut Scratch,
    pub(super) gprs: Registers,
    pub(super) xmms: Registers,
    pub(super) layout: FrameLayout,
    /// Bytes of all cells.
    pub(super) cells: u32,
    /// Operands below this height are at home, and nowhere else.
    pub(super) settled: u32,
    /// Bytes set aside, at most.
    pub(super) aside: u32,
    /// How much lower rsp is than between operators.
    pub(super) lowered: u32,
    /// How much lower it is at most.
    pub(super) most_lowered: u32,
    pub(super) pending: Pending,
    /// Where the current operator is.
    pub(super) offset: ModuleOffset,
    /// Where the sizes of the stack and of the frame are in the code.
    pub(super) frame_sizes: [u32; 2],
    /// The jump out of the check at the entry, and where it goes on.
    pub(super) entry_check: Option<(Jump, u32)>,
    /// Whether something came by that only the other half of the tier can do.
    pub(super) unsupported: bool,
    /// What compares claims with the code, if that is wanted.
    pub(super) checker: Option<Box<Checker>>,
}

impl<'f> FastEmitter<'f> {
    /// Sets up an empty function and emits its prologue.
    pub(crate) fn new(
        unit: &'f ModuleUnit,
        shape: &FunctionShape<'f>,
        function: DefinedFuncIndex,
        scratch: &'f mut Scratch,
    ) -> Self {
        scratch.reset(shape);
        let layout = FrameLayout::new(shape.locals.values().copied());
        let mut emitter = Self {
            unit,
            module: &unit.module,
            function,
            ty: shape.ty,
            s: scratch,
            gprs: Registers::new(),
            xmms: Registers::new(),
            cells: layout.operands_offset(),
            settled: 0,
            layout,
            aside: 0,
            lowered: 0,
            most_lowered: 0,
            pending: Pending::None,
            offset: shape.start,
            frame_sizes: [0; 2],
            entry_check: None,
            unsupported: false,
            checker: (unit.settings.check_claims).then(|| Box::new(Checker::new(unit))),
        };
        emitter.begin_function();
        emitter.check_prologue();
        emitter
    }

    /// Whether the code can be used. If not, the function is for the other half of the tier.
    pub(crate) fn is_supported(&self) -> bool {
        !self.unsupported && !self.s.asm.skipped_too_much()
    }

    /// Has the other half of the tier compile the function; an operand that will not be looked at.
    #[cold]
    pub(super) fn give_up(&mut self) -> Slot {
        self.unsupported = true;
        0
    }

    /// Whether nothing more is to be emitted.
    pub(super) fn gave_up(&self) -> bool {
        self.unsupported
    }
}

pub(super) fn width(ty: IntType) -> Width {
    match ty {
        IntType::I32 => Width::W32,
        IntType::I64 => Width::W64,
    }
}

/// The width of an integer or a reference.
pub(super) fn width_of(ty: ValType) -> Width {
    match ty {
        ValType::I32 => Width::W32,
        _ => Width::W64,
    }
}

/// How many bytes a value has.
pub(super) fn bytes_of(ty: ValType) -> Width {
    match ty {
        ValType::I32 | ValType::F32 => Width::W32,
        _ => Width::W64,
    }
}

/// Whether values of a type are in vector registers.
pub(super) fn in_xmm(ty: ValType) -> bool {
    matches!(ty, ValType::F32 | ValType::F64 | ValType::V128)
}

/// The first byte behind the homes of these operands.
pub(super) fn end_of(operands: &[Operand], layout: &FrameLayout) -> u32 {
    match operands.last() {
        Some(top) => top.home + top.ty.cell_size(),
        None => layout.operands_offset(),
    }
}

/// Where the home of an operand of this type is, behind homes that end at `end`.
pub(super) fn home_behind(end: u32, ty: ValType) -> u32 {
    // All cells are multiples of 8.
    match ty {
        ValType::V128 => end.next_multiple_of(16),
        _ => end,
    }
}

/// The prefix of moves between memory and vector registers.
pub(super) fn move_prefix(ty: ValType) -> u8 {
    match ty {
        ValType::F32 => 0xf3,
        ValType::V128 => 0,
        _ => 0xf2,
    }
}

/// The prefix of scalar instructions.
pub(super) fn scalar(ty: FloatType) -> u8 {
    match ty {
        FloatType::F32 => 0xf3,
        FloatType::F64 => 0xf2,
    }
}

/// The prefix of packed instructions, of `ucomis` too.
pub(super) fn packed(ty: FloatType) -> u8 {
    match ty {
        FloatType::F32 => 0,
        FloatType::F64 => 0x66,
    }
}
