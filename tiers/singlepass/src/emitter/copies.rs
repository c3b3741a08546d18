//! Copies of neighbouring values in memory: arguments, results and parameters of blocks, of which there may be a thousand. A
//! few are copied one by one; more than that by a loop, so that code does not grow with their number.

use upshift_module::ValType;

use super::state::{FLOAT_SCRATCH, FastEmitter, SCRATCH};
use crate::asm::{Flag, Gpr, Mem, Width, digit, op};

/// Bytes that are copied, or zeroed, without a loop.
pub(super) const UNROLLED: u32 = 128;

/// Registers that a loop uses, besides [`SCRATCH`]. Nothing else is to be in them then.
pub(super) const USED_BY_LOOPS: [Gpr; 3] = [Gpr::RSI, Gpr::RDI, Gpr::RCX];

/// Bytes from one vector to the next.
const VECTOR: u32 = 16;
/// The same of all other values.
const SCALAR: u32 = 8;

/// Neighbours that are copied to neighbours, in order, so that copies downwards may overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// From the registers that the copy is made with.
    pub from: u32,
    pub to: u32,
    pub bytes: u32,
    /// Whether the first value is a vector.
    pub begins_with_vector: bool,
}

/// Runs, put together value by value.
#[derive(Default)]
pub(super) struct Runs(Vec<Run>);

impl Runs {
    /// The next value.
    pub fn add(&mut self, ty: ValType, from: u32, to: u32) {
        let (bytes, is_vector) = (ty.cell_size(), ty == ValType::V128);
        if let Some(last) = self.0.last_mut()
            && last.begins_with_vector == is_vector
            && (last.from + last.bytes, last.to + last.bytes) == (from, to)
        {
            last.bytes += bytes;
            return;
        }
        self.0.push(Run {
            from,
            to,
            bytes,
            begins_with_vector: is_vector,
        });
    }

    /// The runs so far, and none from now on.
    pub fn take(&mut self) -> Vec<Run> {
        std::mem::take(&mut self.0)
    }
}

/// Where values are, and how far one is from the next.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub base: Gpr,
    pub at: u32,
    pub step: u32,
}

impl Row {
    fn place(self, index: u32) -> Mem {
        Mem::new(self.base, (self.at + index * self.step).cast_signed())
    }
}

impl FastEmitter<'_> {
    /// Copies a run between areas that begin at these registers plus these distances.
    pub(super) fn copy_run(&mut self, run: Run, from: (Gpr, u32), to: (Gpr, u32)) {
        let from_place = |at: u32| Mem::new(from.0, (from.1 + run.from + at).cast_signed());
        let to_place = |at: u32| Mem::new(to.0, (to.1 + run.to + at).cast_signed());
        let asm = &mut self.s.asm;
        if run.bytes > UNROLLED {
            asm.int(Width::W64, op::LEA, Gpr::RSI, from_place(0));
            asm.int(Width::W64, op::LEA, Gpr::RDI, to_place(0));
            asm.mov_imm_keeping_flags(Gpr::RCX, u64::from(run.bytes / SCALAR));
            asm.repeat_move();
            return;
        }
        let mut at = 0;
        while at < run.bytes {
            if run.begins_with_vector && run.bytes - at >= VECTOR {
                asm.float(0, op::MOVF, FLOAT_SCRATCH, from_place(at));
                asm.float(0, op::STOREF, FLOAT_SCRATCH, to_place(at));
                at += VECTOR;
            } else {
                asm.load(Width::W64, SCRATCH, from_place(at));
                asm.store(Width::W64, to_place(at), SCRATCH);
                at += SCALAR;
            }
        }
    }

    /// Copies so many values of one kind, vectors or not, from one row to another.
    pub(super) fn copy_row(&mut self, is_vector: bool, count: u32, from: Row, to: Row) {
        let size = if is_vector { VECTOR } else { SCALAR };
        if count * size <= UNROLLED {
            for index in 0..count {
                let ty = if is_vector {
                    ValType::V128
                } else {
                    ValType::I64
                };
                self.copy_cell(ty, from.place(index), to.place(index));
            }
            return;
        }
        let [source, destination, left] = USED_BY_LOOPS;
        let asm = &mut self.s.asm;
        asm.int(Width::W64, op::LEA, source, from.place(0));
        asm.int(Width::W64, op::LEA, destination, to.place(0));
        asm.mov_imm_keeping_flags(left, u64::from(count));
        let next = asm.position();
        let (from_place, to_place) = (Mem::new(source, 0), Mem::new(destination, 0));
        if is_vector {
            asm.float(0, op::MOVF, FLOAT_SCRATCH, from_place);
            asm.float(0, op::STOREF, FLOAT_SCRATCH, to_place);
        } else {
            asm.load(Width::W64, SCRATCH, from_place);
            asm.store(Width::W64, to_place, SCRATCH);
        }
        asm.int_imm(Width::W64, digit::ADD, source, from.step.cast_signed());
        asm.int_imm(Width::W64, digit::ADD, destination, to.step.cast_signed());
        asm.int_imm(Width::W32, digit::SUB, left, 1);
        let again = asm.jump_if(Flag::NE);
        asm.link(again, next);
    }

    /// Zeroes cells of the frame, a multiple of 8 bytes.
    pub(super) fn zero_cells(&mut self, mut start: u32, end: u32) {
        if end.saturating_sub(start) > UNROLLED {
            for register in [Gpr::RDI, Gpr::RCX, Gpr::RAX] {
                self.take_gpr(register);
            }
            let place = Mem::new(Gpr::RSP, start.cast_signed());
            let asm = &mut self.s.asm;
            asm.int(Width::W64, op::LEA, Gpr::RDI, place);
            asm.mov_imm(Gpr::RCX, u64::from((end - start) / SCALAR));
            asm.mov_imm(Gpr::RAX, 0);
            asm.repeat_store();
            return;
        }
        let asm = &mut self.s.asm;
        if !start.is_multiple_of(16) {
            let place = Mem::new(Gpr::RSP, start.cast_signed());
            asm.store_imm(Width::W64, place, 0);
            start += SCALAR;
        }
        if start < end {
            asm.float(0, op::XORP, FLOAT_SCRATCH, FLOAT_SCRATCH);
            for offset in (start..end).step_by(16) {
                let place = Mem::new(Gpr::RSP, offset.cast_signed());
                asm.float(0, op::STOREF, FLOAT_SCRATCH, place);
            }
        }
    }
}
