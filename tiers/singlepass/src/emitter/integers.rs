//! Integer operators, conditions and selection.

use upshift_module::{ValType, low_u8, low_u32};
use upshift_runtime::TrapCode;
use upshift_translate::{IntBinary, IntCompare, IntDivision, IntType, IntUnary};

use super::state::{
    Comparison, FastEmitter, FloatCondition, IntOperand, Place, SCRATCH, Slot, in_xmm, packed,
    width, width_of,
};
use crate::asm::{Flag, Gpr, Mem, Width, digit, op};

/// "Overflow": of `cmp x, 1`, it tells the least integer.
const OVERFLOW: Flag = Flag(0);

fn flag(op: IntCompare) -> Flag {
    match op {
        IntCompare::Eq => Flag::E,
        IntCompare::Ne => Flag::NE,
        IntCompare::LtS => Flag::L,
        IntCompare::LtU => Flag::B,
        IntCompare::GtS => Flag::G,
        IntCompare::GtU => Flag::A,
        IntCompare::LeS => Flag::LE,
        IntCompare::LeU => Flag::BE,
        IntCompare::GeS => Flag::GE,
        IntCompare::GeU => Flag::AE,
    }
}

/// The condition on exchanged operands.
fn exchanged(flag: Flag) -> Flag {
    match flag {
        Flag::L => Flag::G,
        Flag::G => Flag::L,
        Flag::LE => Flag::GE,
        Flag::GE => Flag::LE,
        Flag::B => Flag::A,
        Flag::A => Flag::B,
        Flag::BE => Flag::AE,
        Flag::AE => Flag::BE,
        symmetric => symmetric,
    }
}

impl FastEmitter<'_> {
    pub(super) fn binary_int(&mut self, ty: IntType, op: IntBinary, a: Slot, b: Slot) -> Slot {
        let result = match op {
            IntBinary::Add => self.add(ty, a, b),
            IntBinary::Sub => self.subtract(ty, a, b),
            IntBinary::Mul => self.multiply(ty, a, b),
            IntBinary::And => self.bitwise(ty, op::AND, digit::AND, a, b),
            IntBinary::Or => self.bitwise(ty, op::OR, digit::OR, a, b),
            IntBinary::Xor => self.bitwise(ty, op::XOR, digit::XOR, a, b),
            IntBinary::Shl => self.shift(ty, digit::SHL, a, b),
            IntBinary::ShrS => self.shift(ty, digit::SAR, a, b),
            IntBinary::ShrU => self.shift(ty, digit::SHR, a, b),
            IntBinary::Rotl => self.shift(ty, digit::ROL, a, b),
            IntBinary::Rotr => self.shift(ty, digit::ROR, a, b),
        };
        self.replace(a.min(b), ty.into(), Place::Gpr(result))
    }

    /// The same operands for an operator that does not mind their order: a constant second, and first an operand that can be
    /// overwritten.
    fn in_order(&self, a: Slot, b: Slot) -> (Slot, Slot) {
        let b_first = self.constant(a).is_some()
            || (self.constant(b).is_none() && !self.is_own(a) && self.is_own(b));
        if b_first { (b, a) } else { (a, b) }
    }

    fn add(&mut self, ty: IntType, a: Slot, b: Slot) -> Gpr {
        let width = width(ty);
        let (a, b) = self.in_order(a, b);
        if self.is_own(a) {
            return self.bitwise(ty, op::ADD, digit::ADD, a, b);
        }
        let constant = self.short_constant(b, width);
        let x = self.gpr(a);
        let sum = match constant {
            Some(constant) => Mem::new(x, constant),
            None => {
                let y = self.gpr(b);
                Mem::sum(x, y)
            }
        };
        let result = self.free_gpr();
        self.s.asm.int(width, op::LEA, result, sum);
        result
    }

    fn subtract(&mut self, ty: IntType, a: Slot, b: Slot) -> Gpr {
        let width = width(ty);
        if let Some(constant) = self.short_constant(b, width)
            && let Some(negative) = constant.checked_neg()
            && !self.is_own(a)
        {
            let x = self.gpr(a);
            let result = self.free_gpr();
            let sum = Mem::new(x, negative);
            self.s.asm.int(width, op::LEA, result, sum);
            return result;
        }
        self.bitwise_as_is(ty, op::SUB, digit::SUB, a, b)
    }

    fn multiply(&mut self, ty: IntType, a: Slot, b: Slot) -> Gpr {
        let width = width(ty);
        let (a, b) = self.in_order(a, b);
        let Some(constant) = self.short_constant(b, width) else {
            let result = self.own_gpr(a);
            let y = self.gpr(b);
            self.s.asm.int(width, op::IMUL, result, y);
            return result;
        };
        if constant > 0 && constant.count_ones() == 1 {
            let result = self.own_gpr(a);
            let count = low_u8(constant.trailing_zeros());
            self.s.asm.shift_imm(width, digit::SHL, result, count);
            return result;
        }
        let x = self.gpr(a);
        let result = self.free_gpr();
        self.s.asm.imul_imm(width, result, x, constant);
        result
    }

    fn bitwise(&mut self, ty: IntType, opcode: u32, digit: u8, a: Slot, b: Slot) -> Gpr {
        let (a, b) = self.in_order(a, b);
        self.bitwise_as_is(ty, opcode, digit, a, b)
    }

    fn bitwise_as_is(&mut self, ty: IntType, opcode: u32, digit: u8, a: Slot, b: Slot) -> Gpr {
        let width = width(ty);
        let result = self.own_gpr(a);
        match self.short_constant(b, width) {
            Some(constant) => self.s.asm.int_imm(width, digit, result, constant),
            None => {
                let y = self.gpr(b);
                self.s.asm.int(width, opcode, result, y);
            }
        }
        result
    }

    fn shift(&mut self, ty: IntType, digit: u8, a: Slot, b: Slot) -> Gpr {
        let width = width(ty);
        if let Some(count) = self.constant(b) {
            let result = self.own_gpr(a);
            let count = low_u8(low_u32(count)) & if width == Width::W64 { 63 } else { 31 };
            if count != 0 {
                self.s.asm.shift_imm(width, digit, result, count);
            }
            return result;
        }
        if self.place_of(b) == Place::Gpr(Gpr::RCX) {
            self.gpr(b);
        } else {
            self.take_gpr(Gpr::RCX);
            let count = self.gpr(b);
            self.s.asm.mov(Width::W32, Gpr::RCX, count);
        }
        let result = self.own_gpr(a);
        self.s.asm.shift(width, digit, result);
        result
    }

    pub(super) fn unary_int(&mut self, ty: IntType, op: IntUnary, a: Slot) -> Slot {
        let width = width(ty);
        let bits: u64 = match width {
            Width::W32 => 32,
            Width::W64 => 64,
        };
        let x = self.gpr(a);
        let result = self.free_gpr();
        let asm = &mut self.s.asm;
        match op {
            IntUnary::Clz => {
                // Without a bit set, `bsr` has no result.
                asm.mov_imm(SCRATCH, 2 * bits - 1);
                asm.int(width, op::BSR, result, x);
                asm.cmov(width, Flag::E, result, SCRATCH);
                asm.int_imm(width, digit::XOR, result, low_u32(bits).cast_signed() - 1);
            }
            IntUnary::Ctz => {
                asm.mov_imm(SCRATCH, bits);
                asm.int(width, op::BSF, result, x);
                asm.cmov(width, Flag::E, result, SCRATCH);
            }
            IntUnary::Popcnt => asm.popcnt(width, result, x),
            IntUnary::Extend8S => asm.int8(width, op::MOVSX8, result, x),
            IntUnary::Extend16S => asm.int(width, op::MOVSX16, result, x),
            IntUnary::Extend32S => asm.int(Width::W64, op::MOVSXD, result, x),
        }
        self.replace(a, ty.into(), Place::Gpr(result))
    }

    pub(super) fn divide(&mut self, ty: IntType, op: IntDivision, a: Slot, b: Slot) -> Slot {
        let width = width(ty);
        let is_signed = matches!(op, IntDivision::DivS | IntDivision::RemS);
        // Neither of these can trap, or overflow.
        let is_harmless = self
            .short_constant(b, width)
            .is_some_and(|b| b != 0 && b != -1);
        self.take_gpr(Gpr::RAX);
        self.take_gpr(Gpr::RDX);
        let dividend = self.gpr(a);
        let divisor = self.gpr(b);
        self.s.asm.mov(width, Gpr::RAX, dividend);
        if !is_harmless {
            self.s.asm.int(width, op::TEST, divisor, divisor);
            self.trap_if(Flag::E, TrapCode::IntegerDivideByZero);
        }
        let mut rest_of_minus_one = None;
        if is_signed && !is_harmless {
            self.s.asm.int_imm(width, digit::CMP, divisor, -1);
            let other = self.s.asm.skip_if(Flag::NE);
            if op == IntDivision::DivS {
                self.s.asm.int_imm(width, digit::CMP, Gpr::RAX, 1);
                self.trap_if(OVERFLOW, TrapCode::IntegerOverflow);
            } else {
                self.s.asm.mov_imm(Gpr::RDX, 0);
                rest_of_minus_one = Some(self.s.asm.skip());
            }
            self.s.asm.end_skip(other);
        }
        let asm = &mut self.s.asm;
        if is_signed {
            asm.sign_of_rax(width);
            asm.divide(width, digit::IDIV, divisor);
        } else {
            asm.mov_imm(Gpr::RDX, 0);
            asm.divide(width, digit::DIV, divisor);
        }
        if let Some(skip) = rest_of_minus_one {
            asm.end_skip(skip);
        }
        let result = match op {
            IntDivision::DivS | IntDivision::DivU => Gpr::RAX,
            IntDivision::RemS | IntDivision::RemU => Gpr::RDX,
        };
        self.replace(a.min(b), ty.into(), Place::Gpr(result))
    }

    // Conditions.

    pub(super) fn compare_int(&mut self, ty: IntType, op: IntCompare, a: Slot, b: Slot) -> Slot {
        let width = width(ty);
        let lowest = a.min(b);
        let (a, b, flag) = if self.constant(a).is_some() {
            (b, a, exchanged(flag(op)))
        } else {
            (a, b, flag(op))
        };
        let x = self.gpr(a);
        let y = match self.short_constant(b, width) {
            Some(constant) => IntOperand::Constant(constant),
            None => IntOperand::Gpr(self.gpr(b)),
        };
        let comparison = Comparison::Int {
            width,
            flag,
            a: x,
            b: y,
        };
        self.replace(lowest, ValType::I32, Place::Comparison(comparison))
    }

    /// Whether an integer or a reference is zero.
    pub(super) fn is_zero(&mut self, a: Slot) -> Slot {
        let comparison = match self.place_of(a) {
            Place::Comparison(Comparison::Int { width, flag, a, b }) => Comparison::Int {
                width,
                flag: flag.not(),
                a,
                b,
            },
            Place::Comparison(Comparison::Float {
                ty,
                condition,
                a,
                b,
            }) => Comparison::Float {
                ty,
                condition: condition.not(),
                a,
                b,
            },
            Place::Comparison(Comparison::Vector { flag, a }) => Comparison::Vector {
                flag: flag.not(),
                a,
            },
            _ => Comparison::Int {
                width: width_of(self.type_of(a)),
                flag: Flag::E,
                a: self.gpr(a),
                b: IntOperand::Constant(0),
            },
        };
        self.replace(a, ValType::I32, Place::Comparison(comparison))
    }

    /// Makes a comparison; the condition of the flags then.
    fn compare(&mut self, comparison: Comparison) -> FloatCondition {
        let asm = &mut self.s.asm;
        match comparison {
            Comparison::Int { width, flag, a, b } => {
                match b {
                    IntOperand::Gpr(b) => asm.int(width, op::CMP, a, b),
                    IntOperand::Constant(0) => asm.int(width, op::TEST, a, a),
                    IntOperand::Constant(b) => asm.int_imm(width, digit::CMP, a, b),
                }
                FloatCondition::One(flag)
            }
            Comparison::Float {
                ty,
                condition,
                a,
                b,
            } => {
                asm.float(packed(ty), op::UCOMIS, a, b);
                condition
            }
            Comparison::Vector { flag, a } => {
                asm.vector(op::PTEST, a, a);
                FloatCondition::One(flag)
            }
        }
    }

    /// Sets the flags after a condition: an operand that is not zero.
    pub(super) fn condition(&mut self, slot: Slot) -> FloatCondition {
        let condition = if let Place::Comparison(comparison) = self.place_of(slot) {
            self.compare(comparison)
        } else {
            let register = self.gpr(slot);
            self.s.asm.int(Width::W32, op::TEST, register, register);
            FloatCondition::One(Flag::NE)
        };
        self.check_condition(slot);
        condition
    }

    /// Makes a comparison, and its result a number.
    pub(super) fn make_number(&mut self, comparison: Comparison, register: Gpr) {
        let condition = self.compare(comparison);
        let asm = &mut self.s.asm;
        let (first, second) = match condition {
            FloatCondition::One(flag) => {
                asm.set(flag, register);
                asm.int8(Width::W32, op::MOVZX8, register, register);
                return;
            }
            FloatCondition::Equal => (0, 1),
            FloatCondition::NotEqual => (1, 0),
        };
        asm.mov_imm_keeping_flags(register, first);
        let differ = asm.skip_if(Flag::NE);
        let unordered = asm.skip_if(Flag::P);
        asm.mov_imm_keeping_flags(register, second);
        asm.end_skip(differ);
        asm.end_skip(unordered);
    }

    pub(super) fn select_value(&mut self, ty: ValType, condition: Slot, a: Slot, b: Slot) -> Slot {
        let lowest = a.min(b).min(condition);
        let place = if in_xmm(ty) {
            let result = self.own_xmm(a);
            let other = self.xmm(b);
            let condition = self.condition(condition);
            self.choose_float(condition, result, other);
            Place::Xmm(result)
        } else {
            self.choose_int(width_of(ty), condition, a, b)
        };
        self.replace(lowest, ty, place)
    }

    fn choose_int(&mut self, width: Width, condition: Slot, a: Slot, b: Slot) -> Place {
        let is_not_equal = matches!(
            self.place_of(condition),
            Place::Comparison(Comparison::Float {
                condition: FloatCondition::NotEqual,
                ..
            })
        );
        // Loads and copies come before the flags are set.
        let (kept, other) = if is_not_equal { (b, a) } else { (a, b) };
        let result = self.own_gpr(kept);
        let other = self.gpr(other);
        match self.condition(condition) {
            FloatCondition::One(flag) => self.s.asm.cmov(width, flag.not(), result, other),
            // Kept where neither holds.
            FloatCondition::Equal | FloatCondition::NotEqual => {
                self.s.asm.cmov(width, Flag::NE, result, other);
                self.s.asm.cmov(width, Flag::P, result, other);
            }
        }
        Place::Gpr(result)
    }
}
