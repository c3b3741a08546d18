//! What each instruction of the emitter does to the checker's machine: copies and constants exactly, everything else as
//! new values in what it writes to.

use iced_x86::{
    Instruction, InstructionInfoOptions, Mnemonic, OpAccess, OpKind, Register, RflagsBits,
};

use super::access::{Target, bytes_in_memory, halves};
use super::machine::{Flags, Machine};
use super::values::{Area, Half, Pair, Pointer, Quad, ZERO, known, number, widened};
use super::{Checked, violation};
use crate::asm::Assembler;

/// Flags that conditions ask for.
const CONDITIONS: u32 =
    RflagsBits::OF | RflagsBits::SF | RflagsBits::ZF | RflagsBits::CF | RflagsBits::PF;

/// Instructions whose flags are asked for.
const COMPARING: [Mnemonic; 8] = [
    Mnemonic::Cmp,
    Mnemonic::Test,
    Mnemonic::Ucomiss,
    Mnemonic::Ucomisd,
    Mnemonic::Ptest,
    Mnemonic::Bsf,
    Mnemonic::Bsr,
    Mnemonic::Sub,
];

fn is_write(access: OpAccess) -> bool {
    matches!(
        access,
        OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
    )
}

fn is_memory(instruction: &Instruction, operand: u32) -> bool {
    operand < instruction.op_count() && instruction.op_kind(operand) == OpKind::Memory
}

/// Whether both operands are the same register.
fn is_same(instruction: &Instruction) -> bool {
    let (a, b) = (instruction.op0_register(), instruction.op1_register());
    a == b && a != Register::None
}

/// An instruction's operand.
struct OperandValue {
    value: Quad,
    /// How many halves of the value there are.
    halves: usize,
}

/// Words in the frame, of eight bytes each.
struct Words {
    area: Area,
    offset: i32,
    count: i32,
}

impl Machine {
    /// Flags that are read were made to be read, and nothing came in between.
    pub(super) fn check_flags_read(&mut self, instruction: &Instruction) -> Checked {
        if instruction.rflags_read() & CONDITIONS == 0 {
            return Ok(());
        }
        let by = self.flags.by;
        if !COMPARING.contains(&by) {
            return violation(
                "flags are those of a comparison",
                "one of its instructions",
                format!("{by:?}"),
            );
        }
        if let Some((awaited, was_read)) = &mut self.awaited {
            if *awaited != self.flags.number {
                return violation(
                    "flags are those of the condition",
                    "its comparison",
                    format!("another {by:?}"),
                );
            }
            *was_read = true;
        }
        Ok(())
    }

    /// An operand.
    fn operand(
        &mut self,
        instruction: &Instruction,
        operand: u32,
        target: Option<Target>,
    ) -> OperandValue {
        let (value, halves) = match instruction.op_kind(operand) {
            OpKind::Register => {
                let register = instruction.op_register(operand);
                if register.is_xmm() {
                    (self.xmms[register.number()], 4)
                } else {
                    (widened(self.gpr(register)), halves(register.size()))
                }
            }
            OpKind::Memory => {
                let bytes = bytes_in_memory(instruction);
                match target {
                    Some(target) => (self.load(target, bytes), halves(bytes)),
                    None => (self.values.new_quad(), halves(bytes)),
                }
            }
            _ => (widened(known(instruction.immediate(operand))), 2),
        };
        OperandValue { value, halves }
    }

    /// Writes to a general-purpose register as an instruction of this many bytes does.
    fn write_gpr(&mut self, register: Register, pair: Pair, bytes: usize) -> Checked {
        let full = register.full_register();
        if full == Register::RSP {
            return violation(
                "rsp moves by additions only",
                "no other write",
                "one".to_owned(),
            );
        }
        let high = self.gprs[full.number()][1];
        self.gprs[full.number()] = match bytes {
            8 => pair,
            4 => [pair[0], ZERO],
            _ => [self.values.new_half(), high],
        };
        Ok(())
    }

    /// An instruction that the next one follows.
    pub(super) fn straight(&mut self, instruction: &Instruction, asm: &Assembler) -> Checked {
        let has_memory = (0..instruction.op_count()).any(|i| is_memory(instruction, i));
        let target = if has_memory && instruction.mnemonic() != Mnemonic::Lea {
            Some(self.target(instruction, asm)?)
        } else {
            None
        };
        let flags = self.flags_after(instruction, target)?;
        self.effect(instruction, target)?;
        if let Some(mut flags) = flags {
            if let Mnemonic::Sub = flags.by {
                flags.result = self.known_result(instruction);
            }
            self.flags = flags;
            if COMPARING.contains(&flags.by) {
                self.compared.push(flags);
            }
        }
        Ok(())
    }

    fn known_result(&self, instruction: &Instruction) -> Option<u64> {
        let register = instruction.op0_register();
        register
            .is_gpr()
            .then(|| number(self.gprs[register.full_register().number()]))?
    }

    /// The flags that an instruction makes.
    fn flags_after(
        &mut self,
        instruction: &Instruction,
        target: Option<Target>,
    ) -> Checked<Option<Flags>> {
        if instruction.rflags_modified() & CONDITIONS == 0 {
            return Ok(None);
        }
        if let Some((_, false)) = self.awaited {
            let found = format!("{:?}", instruction.mnemonic());
            return violation(
                "flags of a condition stay until they are read",
                "no write to them",
                found,
            );
        }
        let by = instruction.mnemonic();
        let (mut left, mut right, mut count) = ([ZERO; 4], [ZERO; 4], 0);
        if COMPARING.contains(&by) && instruction.op_count() == 2 {
            let OperandValue {
                value: a,
                halves: halves_of_a,
            } = self.operand(instruction, 0, target);
            let b = self.operand(instruction, 1, target).value;
            (left, right) = (a, b);
            count = match by {
                Mnemonic::Ucomiss => 1,
                Mnemonic::Ucomisd => 2,
                _ => halves_of_a,
            };
        }
        Ok(Some(Flags {
            number: self.values.new_number(),
            by,
            left,
            right,
            halves: count,
            result: None,
        }))
    }

    fn effect(&mut self, instruction: &Instruction, target: Option<Target>) -> Checked {
        match instruction.mnemonic() {
            Mnemonic::Mov => self.mov(instruction, target),
            Mnemonic::Lea => self.lea(instruction),
            Mnemonic::Movups | Mnemonic::Movaps => self.move_vector(instruction, target, 4),
            Mnemonic::Movss => self.move_vector(instruction, target, 1),
            Mnemonic::Movsd => self.move_vector(instruction, target, 2),
            Mnemonic::Movd | Mnemonic::Movq => self.cross(instruction),
            Mnemonic::Xor if is_same(instruction) => {
                self.write_gpr(instruction.op0_register(), [ZERO; 2], 8)
            }
            Mnemonic::Xorps if is_same(instruction) => {
                self.xmms[instruction.op0_register().number()] = [ZERO; 4];
                Ok(())
            }
            Mnemonic::Pcmpeqb if is_same(instruction) => {
                self.xmms[instruction.op0_register().number()] = [Half::Known(u32::MAX); 4];
                Ok(())
            }
            Mnemonic::Add | Mnemonic::Sub if instruction.op0_register().is_gpr() => {
                self.add(instruction, target)
            }
            Mnemonic::Shr if instruction.op0_register().is_gpr64() => {
                let register = instruction.op0_register();
                let before = self.gpr(register);
                if self.values.is_length(before) && instruction.immediate(1) == 16 {
                    // A memory has at most 2^16 pages.
                    let pages = [self.values.new_half(), ZERO];
                    return self.write_gpr(register, pages, 8);
                }
                self.others(instruction, target)
            }
            Mnemonic::Cvttss2si | Mnemonic::Cvttsd2si if instruction.op0_register().is_gpr64() => {
                let truncated = self.values.new_truncated();
                self.write_gpr(instruction.op0_register(), truncated, 8)
            }
            Mnemonic::Movsxd => {
                let value = match target {
                    Some(Target::Pointed(Pointer::Code, _)) => self.values.new_distance(),
                    _ => self.values.new_pair(),
                };
                self.write_gpr(instruction.op0_register(), value, 8)
            }
            Mnemonic::Push => {
                let value = self.gpr(instruction.op0_register());
                self.write_frame(Area::Top, 0, &value);
                Ok(())
            }
            Mnemonic::Leave => self.leave(),
            Mnemonic::Movsq => self.copy_words(),
            Mnemonic::Stosq => self.fill_words(),
            _ => self.others(instruction, target),
        }
    }

    fn mov(&mut self, instruction: &Instruction, target: Option<Target>) -> Checked {
        let value = self.operand(instruction, 1, target).value;
        if let (OpKind::Memory, Some(target)) = (instruction.op0_kind(), target) {
            return self.store(target, value, bytes_in_memory(instruction));
        }
        let (to, from) = (instruction.op0_register(), instruction.op1_register());
        if (to, from) == (Register::RBP, Register::RSP) {
            let top = self.values.new_pointer(Pointer::Frame(Area::Top, 0));
            return self.write_gpr(to, top, 8);
        }
        self.write_gpr(to, [value[0], value[1]], to.size())
    }

    fn lea(&mut self, instruction: &Instruction) -> Checked {
        let displacement = instruction.memory_displacement32().cast_signed();
        let result = if instruction.is_ip_rel_memory_operand() {
            self.values.new_pointer(Pointer::Code)
        } else {
            let base = self.gpr(instruction.memory_base());
            match self.values.pointer(base) {
                Some(Pointer::Frame(area, offset))
                    if instruction.memory_index() == Register::None =>
                {
                    let moved = Pointer::Frame(area, offset + displacement);
                    self.values.new_pointer(moved)
                }
                _ => self.values.new_pair(),
            }
        };
        let to = instruction.op0_register();
        self.write_gpr(to, result, to.size())
    }

    /// A copy of so many halves between vector registers and memory.
    fn move_vector(
        &mut self,
        instruction: &Instruction,
        target: Option<Target>,
        halves: usize,
    ) -> Checked {
        let value = self.operand(instruction, 1, target).value;
        if let (OpKind::Memory, Some(target)) = (instruction.op0_kind(), target) {
            return self.store(target, value, 4 * halves);
        }
        let to = instruction.op0_register().number();
        if instruction.op1_kind() == OpKind::Register {
            // Of scalars, the rest stays.
            self.xmms[to][..halves].copy_from_slice(&value[..halves]);
        } else {
            self.xmms[to] = value;
        }
        Ok(())
    }

    /// A copy between a vector register and one of the other kind.
    fn cross(&mut self, instruction: &Instruction) -> Checked {
        let (to, from) = (instruction.op0_register(), instruction.op1_register());
        if to.is_xmm() {
            let [low, high] = self.gpr(from);
            let high = if from.size() == 8 { high } else { ZERO };
            self.xmms[to.number()] = [low, high, ZERO, ZERO];
            return Ok(());
        }
        let [low, high, ..] = self.xmms[from.number()];
        self.write_gpr(to, [low, high], to.size())
    }

    /// Additions and subtractions: of constants, of places in the frame, of an index and an offset.
    fn add(&mut self, instruction: &Instruction, target: Option<Target>) -> Checked {
        let register = instruction.op0_register();
        let right = self.operand(instruction, 1, target).value;
        let right = [right[0], right[1]];
        let is_sub = instruction.mnemonic() == Mnemonic::Sub;
        if register == Register::RSP {
            let Some(amount) = number(right) else {
                return violation(
                    "rsp moves by constants",
                    "one",
                    self.values.describe(&right),
                );
            };
            let amount = amount as i32;
            self.lowered += if is_sub { amount } else { -amount };
            return Ok(());
        }
        let left = self.gpr(register);
        let amount = number(right);
        let amount = amount.map(|amount| {
            if is_sub {
                amount.wrapping_neg()
            } else {
                amount
            }
        });
        let sum = match (number(left), amount, self.values.pointer(left)) {
            (Some(number), Some(amount), _) => known(number.wrapping_add(amount)),
            (_, Some(amount), Some(Pointer::Frame(area, offset))) => {
                let moved = Pointer::Frame(area, offset.wrapping_add(amount as i32));
                self.values.new_pointer(moved)
            }
            (_, None, Some(Pointer::Code)) if self.values.is_distance(right) => {
                self.values.new_pointer(Pointer::Code)
            }
            _ if !is_sub && left[1] == ZERO && right[1] == ZERO => self.values.new_sum(),
            _ => self.values.new_pair(),
        };
        self.write_gpr(register, sum, register.size())
    }

    fn leave(&mut self) -> Checked {
        let top = self.gprs[Register::RBP.number()];
        if self.values.pointer(top) != Some(Pointer::Frame(Area::Top, 0)) {
            return violation("rbp is the frame's", "its top", self.values.describe(&top));
        }
        let [low, high, ..] = self.read_frame(Area::Top, 0, 2);
        self.gprs[Register::RBP.number()] = [low, high];
        Ok(())
    }

    /// The words that an instruction with `rep` writes to.
    fn repeated(&mut self) -> Checked<Words> {
        let (to, count) = (
            self.gprs[Register::RDI.number()],
            self.gprs[Register::RCX.number()],
        );
        let (Some(Pointer::Frame(area, offset)), Some(count)) =
            (self.values.pointer(to), number(count))
        else {
            let found = format!(
                "{}; {}",
                self.values.describe(&to),
                self.values.describe(&count)
            );
            return violation(
                "words go to the frame, a known number of them",
                "both",
                found,
            );
        };
        self.gprs[Register::RDI.number()] = self.values.new_pair();
        self.gprs[Register::RCX.number()] = [ZERO; 2];
        Ok(Words {
            area,
            offset,
            // `number` gives 32 bits.
            count: count as i32,
        })
    }

    fn copy_words(&mut self) -> Checked {
        let from = self.gprs[Register::RSI.number()];
        let Some(Pointer::Frame(from_area, from)) = self.values.pointer(from) else {
            return violation(
                "words come from the frame",
                "it",
                self.values.describe(&from),
            );
        };
        let to = self.repeated()?;
        for word in 0..to.count {
            let [low, high, ..] = self.read_frame(from_area, from + 8 * word, 2);
            self.write_frame(to.area, to.offset + 8 * word, &[low, high]);
        }
        self.gprs[Register::RSI.number()] = self.values.new_pair();
        Ok(())
    }

    fn fill_words(&mut self) -> Checked {
        let value = self.gprs[Register::RAX.number()];
        let to = self.repeated()?;
        for word in 0..to.count {
            self.write_frame(to.area, to.offset + 8 * word, &value);
        }
        Ok(())
    }

    /// Any other instruction: what it writes to is new.
    fn others(&mut self, instruction: &Instruction, target: Option<Target>) -> Checked {
        let options = InstructionInfoOptions::NO_MEMORY_USAGE;
        let info = self.factory.info_options(instruction, options);
        let written: Vec<Register> = info
            .used_registers()
            .iter()
            .filter(|used| is_write(used.access()))
            .map(|used| used.register())
            .collect();
        let stores = (0..instruction.op_count())
            .any(|i| is_memory(instruction, i) && is_write(info.op_access(i)));
        for register in written {
            if register.is_gpr() {
                let (bytes, value) = (written_bytes(instruction, register), self.values.new_pair());
                self.write_gpr(register, value, bytes)?;
            } else if register.is_vector_register() {
                self.xmms[register.number()] = self.values.new_quad();
            }
        }
        match target {
            Some(target) if stores => {
                let value = self.values.new_quad();
                self.store(target, value, bytes_in_memory(instruction))
            }
            _ => Ok(()),
        }
    }

    // Calls.

    pub(super) fn call(&mut self, instruction: &Instruction, asm: &Assembler) -> Checked {
        if instruction.op0_kind() == OpKind::Memory {
            let callee = self.target(instruction, asm)?;
            self.check_callee(callee)?;
        } else if !self.is_behind {
            let found = format!("{:?}", instruction.op0_register());
            return violation("what is called is in memory", "a code's slot", found);
        }
        let first = self.gprs[Register::RDI.number()];
        let context = self.values.pointer(first);
        if !matches!(context, Some(Pointer::Context | Pointer::CalleeContext)) {
            return violation(
                "the first argument is a context",
                "one",
                self.values.describe(&first),
            );
        }
        if self.lowered % 16 != 0 {
            let found = format!("{:#x} lower", self.lowered);
            return violation("the stack is aligned at a call", "a multiple of 16", found);
        }
        self.forget_at_call();
        Ok(())
    }

    fn check_callee(&self, callee: Target) -> Checked {
        match callee {
            Target::Pointed(Pointer::Slots | Pointer::Builtins | Pointer::CodeSlot, _) => Ok(()),
            Target::Pointed(other, _) => violation(
                "what is called is code",
                "a code's slot",
                format!("{other:?}"),
            ),
            _ => violation(
                "what is called is code",
                "a code's slot",
                "the frame".to_owned(),
            ),
        }
    }

    pub(super) fn jump_indirectly(
        &mut self,
        instruction: &Instruction,
        asm: &Assembler,
    ) -> Checked {
        if instruction.op0_kind() == OpKind::Memory {
            let target = self.target(instruction, asm)?;
            return self.check_callee(target);
        }
        let to = self.gpr(instruction.op0_register());
        match self.values.pointer(to) {
            Some(Pointer::Code) => Ok(()),
            _ => violation(
                "a jump goes to this code",
                "a place in it",
                self.values.describe(&to),
            ),
        }
    }
}

/// How many bytes of a general-purpose register an instruction writes.
fn written_bytes(instruction: &Instruction, register: Register) -> usize {
    let full = register.full_register();
    let registers = (0..instruction.op_count())
        .filter(|&i| instruction.op_kind(i) == OpKind::Register)
        .map(|i| instruction.op_register(i));
    let explicit = registers
        .filter(|named| named.full_register() == full)
        .map(Register::size);
    match (explicit.max(), instruction.mnemonic()) {
        (Some(bytes), _) => bytes,
        (None, Mnemonic::Cdq) => 4,
        (None, Mnemonic::Div | Mnemonic::Idiv) => match instruction.op0_kind() {
            OpKind::Register => instruction.op0_register().size(),
            _ => bytes_in_memory(instruction),
        },
        (None, _) => 8,
    }
}
