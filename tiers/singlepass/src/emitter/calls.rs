//! Calls: within the module, of imports, through tables, of the runtime; and returns.
//!
//! The convention is the platform's (System V Application Binary Interface, AMD64 supplement, 3.2.3), with the context
//! as the first argument and, where there is more than one result, where they go as the last.

use upshift_module::{
    DefinedFuncIndex, FuncIndex, FuncType, TableIndex, TypeIndex, ValType, to_u32, to_usize,
};
use upshift_runtime::{Builtin, BuiltinType, TrapCode, offsets};

use super::copies::{Row, Runs, UNROLLED};
use super::state::{
    CONTEXT, FLOAT_SCRATCH, FastEmitter, Place, RESULTS, SCRATCH, Slot, home_behind, in_xmm,
    width_of,
};
use crate::asm::{Flag, Gpr, Mem, Width, Xmm, digit, op};

/// Where integer arguments behind the context are.
const ARGUMENT_GPRS: [Gpr; 5] = [Gpr::RSI, Gpr::RDX, Gpr::RCX, Gpr::R8, Gpr::R9];
/// How many float arguments are in registers.
const ARGUMENT_XMMS: u8 = 8;

/// Bytes of a code slot, of a type id, of a cell for a result.
const SLOT_SIZE: i32 = 8;
const TYPE_ID_SIZE: i32 = 4;
const RESULT_CELL: u32 = 16;

fn is_vector(ty: ValType) -> bool {
    ty == ValType::V128
}

/// Cells for results.
fn cells(base: Gpr, at: u32) -> Row {
    Row {
        base,
        at,
        step: RESULT_CELL,
    }
}

/// Where an argument is.
pub(super) enum Argument {
    Gpr(Gpr),
    Xmm(Xmm),
    /// So many bytes above the first one on the stack.
    Stack(u32),
}

/// Gives arguments their places, one after the other.
pub(super) struct Arguments {
    gprs: usize,
    xmms: u8,
    stack: u32,
}

impl Arguments {
    pub(super) fn new() -> Self {
        Self {
            gprs: 0,
            xmms: 0,
            stack: 0,
        }
    }

    pub(super) fn next(&mut self, ty: ValType) -> Argument {
        if in_xmm(ty) {
            if self.xmms < ARGUMENT_XMMS {
                self.xmms += 1;
                return Argument::Xmm(Xmm(self.xmms - 1));
            }
        } else if let Some(&register) = ARGUMENT_GPRS.get(self.gprs) {
            self.gprs += 1;
            return Argument::Gpr(register);
        }
        let offset = home_behind(self.stack, ty);
        self.stack = offset + ty.cell_size();
        Argument::Stack(offset)
    }
}

/// The callee.
enum Callee {
    /// A function of this module.
    Own(DefinedFuncIndex),
    /// The function of a reference in the context, at this offset.
    Imported(i32),
    /// The function of the reference in `r10`.
    Reference,
}

/// Copies between registers that are all made at once.
#[derive(Default)]
struct Moves {
    list: [(u8, u8); 8],
    len: usize,
}

impl Moves {
    fn add(&mut self, to: u8, from: u8) {
        if to != from {
            self.list[self.len] = (to, from);
            self.len += 1;
        }
    }

    /// The next copy to make: its destination is nobody's source any more. Of a cycle, `break_cycle` is asked to save
    /// a register, and says where.
    fn next(&mut self, mut break_cycle: impl FnMut(u8) -> u8) -> Option<(u8, u8)> {
        let moves = &mut self.list[..self.len];
        if moves.is_empty() {
            return None;
        }
        let is_source = |register: u8| moves.iter().any(|&(_, from)| from == register);
        let free = moves.iter().position(|&(to, _)| !is_source(to));
        let index = free.unwrap_or_else(|| {
            let (to, _) = moves[0];
            let saved = break_cycle(to);
            for (_, from) in moves.iter_mut() {
                if *from == to {
                    *from = saved;
                }
            }
            0
        });
        let found = self.list[index];
        self.len -= 1;
        self.list[index] = self.list[self.len];
        Some(found)
    }
}

impl FastEmitter<'_> {
    pub(super) fn call_function(
        &mut self,
        function: FuncIndex,
        args: &[Slot],
        results: &mut Vec<Slot>,
    ) {
        let callee = match self.module.defined_function(function) {
            Some(defined) => {
                self.s.calls.add(defined);
                Callee::Own(defined)
            }
            None => Callee::Imported(self.unit.offsets.funcref(function)),
        };
        let ty = self.module.func_type(function);
        self.call_code(callee, ty, args, results);
    }

    pub(super) fn call_table(
        &mut self,
        table: TableIndex,
        type_index: TypeIndex,
        index: Slot,
        args: &[Slot],
        results: &mut Vec<Slot>,
    ) {
        const REFERENCE: Gpr = Gpr::R10;
        self.take_gpr(REFERENCE);
        let element = self.table_element(table, index, TrapCode::UndefinedElement);
        let ids = Mem::new(CONTEXT, offsets::VMCONTEXT_TYPE_IDS);
        let expected = Mem::new(SCRATCH, TYPE_ID_SIZE * type_index.as_u32().cast_signed());
        let asm = &mut self.s.asm;
        asm.load(Width::W64, REFERENCE, element);
        asm.int(Width::W64, op::TEST, REFERENCE, REFERENCE);
        self.trap_if(Flag::E, TrapCode::UninitializedElement);
        let asm = &mut self.s.asm;
        asm.load(Width::W64, SCRATCH, ids);
        asm.load(Width::W32, SCRATCH, expected);
        let actual = Mem::new(REFERENCE, offsets::VMFUNCREF_TYPE_ID);
        asm.int(Width::W32, op::CMP, SCRATCH, actual);
        self.trap_if(Flag::NE, TrapCode::IndirectCallTypeMismatch);
        if self.unit.settings.record_calls
            && let Some(cell) = self.unit.calls.cell(self.function, self.offset)
        {
            let cell = Mem::new(CONTEXT, self.unit.offsets.call_cell(cell));
            self.s.asm.store(Width::W64, cell, REFERENCE);
        }
        let ty = &self.module.types[type_index];
        // The index lies above the arguments.
        self.drop_from(index);
        self.call_code(Callee::Reference, ty, args, results);
    }

    fn call_code(&mut self, callee: Callee, ty: &FuncType, args: &[Slot], results: &mut Vec<Slot>) {
        let first = args.first().copied().unwrap_or_else(|| self.height());
        self.store_homes(first);
        let area = self.pass_arguments(ty, args);
        let asm = &mut self.s.asm;
        match callee {
            Callee::Own(defined) => {
                let slots = Mem::new(CONTEXT, offsets::VMCONTEXT_SLOTS);
                asm.load(Width::W64, SCRATCH, slots);
                asm.mov(Width::W64, Gpr::RDI, CONTEXT);
                asm.call_at(Mem::new(
                    SCRATCH,
                    SLOT_SIZE * defined.as_u32().cast_signed(),
                ));
            }
            Callee::Imported(reference) => {
                self.announce_caller();
                let field = |offset| Mem::new(CONTEXT, reference + offset);
                let asm = &mut self.s.asm;
                asm.load(Width::W64, SCRATCH, field(offsets::VMFUNCREF_SLOT));
                asm.load(Width::W64, Gpr::RDI, field(offsets::VMFUNCREF_VMCTX));
                asm.call_at(Mem::new(SCRATCH, 0));
            }
            Callee::Reference => {
                let field = |offset| Mem::new(Gpr::R10, offset);
                let asm = &mut self.s.asm;
                // Mostly the callee is of this instance. As that is foreseen, its reads from its context need
                // not wait for the table's element and the reference.
                asm.mov(Width::W64, Gpr::RDI, CONTEXT);
                asm.int(
                    Width::W64,
                    op::CMP,
                    CONTEXT,
                    field(offsets::VMFUNCREF_VMCTX),
                );
                let own = asm.skip_if(Flag::E);
                self.announce_caller();
                let asm = &mut self.s.asm;
                asm.load(Width::W64, Gpr::RDI, field(offsets::VMFUNCREF_VMCTX));
                asm.end_skip(own);
                asm.load(Width::W64, SCRATCH, field(offsets::VMFUNCREF_SLOT));
                asm.call_at(Mem::new(SCRATCH, 0));
            }
        }
        self.drop_from(first);
        self.forget_registers();
        self.take_results(ty.results(), area, results);
        self.raise_stack();
    }

    /// Tells the caller to a callee that may be a host function.
    fn announce_caller(&mut self) {
        let store = Mem::new(CONTEXT, offsets::VMCONTEXT_STORE);
        let asm = &mut self.s.asm;
        asm.load(Width::W64, SCRATCH, store);
        asm.store(
            Width::W64,
            Mem::new(SCRATCH, offsets::VMSTORE_CALLER),
            CONTEXT,
        );
    }

    /// Puts arguments where a callee expects them. Returns where results will be, in bytes above rsp.
    fn pass_arguments(&mut self, ty: &FuncType, args: &[Slot]) -> u32 {
        let results = to_u32(ty.results().len());
        let by_pointer = results > 1;
        let mut places = Arguments::new();
        for &param in ty.params() {
            places.next(param);
        }
        let pointer = by_pointer.then(|| places.next(ValType::I64));
        let area = places.stack.next_multiple_of(16);
        let size = area + if by_pointer { results * RESULT_CELL } else { 0 };
        if size > 0 {
            self.lowered = size;
            self.most_lowered = self.most_lowered.max(size);
            let asm = &mut self.s.asm;
            asm.int_imm(Width::W64, digit::SUB, Gpr::RSP, size.cast_signed());
        }

        if area > UNROLLED {
            // Loops copy them from home, and use registers that arguments may be in.
            self.store_homes(self.height());
            self.forget_registers();
        }
        let mut places = Arguments::new();
        let (mut gprs, mut xmms) = (Moves::default(), Moves::default());
        let mut from_homes = Runs::default();
        for (&param, &arg) in ty.params().iter().zip(args) {
            if let Place::Comparison(_) = self.place_of(arg) {
                self.store_home(arg);
            }
            match (places.next(param), self.place_of(arg)) {
                (Argument::Stack(offset), place) => {
                    if place == Place::Home || area > UNROLLED {
                        from_homes.add(param, self.home_offset(arg), offset);
                    } else {
                        let to = Mem::new(Gpr::RSP, offset.cast_signed());
                        self.store_operand(param, place, to);
                    }
                }
                (Argument::Gpr(to), Place::Gpr(from)) => gprs.add(to.0, from.0),
                (Argument::Xmm(to), Place::Xmm(from)) => xmms.add(to.0, from.0),
                _ => {}
            }
        }
        for run in from_homes.take() {
            self.copy_run(run, (Gpr::RSP, self.lowered), (Gpr::RSP, 0));
        }
        let asm = &mut self.s.asm;
        while let Some((to, from)) = gprs.next(|register| {
            asm.mov(Width::W64, SCRATCH, Gpr(register));
            SCRATCH.0
        }) {
            asm.mov(Width::W64, Gpr(to), Gpr(from));
        }
        while let Some((to, from)) = xmms.next(|register| {
            asm.movaps(FLOAT_SCRATCH, Xmm(register));
            FLOAT_SCRATCH.0
        }) {
            asm.movaps(Xmm(to), Xmm(from));
        }
        let mut places = Arguments::new();
        for (&param, &arg) in ty.params().iter().zip(args) {
            match (places.next(param), self.place_of(arg)) {
                (Argument::Gpr(to), Place::Constant(bits)) => {
                    self.s.asm.mov_imm(to, bits);
                }
                (Argument::Gpr(to), Place::Home) => {
                    let home = self.home(arg);
                    self.s.asm.load(width_of(param), to, home);
                }
                (Argument::Xmm(to), Place::Constant(bits)) => self.float_constant(bits, to),
                (Argument::Xmm(to), Place::Vector(constant)) => self.load_vector(constant, to),
                (Argument::Xmm(to), Place::Home) => {
                    let home = self.home(arg);
                    self.load_xmm(param, to, home);
                }
                _ => {}
            }
        }
        let cells = Mem::new(Gpr::RSP, area.cast_signed());
        let asm = &mut self.s.asm;
        match pointer {
            Some(Argument::Gpr(register)) => asm.int(Width::W64, op::LEA, register, cells),
            Some(Argument::Stack(offset)) => {
                asm.int(Width::W64, op::LEA, SCRATCH, cells);
                let to = Mem::new(Gpr::RSP, offset.cast_signed());
                asm.store(Width::W64, to, SCRATCH);
            }
            Some(Argument::Xmm(_)) | None => {}
        }
        self.check_arguments(ty, args, area);
        area
    }

    fn take_results(&mut self, types: &[ValType], area: u32, results: &mut Vec<Slot>) {
        match *types {
            [] => {}
            [ty] => results.push(self.push_result(ty)),
            _ => {
                let mut cell = area;
                for of_kind in types.chunk_by(|&a, &b| is_vector(a) == is_vector(b)) {
                    let mut first = None;
                    for &ty in of_kind {
                        let slot = self.push(ty, Place::Home);
                        first = first.or(Some(slot));
                        results.push(slot);
                        // The frame has room for it.
                        self.home(slot);
                    }
                    let count = to_u32(of_kind.len());
                    let from = cells(Gpr::RSP, cell);
                    let to = self.homes_from(first.unwrap_or_default(), of_kind[0]);
                    self.copy_row(is_vector(of_kind[0]), count, from, to);
                    cell += count * RESULT_CELL;
                }
                self.check_results(types, area, results);
            }
        }
    }

    /// The homes of operands of one kind, of which this is the first.
    fn homes_from(&self, first: Slot, ty: ValType) -> Row {
        Row {
            base: Gpr::RSP,
            at: self.home_offset(first) + self.lowered,
            step: ty.cell_size(),
        }
    }

    /// The result of a call that has just been made.
    fn push_result(&mut self, ty: ValType) -> Slot {
        let place = if in_xmm(ty) {
            Place::Xmm(Xmm(0))
        } else {
            if ty == ValType::I32 {
                // Callees leave anything in the upper half.
                self.s.asm.mov(Width::W32, Gpr::RAX, Gpr::RAX);
            }
            Place::Gpr(Gpr::RAX)
        };
        self.push(ty, place)
    }

    /// Gives up a call's part of the stack.
    fn raise_stack(&mut self) {
        let size = std::mem::take(&mut self.lowered);
        if size > 0 {
            let asm = &mut self.s.asm;
            asm.int_imm(Width::W64, digit::ADD, Gpr::RSP, size.cast_signed());
        }
    }

    pub(super) fn call_runtime(&mut self, builtin: Builtin, args: &[Slot]) -> Option<Slot> {
        let lowest = args.iter().copied().min().unwrap_or_else(|| self.height());
        self.store_homes(lowest);
        let val_type = |ty: &BuiltinType| match ty {
            BuiltinType::I32 => ValType::I32,
            BuiltinType::I64 | BuiltinType::Pointer => ValType::I64,
        };
        let ty = FuncType::new(builtin.params().iter().map(val_type), []);
        self.pass_arguments(&ty, args);
        self.call_stub(builtin);
        self.drop_from(lowest);
        self.forget_registers();
        let result = builtin.result()?;
        Some(self.push_result(val_type(&result)))
    }

    /// Calls the runtime, whose arguments behind the context are where it expects them.
    pub(super) fn call_stub(&mut self, builtin: Builtin) {
        let builtins = Mem::new(CONTEXT, offsets::VMCONTEXT_BUILTINS);
        let asm = &mut self.s.asm;
        asm.load(Width::W64, SCRATCH, builtins);
        asm.mov(Width::W64, Gpr::RDI, CONTEXT);
        asm.call_at(Mem::new(SCRATCH, builtin.offset()));
    }

    pub(super) fn return_from_function(&mut self, values: &[Slot]) {
        match *values {
            [] => {}
            [value] => {
                if in_xmm(self.type_of(value)) {
                    let register = self.xmm(value);
                    if register != Xmm(0) {
                        self.s.asm.movaps(Xmm(0), register);
                    }
                } else if let Some(bits) = self.constant(value) {
                    self.s.asm.mov_imm(Gpr::RAX, bits);
                } else {
                    let register = self.gpr(value);
                    if register != Gpr::RAX {
                        self.s.asm.mov(Width::W64, Gpr::RAX, register);
                    }
                }
            }
            _ => {
                for &value in values {
                    self.store_home(value);
                }
                let results = Mem::new(Gpr::RBP, RESULTS);
                self.s.asm.load(Width::W64, Gpr::RAX, results);
                let mut cell = 0;
                let types = self.ty.results();
                for of_kind in types.chunk_by(|&a, &b| is_vector(a) == is_vector(b)) {
                    let first = values[to_usize(cell / RESULT_CELL)];
                    let count = to_u32(of_kind.len());
                    let from = self.homes_from(first, of_kind[0]);
                    let to = cells(Gpr::RAX, cell);
                    self.copy_row(is_vector(of_kind[0]), count, from, to);
                    cell += count * RESULT_CELL;
                }
            }
        }
        self.check_returned(values);
        self.leave();
    }
}
