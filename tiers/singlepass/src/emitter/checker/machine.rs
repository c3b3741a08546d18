//! The checker's machine: registers, flags and the frame as symbols, and the way of a run through the code that was just
//! emitted, with the jumps inside of it. What each instruction does is in `instructions`, what it may access in `access`.

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic,
};

use super::access::Layout;
use super::values::{Area, Frame, Half, Pair, Pointer, Quad, Values};
use super::{Checked, violation};
use crate::asm::{Assembler, Gpr};

/// Instructions that a message lists.
pub(super) const LISTED: usize = 16;

/// The registers that a callee keeps, besides rsp.
pub(super) const KEPT: [u8; 6] = [3, 5, 12, 13, 14, 15];

/// The flags, by the instruction that made them.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Flags {
    /// Equal numbers are equal flags.
    pub number: u32,
    pub by: Mnemonic,
    /// The instruction's operands, the parts that it compares.
    pub left: Quad,
    pub right: Quad,
    /// Halves of these that count.
    pub halves: usize,
    /// The result, where it is known.
    pub result: Option<u64>,
}

/// A jump to a later instruction of the same run, and what locations held there.
struct Join {
    target: u32,
    gprs: [Pair; 16],
    xmms: [Quad; 16],
    flags: Flags,
    lowered: i32,
    /// Writes to the frame since then begin here in the journal.
    journal: usize,
}

/// A write to the frame while a jump is under way: what was there before.
struct Write {
    area: Area,
    word: i32,
    before: Option<Half>,
}

/// A store to the cells.
#[derive(Clone, Copy)]
pub(super) struct Store {
    pub start: i32,
    pub end: i32,
}

pub(super) struct Machine {
    pub(super) values: Values,
    pub(super) layout: Layout,
    pub(super) gprs: [Pair; 16],
    pub(super) xmms: [Quad; 16],
    pub(super) flags: Flags,
    /// How much lower rsp is than between operators.
    pub(super) lowered: i32,
    pub(super) frame: Frame,
    /// What registers held at the function's entry.
    pub(super) callers: [Pair; 16],
    pub(super) callers_xmms: [Quad; 16],
    /// What [`KEPT`] registers hold in the whole body.
    steady: [Pair; 16],
    /// Whether an instruction before may go on here.
    pub(super) is_live: bool,
    /// Whether the code lies behind the body.
    pub(super) is_behind: bool,
    /// Where the next run begins.
    pub(super) position: u32,
    start: u32,
    end: u32,
    joins: Vec<Join>,
    journal: Vec<Write>,
    pub(super) factory: InstructionInfoFactory,
    /// Flags of a condition that wait for their jump, and whether one was there.
    pub(super) awaited: Option<(u32, bool)>,
    /// Comparisons since the last boundary.
    pub(super) compared: Vec<Flags>,
    /// Stores to cells since the last boundary.
    pub(super) stores: Vec<Store>,
    /// Where instructions since then access linear memory.
    pub(super) guest_accesses: Vec<u32>,
    /// The last instructions.
    pub(super) recent: [u32; LISTED],
}

const NO_FLAGS: Flags = Flags {
    number: 0,
    by: Mnemonic::INVALID,
    left: [super::values::ZERO; 4],
    right: [super::values::ZERO; 4],
    halves: 0,
    result: None,
};

impl Machine {
    /// The machine at a function's entry.
    pub(super) fn new(layout: Layout) -> Self {
        let mut values = Values::default();
        let mut gprs: [Pair; 16] = std::array::from_fn(|_| values.new_pair());
        gprs[usize::from(Gpr::RDI.0)] = values.new_pointer(Pointer::Context);
        let xmms = std::array::from_fn(|_| values.new_quad());
        Self {
            values,
            layout,
            gprs,
            xmms,
            flags: NO_FLAGS,
            lowered: 0,
            frame: Frame::default(),
            callers: gprs,
            callers_xmms: xmms,
            steady: gprs,
            is_live: true,
            is_behind: false,
            position: 0,
            start: 0,
            end: 0,
            joins: Vec::new(),
            journal: Vec::new(),
            factory: InstructionInfoFactory::new(),
            awaited: None,
            compared: Vec::new(),
            stores: Vec::new(),
            guest_accesses: Vec::new(),
            recent: [u32::MAX; LISTED],
        }
    }

    /// States that the prologue ends here.
    pub(super) fn end_prologue(&mut self) {
        self.steady = self.gprs;
        self.stores.clear();
    }

    /// States that others jump here: nothing is known but what holds in the whole body.
    pub(super) fn begin_label(&mut self) {
        for register in 0..16 {
            self.gprs[usize::from(register)] = if KEPT.contains(&register) {
                self.steady[usize::from(register)]
            } else {
                self.values.new_pair()
            };
        }
        self.forget_xmms();
        self.flags = NO_FLAGS;
        self.lowered = 0;
        self.frame.forget_cells();
        self.is_live = true;
        self.awaited = None;
    }

    /// States that the code from here on is jumped to from the function's first instructions.
    pub(super) fn begin_at_entry(&mut self) {
        self.begin_label();
        self.gprs = self.callers;
    }

    /// Leaves data out that lies in the code.
    pub(super) fn skip_to(&mut self, position: u32) {
        self.position = position;
        self.is_live = false;
    }

    fn forget_xmms(&mut self) {
        for register in &mut self.xmms {
            *register = self.values.new_quad();
        }
    }

    /// What the call of a function leaves.
    pub(super) fn forget_at_call(&mut self) {
        for register in 0..16u8 {
            if !KEPT.contains(&register) {
                self.gprs[usize::from(register)] = self.values.new_pair();
            }
        }
        self.forget_xmms();
        self.frame.forget_below_cells();
        self.flags = NO_FLAGS;
    }

    // The frame.

    pub(super) fn read_frame(&mut self, area: Area, offset: i32, halves: usize) -> Quad {
        let mut read = [super::values::ZERO; 4];
        for (word, half) in (offset / 4..).zip(&mut read[..halves]) {
            *half = match self.frame.read(area, word) {
                Some(half) => half,
                None => {
                    let new = self.values.new_half();
                    self.frame.write(area, word, Some(new));
                    new
                }
            };
        }
        read
    }

    pub(super) fn write_frame(&mut self, area: Area, offset: i32, halves: &[Half]) {
        if area == Area::Cells {
            let end = offset + 4 * halves.len() as i32;
            self.stores.push(Store { start: offset, end });
        }
        for (word, &half) in (offset / 4..).zip(halves) {
            if !self.joins.is_empty() {
                let before = self.frame.read(area, word);
                self.journal.push(Write { area, word, before });
            }
            self.frame.write(area, word, Some(half));
        }
    }

    // Runs.

    /// Follows the instructions up to the end of the code.
    pub(super) fn run(&mut self, asm: &Assembler) -> Checked {
        self.end = asm.position();
        self.start = self.position;
        if self.start == self.end {
            return Ok(());
        }
        let mut decoder = Decoder::with_ip(64, asm.code(), 0, DecoderOptions::NONE);
        let mut instruction = Instruction::default();
        while self.position < self.end {
            self.join();
            if !self.is_live && self.joins.is_empty() {
                self.position = self.end;
                break;
            }
            if decoder.set_position(self.position as usize).is_err() {
                break;
            }
            decoder.set_ip(u64::from(self.position));
            decoder.decode_out(&mut instruction);
            let next = instruction.next_ip32();
            if !self.is_live {
                self.position = next;
                continue;
            }
            self.recent.rotate_left(1);
            self.recent[LISTED - 1] = self.position;
            self.position = next;
            self.step(&instruction, asm)?;
        }
        self.join();
        Ok(())
    }

    /// Brings jumps to this place together with what comes from above.
    fn join(&mut self) {
        while let Some(index) = self.joins.iter().position(|j| j.target == self.position) {
            let from = self.joins.swap_remove(index);
            if self.is_live {
                for (here, there) in self.gprs.iter_mut().zip(from.gprs) {
                    *here = self.values.join_pairs(*here, there);
                }
                for (here, there) in self.xmms.iter_mut().zip(from.xmms) {
                    for (half, other) in here.iter_mut().zip(there) {
                        *half = self.values.join(*half, other);
                    }
                }
                if self.flags.number != from.flags.number {
                    self.flags = NO_FLAGS;
                }
            } else {
                (self.gprs, self.xmms, self.flags) = (from.gprs, from.xmms, from.flags);
                self.lowered = from.lowered;
                self.is_live = true;
            }
            // Cells that only one of the ways has written to, the first write first.
            let mut seen = Vec::new();
            for Write { area, word, before } in &self.journal[from.journal..] {
                if seen.contains(&(*area, *word)) {
                    continue;
                }
                seen.push((*area, *word));
                if self.frame.read(*area, *word) != *before {
                    self.frame.write(*area, *word, None);
                }
            }
        }
        if self.joins.is_empty() {
            self.journal.clear();
        }
    }

    /// A jump: inside of this run to a place behind it or, where it is known how often, before it; or out of the body's
    /// straight line.
    fn jump(&mut self, instruction: &Instruction) -> Checked {
        let target = instruction.near_branch_target() as u32;
        let is_conditional = instruction.flow_control() == FlowControl::ConditionalBranch;
        if target > self.position && target <= self.end {
            self.joins.push(Join {
                target,
                gprs: self.gprs,
                xmms: self.xmms,
                flags: self.flags,
                lowered: self.lowered,
                journal: self.journal.len(),
            });
        } else if target == self.position && instruction.is_jcc_short() {
            let found = "it goes nowhere".to_owned();
            return violation(
                "a short jump is linked before the emitter's call ends",
                "a distance",
                found,
            );
        }
        if !is_conditional {
            self.is_live = false;
            return Ok(());
        }
        if (self.start..self.position).contains(&target) {
            // A loop over values of one kind, which counts down.
            let Some(left) = self.flags.result else {
                let found = self.values.describe(&self.flags.left[..2]);
                return violation(
                    "a loop inside of an operator counts",
                    "a known number",
                    found,
                );
            };
            if left != 0 {
                self.position = target;
            }
        }
        Ok(())
    }

    fn step(&mut self, instruction: &Instruction, asm: &Assembler) -> Checked {
        self.check_flags_read(instruction)?;
        match instruction.flow_control() {
            FlowControl::Next => self.straight(instruction, asm),
            FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch => {
                self.jump(instruction)
            }
            FlowControl::IndirectBranch => {
                self.jump_indirectly(instruction, asm)?;
                self.is_live = false;
                Ok(())
            }
            FlowControl::IndirectCall => self.call(instruction, asm),
            FlowControl::Return => {
                self.check_return()?;
                self.is_live = false;
                Ok(())
            }
            // `ud2`.
            FlowControl::Exception => {
                self.is_live = false;
                Ok(())
            }
            other => violation(
                "instructions are those of the emitter",
                "a known one",
                format!("{other:?}"),
            ),
        }
    }

    /// What a function owes its caller.
    fn check_return(&mut self) -> Checked {
        for register in KEPT {
            let (before, now) = (
                self.callers[usize::from(register)],
                self.gprs[usize::from(register)],
            );
            if before != now {
                let claim = format!("register {register} is the caller's again");
                let found = self.values.describe(&now);
                return violation(claim, self.values.describe(&before), found);
            }
        }
        Ok(())
    }
}
