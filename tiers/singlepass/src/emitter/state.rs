//! What the emitter knows while it goes over a body: where each operand and local is, what registers hold, and the
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
//! During a call rsp is lower, by what the call needs for arguments and results.

use upshift_module::{FuncType, Module, ValType};
use upshift_runtime::{TrapCode, offsets};
use upshift_translate::{
    CallList, FloatType, FrameLayout, FunctionShape, IntType, ModuleUnit, WorkSite,
};

use crate::asm::{Assembler, Constant, Flag, Gpr, Jump, Mem, Rm, Width, Xmm, op};

/// Where the context is.
pub(super) const CONTEXT: Gpr = Gpr::RBX;
/// Where the base of memory 0 is.
pub(super) const MEMORY: Gpr = Gpr::R14;
/// Free within every operator, and holds nothing between them.
pub(super) const SCRATCH: Gpr = Gpr::R11;
/// The same of vector registers.
pub(super) const FLOAT_SCRATCH: Xmm = Xmm(15);

/// Registers that hold values, those that nothing else needs first.
const GPRS: [Gpr; 8] = [
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
const XMMS: u8 = 15;

/// Where the saved registers are, from rbp.
const SAVED_CONTEXT: i32 = -8;
const SAVED_MEMORY: i32 = -16;
/// Where the pointer to results is, from rbp.
pub(super) const RESULTS: i32 = -24;
/// Bytes between rbp and the operands that are set aside.
pub(super) const FRAME_TOP: u32 = 32;
/// Frames larger than this are left to the other half of the tier, which touches each of their pages.
const MAX_FRAME: u32 = 64 << 10;

/// An operand, by its height on the stack.
pub(crate) type Slot = u32;
/// A block, by its number.
pub(crate) type Label = u32;

const NO_LOCAL: u32 = u32::MAX;

/// How many operands are followed, from the top. What lies deeper stays at home, so that no operator takes longer for a
/// stack of a million operands.
const FOLLOWED: u32 = 32;

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

/// What the flags after `ucomis` are asked for. Unordered operands set carry, zero and parity.
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
struct Operand {
    ty: ValType,
    place: Place,
    /// Whether its home has it.
    at_home: bool,
    /// Where its home is, in bytes from the first cell.
    home: u32,
}

/// What a register holds: operands, and at most one local, all the same value.
#[derive(Clone, Copy)]
struct Held {
    operands: u32,
    local: u32,
}

const NOTHING: Held = Held {
    operands: 0,
    local: NO_LOCAL,
};

/// Registers of one kind.
struct Registers {
    held: [Held; 16],
    /// Those that the current operator works with.
    locked: u16,
    /// Where the search for one begins that only has a local.
    next: u8,
}

impl Registers {
    const fn new() -> Self {
        Self {
            held: [NOTHING; 16],
            locked: 0,
            next: 0,
        }
    }

    fn is_locked(&self, register: u8) -> bool {
        self.locked & 1 << register != 0
    }

    fn lock(&mut self, register: u8) {
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
    /// Where its code is, once it is switched to.
    pub position: Option<u32>,
}

/// A jump to a block.
#[derive(Clone, Copy)]
pub(super) enum Link {
    /// An instruction.
    Jump(Jump, Label),
    /// An entry of the jump table at `table`.
    Entry {
        position: u32,
        table: u32,
        target: Label,
    },
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

/// A copy from one operand's home to another's, in bytes from the first cell.
#[derive(Clone, Copy)]
pub(super) struct Move {
    pub ty: ValType,
    pub from: u32,
    pub to: u32,
}

/// Operands to be moved on the way to a block, where that can't be done before the branch.
#[derive(Clone, Copy)]
pub(super) struct Detour {
    pub target: Label,
    /// Which of [`Scratch::moves`].
    pub moves: (u32, u32),
    /// What leads here.
    pub link: DetourLink,
    pub offset: u32,
}

#[derive(Clone, Copy)]
pub(super) enum DetourLink {
    Jump(Jump),
    Entry { position: u32, table: u32 },
}

/// The end of the last block, until it is known what comes next.
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

/// What is behind everything else.
#[derive(Clone, Copy)]
pub(super) enum Stub {
    Trap(Jump, TrapCode, u32),
    /// A loop's budget is used up.
    Poll {
        jump: Jump,
        back: u32,
        number: u32,
        offset: u32,
    },
}

/// A table of jumps that is to be placed behind the code.
pub(super) struct JumpTable {
    pub address: Jump,
    /// Blocks, and which of [`Scratch::moves`] are made on the way.
    pub targets: Vec<(Label, Option<(u32, u32)>)>,
    pub offset: u32,
}

/// Vectors that keep their memory from one function to the next.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(super) asm: Assembler,
    operands: Vec<Operand>,
    locals: Vec<ValType>,
    /// For each local, the register that has it, or [`NO_REGISTER`].
    known: Vec<u8>,
    pub(super) blocks: Vec<Block>,
    pub(super) params: Vec<ValType>,
    pub(super) links: Vec<Link>,
    pub(super) detours: Vec<Detour>,
    pub(super) moves: Vec<Move>,
    pub(super) asides: Vec<Aside>,
    pub(super) stubs: Vec<Stub>,
    pub(super) tables: Vec<JumpTable>,
    /// Where each site's amount of work is in the code.
    pub(super) sites: Vec<u32>,
    pub(crate) traps: Vec<(u32, TrapCode)>,
    pub(crate) offsets: Vec<(u32, u32)>,
    pub(crate) calls: CallList,
}

const NO_REGISTER: u8 = u8::MAX;

impl Scratch {
    fn reset(&mut self, shape: &FunctionShape<'_>) {
        self.asm.clear();
        self.operands.clear();
        self.locals.clone_from(&shape.locals);
        self.known.clear();
        self.known.resize(shape.locals.len(), NO_REGISTER);
        self.blocks.clear();
        self.params.clear();
        self.links.clear();
        self.detours.clear();
        self.moves.clear();
        self.asides.clear();
        self.stubs.clear();
        self.tables.clear();
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
    pub(super) function: u32,
    pub(super) ty: &'f FuncType,
    pub(super) s: &'f mut Scratch,
    gprs: Registers,
    xmms: Registers,
    layout: FrameLayout,
    /// Bytes of all cells.
    cells: u32,
    /// Operands below this height are at home, and nowhere else.
    settled: u32,
    /// Bytes of what is set aside at most.
    pub(super) aside: u32,
    /// How much lower rsp is than between operators.
    pub(super) lowered: u32,
    pub(super) pending: Pending,
    /// The current operator's offset in the module.
    pub(super) offset: u32,
    /// Where the frame's size is in the code: twice.
    frame_sizes: [u32; 2],
    /// The jump out of the check at the entry, and where it goes on.
    pub(super) entry_check: Option<(Jump, u32)>,
    /// Whether something came by that only the other half of the tier can do.
    unsupported: bool,
}

impl<'f> FastEmitter<'f> {
    /// Sets up an empty function and emits its prologue.
    pub(crate) fn new(
        unit: &'f ModuleUnit,
        shape: &FunctionShape<'f>,
        function: u32,
        scratch: &'f mut Scratch,
    ) -> Self {
        scratch.reset(shape);
        let layout = FrameLayout::new(&shape.locals);
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
            pending: Pending::None,
            offset: shape.start,
            frame_sizes: [0; 2],
            entry_check: None,
            unsupported: false,
        };
        emitter.begin_function();
        emitter
    }

    /// Whether the code can be used. If not, the function is for the other half of the tier.
    pub(crate) fn is_supported(&self) -> bool {
        !self.unsupported && self.frame_size() <= MAX_FRAME && !self.s.asm.skipped_too_much()
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

    // The frame.

    fn begin_function(&mut self) {
        self.s.offsets.push((0, self.offset));
        let budget = self.unit.offsets.budget(self.function);
        let asm = &mut self.s.asm;
        if self.unit.settings.count_work {
            // Before anything is touched: better code may be jumped to from here.
            let place = Mem::new(Gpr::RDI, budget);
            let work = asm.int_imm32(Width::W32, crate::asm::digit::SUB, place, 0);
            self.s.sites.push(work);
            let out = asm.jump_if(Flag::S);
            self.entry_check = Some((out, asm.position()));
        }
        if let Some(offset) = self.unit.offsets.call_count(self.function) {
            asm.int_imm(
                Width::W64,
                crate::asm::digit::ADD,
                Mem::new(Gpr::RDI, offset),
                1,
            );
        }
        asm.push(Gpr::RBP);
        asm.mov(Width::W64, Gpr::RBP, Gpr::RSP);
        // Compare what rsp will be with the limit.
        asm.load(
            Width::W64,
            SCRATCH,
            Mem::new(Gpr::RDI, offsets::VMCONTEXT_STORE),
        );
        asm.mov(Width::W64, Gpr::RAX, Gpr::RSP);
        let first = asm.int_imm32(Width::W64, crate::asm::digit::SUB, Gpr::RAX, 0);
        let limit = Mem::new(SCRATCH, offsets::VMSTORE_STACK_LIMIT);
        asm.int(Width::W64, op::CMP, Gpr::RAX, limit);
        self.trap_if(Flag::B, TrapCode::StackOverflow);
        let asm = &mut self.s.asm;
        let second = asm.int_imm32(Width::W64, crate::asm::digit::SUB, Gpr::RSP, 0);
        self.frame_sizes = [first, second];
        asm.store(Width::W64, Mem::new(Gpr::RBP, SAVED_CONTEXT), CONTEXT);
        asm.mov(Width::W64, CONTEXT, Gpr::RDI);
        if self.has_memory() {
            let asm = &mut self.s.asm;
            asm.store(Width::W64, Mem::new(Gpr::RBP, SAVED_MEMORY), MEMORY);
            let base = Mem::new(CONTEXT, offsets::VMCONTEXT_MEMORY0_BASE);
            asm.load(Width::W64, MEMORY, base);
        }
        self.take_params();
    }

    fn has_memory(&self) -> bool {
        !self.module.memories.is_empty()
    }

    /// Puts parameters into their cells, and zeroes the other locals.
    fn take_params(&mut self) {
        let ty = self.ty;
        let mut arguments = super::calls::Arguments::new();
        for (local, &param) in ty.params().iter().enumerate() {
            let local = local as u32;
            let cell = self.local_place(local);
            match arguments.next(param) {
                super::calls::Argument::Gpr(register) => {
                    let width = width_of(param);
                    if width == Width::W32 {
                        // Callers leave anything in the upper half.
                        self.s.asm.mov(width, register, register);
                    }
                    self.s.asm.store(width, cell, register);
                    self.know_gpr(local, register);
                }
                super::calls::Argument::Xmm(register) => {
                    self.store_xmm(param, cell, register);
                    self.know_xmm(local, register);
                }
                super::calls::Argument::Stack(offset) => {
                    let place = Mem::new(Gpr::RBP, 16 + offset as i32);
                    self.copy_cell(param, place, cell);
                }
            }
        }
        if ty.results().len() > 1 {
            let results = match arguments.next(ValType::I64) {
                super::calls::Argument::Stack(offset) => {
                    let place = Mem::new(Gpr::RBP, 16 + offset as i32);
                    self.s.asm.load(Width::W64, SCRATCH, place);
                    SCRATCH
                }
                super::calls::Argument::Gpr(register) => register,
                super::calls::Argument::Xmm(_) => SCRATCH,
            };
            let place = Mem::new(Gpr::RBP, RESULTS);
            self.s.asm.store(Width::W64, place, results);
        }
        let params = ty.params().len();
        if params < self.s.locals.len() {
            let start = self.layout.local_offset(params as u32);
            self.zero_cells(start, self.layout.operands_offset());
        }
    }

    fn zero_cells(&mut self, mut start: u32, end: u32) {
        let asm = &mut self.s.asm;
        if !start.is_multiple_of(16) {
            asm.store_imm(Width::W64, Mem::new(Gpr::RSP, start as i32), 0);
            start += 8;
        }
        if start < end {
            asm.float(0, op::XORP, FLOAT_SCRATCH, FLOAT_SCRATCH);
            for offset in (start..end).step_by(16) {
                let place = Mem::new(Gpr::RSP, offset as i32);
                asm.float(0, op::STOREF, FLOAT_SCRATCH, place);
            }
        }
    }

    /// Takes the frame down and returns.
    pub(super) fn leave(&mut self) {
        let saved = |offset| Mem::new(Gpr::RBP, offset);
        if self.has_memory() {
            self.s.asm.load(Width::W64, MEMORY, saved(SAVED_MEMORY));
        }
        self.s.asm.load(Width::W64, CONTEXT, saved(SAVED_CONTEXT));
        self.s.asm.leave_and_return();
    }

    fn frame_size(&self) -> u32 {
        FRAME_TOP + self.aside.next_multiple_of(16) + self.cells.next_multiple_of(16)
    }

    /// Writes the frame's size to where it is needed, now that it is known.
    pub(super) fn set_frame_size(&mut self) {
        let size = self.frame_size().cast_signed();
        for position in self.frame_sizes {
            self.s.asm.set_imm32(position, size);
        }
    }

    pub(super) fn local_place(&self, local: u32) -> Mem {
        Mem::new(
            Gpr::RSP,
            (self.layout.local_offset(local) + self.lowered).cast_signed(),
        )
    }

    pub(super) fn home(&mut self, slot: Slot) -> Mem {
        let Operand { ty, home, .. } = self.s.operands[slot as usize];
        self.cell(ty, home)
    }

    /// A cell for a value of this type.
    pub(super) fn cell(&mut self, ty: ValType, offset: u32) -> Mem {
        self.cells = self.cells.max(offset + ty.cell_size());
        Mem::new(Gpr::RSP, (offset + self.lowered).cast_signed())
    }

    /// The first byte behind the homes of the operands below `height`.
    pub(super) fn end_of_homes(&self, height: u32) -> u32 {
        let height = height.min(self.height()) as usize;
        end_of(&self.s.operands[..height], &self.layout)
    }

    /// Where an operand's home is, in bytes from the first cell.
    pub(super) fn home_offset(&self, slot: Slot) -> u32 {
        self.s.operands[slot as usize].home
    }

    /// Copies a value in memory.
    pub(super) fn copy_cell(&mut self, ty: ValType, from: Mem, to: Mem) {
        let asm = &mut self.s.asm;
        if ty == ValType::V128 {
            asm.float(0, op::MOVF, FLOAT_SCRATCH, from);
            asm.float(0, op::STOREF, FLOAT_SCRATCH, to);
        } else {
            asm.load(Width::W64, SCRATCH, from);
            asm.store(Width::W64, to, SCRATCH);
        }
    }

    pub(super) fn set_work(&mut self, site: WorkSite, operators: u32) {
        if let Some(&position) = self.s.sites.get(site.0 as usize) {
            // More than a budget holds need not be counted.
            let work = operators.min(i32::MAX as u32).cast_signed();
            self.s.asm.set_imm32(position, work);
        }
    }

    // Traps and offsets.

    pub(super) fn set_offset(&mut self, offset: u32) {
        self.offset = offset;
        self.mark_offset();
    }

    /// States that code from here on belongs to the current operator.
    pub(super) fn mark_offset(&mut self) {
        let (position, offset) = (self.s.asm.position(), self.offset);
        match self.s.offsets.last_mut() {
            Some(last) if last.0 == position => last.1 = offset,
            Some(last) if last.1 == offset => {}
            _ => self.s.offsets.push((position, offset)),
        }
    }

    /// States that the next instruction may trap.
    pub(super) fn may_trap(&mut self, code: TrapCode) {
        self.s.traps.push((self.s.asm.position(), code));
    }

    /// Traps here.
    pub(super) fn trap(&mut self, code: TrapCode) {
        self.may_trap(code);
        self.s.asm.undefined();
    }

    pub(super) fn trap_if(&mut self, flag: Flag, code: TrapCode) {
        let jump = self.s.asm.jump_if(flag);
        self.s.stubs.push(Stub::Trap(jump, code, self.offset));
    }

    // Operands.

    /// Begins an operator, before which there are so many operands.
    pub(super) fn begin_operator(&mut self, operands: u32) {
        self.unlock();
        self.drop_from(operands);
        debug_assert_eq!(self.height(), operands, "an operand for each value");
    }

    pub(super) fn unlock(&mut self) {
        self.gprs.locked = 0;
        self.xmms.locked = 0;
    }

    /// How many operands there are.
    pub(super) fn height(&self) -> u32 {
        self.s.operands.len() as u32
    }

    /// Drops the operands from this height on.
    pub(super) fn drop_from(&mut self, height: u32) {
        while self.height() > height
            && let Some(operand) = self.s.operands.pop()
        {
            self.release(operand.place);
        }
        self.settled = self.settled.min(height);
    }

    pub(super) fn type_of(&self, slot: Slot) -> ValType {
        self.s.operands[slot as usize].ty
    }

    pub(super) fn place_of(&self, slot: Slot) -> Place {
        self.s.operands[slot as usize].place
    }

    pub(super) fn constant(&self, slot: Slot) -> Option<u64> {
        match self.place_of(slot) {
            Place::Constant(bits) => Some(bits),
            _ => None,
        }
    }

    /// A constant that instructions can have as an operand of this width.
    pub(super) fn short_constant(&self, slot: Slot, width: Width) -> Option<i32> {
        let bits = self.constant(slot)?;
        match width {
            Width::W32 => Some((bits as u32).cast_signed()),
            Width::W64 => i32::try_from(bits.cast_signed()).ok(),
        }
    }

    /// A new operand on top of the others.
    pub(super) fn push(&mut self, ty: ValType, place: Place) -> Slot {
        self.retain(place);
        let slot = self.height();
        let home = home_behind(end_of(&self.s.operands, &self.layout), ty);
        self.settled = self.settled.min(slot);
        self.s.operands.push(Operand {
            ty,
            place,
            at_home: place == Place::Home,
            home,
        });
        slot
    }

    /// The result of an operator, in place of its operands, of which this is the lowest.
    pub(super) fn replace(&mut self, lowest: Slot, ty: ValType, place: Place) -> Slot {
        // Before what is dropped gives its registers up.
        self.retain(place);
        self.drop_from(lowest);
        let slot = self.push(ty, place);
        self.release(place);
        slot
    }

    fn each_register(place: Place, mut act: impl FnMut(bool, u8)) {
        match place {
            Place::Gpr(register) => act(false, register.0),
            Place::Xmm(register) => act(true, register.0),
            Place::Comparison(Comparison::Int { a, b, .. }) => {
                act(false, a.0);
                if let IntOperand::Gpr(b) = b {
                    act(false, b.0);
                }
            }
            Place::Comparison(Comparison::Float { a, b, .. }) => {
                act(true, a.0);
                act(true, b.0);
            }
            Place::Comparison(Comparison::Vector { a, .. }) => act(true, a.0),
            Place::Home | Place::Constant(_) | Place::Vector(_) => {}
        }
    }

    fn retain(&mut self, place: Place) {
        Self::each_register(place, |is_float, register| {
            self.registers(is_float).held[usize::from(register)].operands += 1;
        });
    }

    fn release(&mut self, place: Place) {
        Self::each_register(place, |is_float, register| {
            self.registers(is_float).held[usize::from(register)].operands -= 1;
        });
    }

    fn registers(&mut self, is_float: bool) -> &mut Registers {
        if is_float {
            &mut self.xmms
        } else {
            &mut self.gprs
        }
    }

    fn move_to(&mut self, slot: Slot, place: Place) {
        self.settled = self.settled.min(slot);
        self.retain(place);
        let operand = &mut self.s.operands[slot as usize];
        let before = std::mem::replace(&mut operand.place, place);
        self.release(before);
    }

    /// Stores an operand to its home, and leaves it where it is, too.
    pub(super) fn store_home(&mut self, slot: Slot) {
        let Operand {
            ty, place, at_home, ..
        } = self.s.operands[slot as usize];
        if at_home {
            return;
        }
        let home = self.home(slot);
        self.store_operand(ty, place, home);
        let operand = &mut self.s.operands[slot as usize];
        operand.at_home = true;
        if let Place::Comparison(_) = place {
            // Now it is a number.
            self.move_to(slot, Place::Home);
        }
    }

    /// Stores what is at `place` to memory; not what is at home.
    pub(super) fn store_operand(&mut self, ty: ValType, place: Place, to: Mem) {
        match place {
            Place::Home => {}
            Place::Gpr(register) => self.s.asm.store(width_of(ty), to, register),
            Place::Xmm(register) => self.store_xmm(ty, to, register),
            Place::Constant(bits) => self.store_constant(bytes_of(ty), bits, to),
            Place::Vector(constant) => {
                self.load_vector(constant, FLOAT_SCRATCH);
                self.store_xmm(ty, to, FLOAT_SCRATCH);
            }
            Place::Comparison(comparison) => {
                self.make_number(comparison, SCRATCH);
                self.s.asm.store(Width::W32, to, SCRATCH);
            }
        }
    }

    fn store_constant(&mut self, width: Width, bits: u64, to: Mem) {
        let asm = &mut self.s.asm;
        let short = match width {
            Width::W32 => Some((bits as u32).cast_signed()),
            Width::W64 => i32::try_from(bits.cast_signed()).ok(),
        };
        match short {
            Some(value) => asm.store_imm(width, to, value),
            None => {
                asm.mov_imm_keeping_flags(SCRATCH, bits);
                asm.store(width, to, SCRATCH);
            }
        }
    }

    /// Stores a float or a vector.
    pub(super) fn store_xmm(&mut self, ty: ValType, to: Mem, register: Xmm) {
        self.s.asm.float(move_prefix(ty), op::STOREF, register, to);
    }

    /// Loads a float or a vector.
    pub(super) fn load_xmm(&mut self, ty: ValType, register: Xmm, from: Mem) {
        self.s.asm.float(move_prefix(ty), op::MOVF, register, from);
    }

    /// Sends all operands below `height` home. Those that are followed stay where else they are.
    pub(super) fn store_homes(&mut self, height: u32) {
        self.settle_deep();
        for slot in self.settled..height.min(self.height()) {
            self.store_home(slot);
        }
    }

    /// Sends home what lies deep.
    fn settle_deep(&mut self) {
        let deep = self.height().saturating_sub(FOLLOWED);
        for slot in self.settled..deep {
            self.store_home(slot);
            let operand = &mut self.s.operands[slot as usize];
            let before = std::mem::replace(&mut operand.place, Place::Home);
            self.release(before);
        }
        self.settled = self.settled.max(deep);
    }

    /// Forgets what registers hold. What is not at home is lost.
    pub(super) fn forget_registers(&mut self) {
        for operand in &mut self.s.operands[self.settled as usize..] {
            if !matches!(operand.place, Place::Constant(_) | Place::Vector(_)) {
                operand.place = Place::Home;
                operand.at_home = true;
            }
        }
        for index in 0..16 {
            for registers in [&mut self.gprs, &mut self.xmms] {
                let held = std::mem::replace(&mut registers.held[index], NOTHING);
                if held.local != NO_LOCAL {
                    self.s.known[held.local as usize] = NO_REGISTER;
                }
            }
        }
        self.unlock();
    }

    /// Sets the operands up that a block begins with: those below `height`, all of them at home.
    pub(super) fn begin_block(&mut self, height: u32) {
        self.drop_from(height);
        self.forget_registers();
        for operand in &mut self.s.operands[self.settled as usize..] {
            operand.place = Place::Home;
            operand.at_home = true;
        }
        self.settled = self.height();
    }

    // Registers.

    /// A register that holds nothing, locked.
    pub(super) fn free_gpr(&mut self) -> Gpr {
        let free = GPRS.iter().find(|register| {
            let held = &self.gprs.held[usize::from(register.0)];
            held.operands == 0 && held.local == NO_LOCAL && !self.gprs.is_locked(register.0)
        });
        let register = match free {
            Some(&register) => register,
            None => self.make_free_gpr(),
        };
        self.gprs.lock(register.0);
        register
    }

    fn make_free_gpr(&mut self) -> Gpr {
        self.settle_deep();
        let start = usize::from(self.gprs.next);
        for operands_too in [false, true] {
            for i in 0..GPRS.len() {
                let index = (start + i) % GPRS.len();
                let register = GPRS[index];
                let held = self.gprs.held[usize::from(register.0)];
                if self.gprs.is_locked(register.0) || (held.operands > 0 && !operands_too) {
                    continue;
                }
                self.gprs.next = ((index + 1) % GPRS.len()) as u8;
                self.vacate(false, register.0);
                return register;
            }
        }
        // No operator works with eight registers at a time.
        self.unsupported = true;
        Gpr::RAX
    }

    /// A vector register that holds nothing, locked.
    pub(super) fn free_xmm(&mut self) -> Xmm {
        let free = (0..XMMS).find(|&register| {
            let held = &self.xmms.held[usize::from(register)];
            held.operands == 0 && held.local == NO_LOCAL && !self.xmms.is_locked(register)
        });
        let register = match free {
            Some(register) => register,
            None => self.make_free_xmm(),
        };
        self.xmms.lock(register);
        Xmm(register)
    }

    fn make_free_xmm(&mut self) -> u8 {
        self.settle_deep();
        let start = self.xmms.next;
        for operands_too in [false, true] {
            for i in 0..XMMS {
                let register = (start + i) % XMMS;
                let held = self.xmms.held[usize::from(register)];
                if self.xmms.is_locked(register) || (held.operands > 0 && !operands_too) {
                    continue;
                }
                self.xmms.next = (register + 1) % XMMS;
                self.vacate(true, register);
                return register;
            }
        }
        self.unsupported = true;
        0
    }

    /// Sends everything home that a register holds.
    fn vacate(&mut self, is_float: bool, register: u8) {
        if self.registers(is_float).held[usize::from(register)].operands > 0 {
            for slot in self.settled..self.height() {
                let mut uses = false;
                Self::each_register(self.place_of(slot), |kind, used| {
                    uses |= kind == is_float && used == register;
                });
                if uses {
                    self.store_home(slot);
                    if self.place_of(slot) != Place::Home {
                        self.move_to(slot, Place::Home);
                    }
                }
            }
        }
        let held = &mut self.registers(is_float).held[usize::from(register)];
        let local = std::mem::replace(&mut held.local, NO_LOCAL);
        if local != NO_LOCAL {
            self.s.known[local as usize] = NO_REGISTER;
        }
    }

    /// Makes this register hold nothing, and locks it.
    pub(super) fn take_gpr(&mut self, register: Gpr) {
        self.vacate(false, register.0);
        self.gprs.lock(register.0);
    }

    /// An integer operand in a register, locked. Not to be written to.
    pub(super) fn gpr(&mut self, slot: Slot) -> Gpr {
        let ty = self.type_of(slot);
        let register = match self.place_of(slot) {
            Place::Gpr(register) => register,
            place => {
                let register = self.free_gpr();
                match place {
                    Place::Constant(bits) => self.s.asm.mov_imm_keeping_flags(register, bits),
                    Place::Comparison(comparison) => self.make_number(comparison, register),
                    _ => {
                        let home = self.home(slot);
                        self.s.asm.load(width_of(ty), register, home);
                    }
                }
                self.move_to(slot, Place::Gpr(register));
                register
            }
        };
        self.gprs.lock(register.0);
        register
    }

    /// A float or vector operand in a register, locked. Not to be written to.
    pub(super) fn xmm(&mut self, slot: Slot) -> Xmm {
        let ty = self.type_of(slot);
        let register = match self.place_of(slot) {
            Place::Xmm(register) => register,
            place => {
                let register = self.free_xmm();
                match place {
                    Place::Constant(bits) => self.float_constant(bits, register),
                    Place::Vector(constant) => self.load_vector(constant, register),
                    _ => {
                        let home = self.home(slot);
                        self.load_xmm(ty, register, home);
                    }
                }
                self.move_to(slot, Place::Xmm(register));
                register
            }
        };
        self.xmms.lock(register.0);
        register
    }

    pub(super) fn float_constant(&mut self, bits: u64, register: Xmm) {
        if bits == 0 {
            self.s.asm.float(0, op::XORP, register, register);
        } else {
            self.s.asm.mov_imm_keeping_flags(SCRATCH, bits);
            self.s
                .asm
                .mixed(0x66, Width::W64, op::MOVD, register.0, SCRATCH);
        }
    }

    /// Loads a vector from behind the code, or makes it.
    pub(super) fn load_vector(&mut self, constant: Constant, register: Xmm) {
        let asm = &mut self.s.asm;
        match asm.bits_of(constant) {
            0 => asm.float(0, op::XORP, register, register),
            u128::MAX => asm.vector(op::PCMPEQ, register, register),
            _ => asm.float(0, op::MOVAPS, register, constant),
        }
    }

    /// A vector as an instruction's second operand: a register, locked, or memory.
    pub(super) fn vector_rm(&mut self, slot: Slot) -> Rm {
        match self.place_of(slot) {
            Place::Vector(constant) => constant.into(),
            Place::Home => self.home(slot).into(),
            _ => self.xmm(slot).into(),
        }
    }

    /// A register with an operand's value that may be written to: the operand's own if nobody else needs it.
    pub(super) fn own_gpr(&mut self, slot: Slot) -> Gpr {
        if let Some(bits) = self.constant(slot) {
            let register = self.free_gpr();
            self.s.asm.mov_imm_keeping_flags(register, bits);
            return register;
        }
        let register = self.gpr(slot);
        let held = self.gprs.held[usize::from(register.0)];
        if held.operands == 1 && held.local == NO_LOCAL {
            return register;
        }
        let copy = self.free_gpr();
        self.s.asm.mov(width_of(self.type_of(slot)), copy, register);
        copy
    }

    /// Whether [`Self::own_gpr`] would need no copy.
    pub(super) fn is_own(&self, slot: Slot) -> bool {
        match self.place_of(slot) {
            Place::Gpr(register) => {
                let held = self.gprs.held[usize::from(register.0)];
                held.operands == 1 && held.local == NO_LOCAL
            }
            Place::Xmm(register) => {
                let held = self.xmms.held[usize::from(register.0)];
                held.operands == 1 && held.local == NO_LOCAL
            }
            Place::Home | Place::Comparison(_) => true,
            Place::Constant(_) | Place::Vector(_) => false,
        }
    }

    /// The same of floats and vectors.
    pub(super) fn own_xmm(&mut self, slot: Slot) -> Xmm {
        let register = self.xmm(slot);
        let held = self.xmms.held[usize::from(register.0)];
        if held.operands == 1 && held.local == NO_LOCAL {
            return register;
        }
        let copy = self.free_xmm();
        self.s.asm.movaps(copy, register);
        copy
    }

    // Locals.

    fn know_gpr(&mut self, local: u32, register: Gpr) {
        self.gprs.held[usize::from(register.0)].local = local;
        self.s.known[local as usize] = register.0;
    }

    fn know_xmm(&mut self, local: u32, register: Xmm) {
        self.xmms.held[usize::from(register.0)].local = local;
        self.s.known[local as usize] = register.0;
    }

    pub(super) fn read_local(&mut self, local: u32) -> Slot {
        let ty = self.s.locals[local as usize];
        let known = self.s.known[local as usize];
        let cell = self.local_place(local);
        let place = if in_xmm(ty) {
            if known == NO_REGISTER {
                let register = self.free_xmm();
                self.load_xmm(ty, register, cell);
                self.know_xmm(local, register);
                Place::Xmm(register)
            } else {
                Place::Xmm(Xmm(known))
            }
        } else if known == NO_REGISTER {
            let register = self.free_gpr();
            self.s.asm.load(width_of(ty), register, cell);
            self.know_gpr(local, register);
            Place::Gpr(register)
        } else {
            Place::Gpr(Gpr(known))
        };
        self.push(ty, place)
    }

    pub(super) fn write_local(&mut self, local: u32, value: Slot) {
        let ty = self.s.locals[local as usize];
        let cell = self.local_place(local);
        if let Some(bits) = self.constant(value) {
            self.store_constant(bytes_of(ty), bits, cell);
            self.forget_local(local);
        } else if in_xmm(ty) {
            let register = self.xmm(value);
            self.store_xmm(ty, cell, register);
            self.forget_local(local);
            if self.xmms.held[usize::from(register.0)].local == NO_LOCAL {
                self.know_xmm(local, register);
            }
        } else {
            let register = self.gpr(value);
            self.s.asm.store(width_of(ty), cell, register);
            self.forget_local(local);
            if self.gprs.held[usize::from(register.0)].local == NO_LOCAL {
                self.know_gpr(local, register);
            }
        }
    }

    fn forget_local(&mut self, local: u32) {
        let known = std::mem::replace(&mut self.s.known[local as usize], NO_REGISTER);
        if known != NO_REGISTER {
            let is_float = in_xmm(self.s.locals[local as usize]);
            self.registers(is_float).held[usize::from(known)].local = NO_LOCAL;
        }
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
fn end_of(operands: &[Operand], layout: &FrameLayout) -> u32 {
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
