//! The frame: prologue and epilogue, parameters, places of cells, and records of places in the code: traps,
//! offsets, amounts of work.

use upshift_module::{EntityRef, LocalIndex, ModuleOffset, ValType, to_usize};
use upshift_runtime::{CodeOffset, TrapCode, TrapSite, offsets};
use upshift_translate::WorkSite;

use super::calls::{Argument, Arguments};
use super::copies::{Runs, UNROLLED, USED_BY_LOOPS};
use super::state::{
    CONTEXT, FLOAT_SCRATCH, FRAME_TOP, FastEmitter, MEMORY, Operand, RESULTS, SAVED_CONTEXT,
    SAVED_MEMORY, SCRATCH, Slot, Stub, end_of, width_of,
};
use crate::asm::{Flag, Gpr, Mem, Width, digit, op};

/// Where arguments that came on the stack are, from rbp.
const STACK_ARGUMENTS: u32 = 16;

impl FastEmitter<'_> {
    pub(super) fn begin_function(&mut self) {
        self.s.offsets.push(CodeOffset {
            code: 0,
            module: self.offset,
        });
        let budget = self.unit.offsets.budget(self.function);
        let asm = &mut self.s.asm;
        if self.unit.settings.count_work {
            // Before anything is touched: better code may be jumped to from here.
            let place = Mem::new(Gpr::RDI, budget);
            let work = asm.int_imm32(Width::W32, digit::SUB, place, 0);
            self.s.sites.push(work);
            let out = asm.jump_if(Flag::S);
            self.entry_check = Some((out, asm.position()));
        }
        if let Some(offset) = self.unit.offsets.call_count(self.function) {
            asm.int_imm(Width::W64, digit::ADD, Mem::new(Gpr::RDI, offset), 1);
        }
        asm.push(Gpr::RBP);
        asm.mov(Width::W64, Gpr::RBP, Gpr::RSP);
        // Compare the coming rsp with the limit.
        asm.load(
            Width::W64,
            SCRATCH,
            Mem::new(Gpr::RDI, offsets::VMCONTEXT_STORE),
        );
        asm.mov(Width::W64, Gpr::RAX, Gpr::RSP);
        let first = asm.int_imm32(Width::W64, digit::SUB, Gpr::RAX, 0);
        let limit = Mem::new(SCRATCH, offsets::VMSTORE_STACK_LIMIT);
        asm.int(Width::W64, op::CMP, Gpr::RAX, limit);
        self.trap_if(Flag::B, TrapCode::StackOverflow);
        let asm = &mut self.s.asm;
        let second = asm.int_imm32(Width::W64, digit::SUB, Gpr::RSP, 0);
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

    pub(super) fn has_memory(&self) -> bool {
        !self.module.memories.is_empty()
    }

    /// Puts parameters into their cells, and zeroes the other locals.
    pub(super) fn take_params(&mut self) {
        let ty = self.ty;
        let (mut arguments, mut on_stack) = (Arguments::new(), Runs::default());
        for (local, &param) in (0..).map(LocalIndex::from_u32).zip(ty.params()) {
            let cell = self.local_place(local);
            match arguments.next(param) {
                Argument::Gpr(register) => {
                    let width = width_of(param);
                    if width == Width::W32 {
                        // Callers leave anything in the upper half.
                        self.s.asm.mov(width, register, register);
                    }
                    self.s.asm.store(width, cell, register);
                    self.know_gpr(local, register);
                }
                Argument::Xmm(register) => {
                    self.store_xmm(param, cell, register);
                    self.know_xmm(local, register);
                }
                Argument::Stack(offset) => {
                    on_stack.add(param, offset, self.layout.local_offset(local));
                }
            }
        }
        if ty.results().len() > 1 {
            let results = match arguments.next(ValType::I64) {
                Argument::Stack(offset) => {
                    let place = Mem::new(Gpr::RBP, (STACK_ARGUMENTS + offset).cast_signed());
                    self.s.asm.load(Width::W64, SCRATCH, place);
                    SCRATCH
                }
                Argument::Gpr(register) => register,
                Argument::Xmm(_) => SCRATCH,
            };
            let place = Mem::new(Gpr::RBP, RESULTS);
            self.s.asm.store(Width::W64, place, results);
        }
        for run in on_stack.take() {
            if run.bytes > UNROLLED {
                for register in USED_BY_LOOPS {
                    self.take_gpr(register);
                }
            }
            self.copy_run(run, (Gpr::RBP, STACK_ARGUMENTS), (Gpr::RSP, self.lowered));
        }
        let params = ty.params().len();
        if params < self.s.locals.len() {
            let start = self.layout.local_offset(LocalIndex::new(params));
            self.zero_cells(start, self.layout.operands_offset());
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

    pub(super) fn frame_size(&self) -> u32 {
        FRAME_TOP + self.aside.next_multiple_of(16) + self.cells.next_multiple_of(16)
    }

    /// The frame, and the space of calls below it: all of it has to be within the stack's limit.
    pub(super) fn stack_size(&self) -> u32 {
        self.frame_size() + self.most_lowered
    }

    /// Has a frame of more than a page touched page by page, from the top, before anything is written to it.
    pub(super) fn place_probes(&mut self) {
        const PAGE: u32 = 4096;
        /// Bytes of the instruction that lowers the stack pointer by a number of 32 bits.
        const LOWERS: u32 = 7;
        let size = self.stack_size();
        if size <= PAGE {
            return;
        }
        if let Some(&CodeOffset { module, .. }) = self.s.offsets.first() {
            self.set_offset(module);
        }
        let asm = &mut self.s.asm;
        let go_on = self.frame_sizes[1] + 4;
        let out = asm.jump_instead(go_on, LOWERS);
        asm.link_here(out);
        for below in (PAGE..size).step_by(to_usize(PAGE)) {
            let place = Mem::new(Gpr::RSP, -below.cast_signed());
            asm.int(Width::W64, op::TEST, Gpr::RAX, place);
        }
        self.frame_sizes[1] = asm.int_imm32(Width::W64, digit::SUB, Gpr::RSP, 0);
        let back = asm.jump();
        asm.link(back, go_on);
    }

    /// Writes the sizes to where they are needed, now that they are known.
    pub(super) fn set_frame_size(&mut self) {
        let [compared, subtracted] = self.frame_sizes;
        let (stack, frame) = (self.stack_size(), self.frame_size());
        self.s.asm.set_imm32(compared, stack.cast_signed());
        self.s.asm.set_imm32(subtracted, frame.cast_signed());
    }

    pub(super) fn local_place(&self, local: LocalIndex) -> Mem {
        Mem::new(
            Gpr::RSP,
            (self.layout.local_offset(local) + self.lowered).cast_signed(),
        )
    }

    pub(super) fn home(&mut self, slot: Slot) -> Mem {
        let Operand { ty, home, .. } = self.s.operands[to_usize(slot)];
        self.cell(ty, home)
    }

    /// A cell for a value of this type.
    pub(super) fn cell(&mut self, ty: ValType, offset: u32) -> Mem {
        self.cells = self.cells.max(offset + ty.cell_size());
        Mem::new(Gpr::RSP, (offset + self.lowered).cast_signed())
    }

    /// The first byte behind the homes of the operands below `height`.
    pub(super) fn end_of_homes(&self, height: u32) -> u32 {
        let height = to_usize(height.min(self.height()));
        end_of(&self.s.operands[..height], &self.layout)
    }

    /// Where an operand's home is, in bytes from the first cell.
    pub(super) fn home_offset(&self, slot: Slot) -> u32 {
        self.s.operands[to_usize(slot)].home
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
        if let Some(&position) = self.s.sites.get(site) {
            // More than a budget holds need not be counted.
            let work = operators.min(i32::MAX.cast_unsigned()).cast_signed();
            self.s.asm.set_imm32(position, work);
        }
    }

    // Traps and offsets.

    pub(super) fn set_offset(&mut self, offset: ModuleOffset) {
        self.offset = offset;
        self.mark_offset();
    }

    /// States that code from here on belongs to the current operator.
    pub(super) fn mark_offset(&mut self) {
        let (code, module) = (self.s.asm.position(), self.offset);
        match self.s.offsets.last_mut() {
            Some(last) if last.code == code => last.module = module,
            Some(last) if last.module == module => {}
            _ => self.s.offsets.push(CodeOffset { code, module }),
        }
    }

    /// States that the next instruction may trap.
    pub(super) fn may_trap(&mut self, code: TrapCode) {
        let site = TrapSite {
            code: self.s.asm.position(),
            trap: code,
        };
        self.s.traps.push(site);
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
}
