//! Constants, locals and the operators on scalars: a table from WebAssembly's operators to the emitter's
//! groups, and the operands and results of each group on the operand stack.

use upshift_module::ValType;
use wasmparser::Operator as O;

use super::{Step, Walk};
use crate::FloatBinary as FB;
use crate::FloatCompare as F;
use crate::FloatType::{self, F32, F64};
use crate::IntBinary as B;
use crate::IntCompare as C;
use crate::IntType::{self, I32, I64};
use crate::{Convert, Emitter, FloatUnary, IntDivision, IntUnary};

impl<E: Emitter> Walk<'_, E> {
    pub(super) fn scalar(&mut self, operator: &O<'_>) -> Step {
        match *operator {
            O::LocalGet { local_index } => self.local_get(local_index),
            O::LocalSet { local_index } => {
                let local = self.index("local", self.locals, local_index)?;
                let value = self.pop()?;
                self.emitter.local_set(local, value);
                Ok(())
            }
            O::LocalTee { local_index } => {
                let local = self.index("local", self.locals, local_index)?;
                let top = self.top(1)?;
                self.emitter.local_set(local, self.values[top]);
                Ok(())
            }

            O::I32Const { value } => {
                let value = self.emitter.i32_const(value);
                self.push(value, ValType::I32);
                Ok(())
            }
            O::I64Const { value } => {
                let value = self.emitter.i64_const(value);
                self.push(value, ValType::I64);
                Ok(())
            }
            O::F32Const { value } => {
                let value = self.emitter.f32_const(value.bits());
                self.push(value, ValType::F32);
                Ok(())
            }
            O::F64Const { value } => {
                let value = self.emitter.f64_const(value.bits());
                self.push(value, ValType::F64);
                Ok(())
            }

            O::I32Eqz => self.eqz(I32),
            O::I32Eq => self.int_compare(I32, C::Eq),
            O::I32Ne => self.int_compare(I32, C::Ne),
            O::I32LtS => self.int_compare(I32, C::LtS),
            O::I32LtU => self.int_compare(I32, C::LtU),
            O::I32GtS => self.int_compare(I32, C::GtS),
            O::I32GtU => self.int_compare(I32, C::GtU),
            O::I32LeS => self.int_compare(I32, C::LeS),
            O::I32LeU => self.int_compare(I32, C::LeU),
            O::I32GeS => self.int_compare(I32, C::GeS),
            O::I32GeU => self.int_compare(I32, C::GeU),
            O::I32Clz => self.int_unary(I32, IntUnary::Clz),
            O::I32Ctz => self.int_unary(I32, IntUnary::Ctz),
            O::I32Popcnt => self.int_unary(I32, IntUnary::Popcnt),
            O::I32Extend8S => self.int_unary(I32, IntUnary::Extend8S),
            O::I32Extend16S => self.int_unary(I32, IntUnary::Extend16S),
            O::I32Add => self.int_binary(I32, B::Add),
            O::I32Sub => self.int_binary(I32, B::Sub),
            O::I32Mul => self.int_binary(I32, B::Mul),
            O::I32And => self.int_binary(I32, B::And),
            O::I32Or => self.int_binary(I32, B::Or),
            O::I32Xor => self.int_binary(I32, B::Xor),
            O::I32Shl => self.int_binary(I32, B::Shl),
            O::I32ShrS => self.int_binary(I32, B::ShrS),
            O::I32ShrU => self.int_binary(I32, B::ShrU),
            O::I32Rotl => self.int_binary(I32, B::Rotl),
            O::I32Rotr => self.int_binary(I32, B::Rotr),
            O::I32DivS => self.int_division(I32, IntDivision::DivS),
            O::I32DivU => self.int_division(I32, IntDivision::DivU),
            O::I32RemS => self.int_division(I32, IntDivision::RemS),
            O::I32RemU => self.int_division(I32, IntDivision::RemU),

            O::I64Eqz => self.eqz(I64),
            O::I64Eq => self.int_compare(I64, C::Eq),
            O::I64Ne => self.int_compare(I64, C::Ne),
            O::I64LtS => self.int_compare(I64, C::LtS),
            O::I64LtU => self.int_compare(I64, C::LtU),
            O::I64GtS => self.int_compare(I64, C::GtS),
            O::I64GtU => self.int_compare(I64, C::GtU),
            O::I64LeS => self.int_compare(I64, C::LeS),
            O::I64LeU => self.int_compare(I64, C::LeU),
            O::I64GeS => self.int_compare(I64, C::GeS),
            O::I64GeU => self.int_compare(I64, C::GeU),
            O::I64Clz => self.int_unary(I64, IntUnary::Clz),
            O::I64Ctz => self.int_unary(I64, IntUnary::Ctz),
            O::I64Popcnt => self.int_unary(I64, IntUnary::Popcnt),
            O::I64Extend8S => self.int_unary(I64, IntUnary::Extend8S),
            O::I64Extend16S => self.int_unary(I64, IntUnary::Extend16S),
            O::I64Extend32S => self.int_unary(I64, IntUnary::Extend32S),
            O::I64Add => self.int_binary(I64, B::Add),
            O::I64Sub => self.int_binary(I64, B::Sub),
            O::I64Mul => self.int_binary(I64, B::Mul),
            O::I64And => self.int_binary(I64, B::And),
            O::I64Or => self.int_binary(I64, B::Or),
            O::I64Xor => self.int_binary(I64, B::Xor),
            O::I64Shl => self.int_binary(I64, B::Shl),
            O::I64ShrS => self.int_binary(I64, B::ShrS),
            O::I64ShrU => self.int_binary(I64, B::ShrU),
            O::I64Rotl => self.int_binary(I64, B::Rotl),
            O::I64Rotr => self.int_binary(I64, B::Rotr),
            O::I64DivS => self.int_division(I64, IntDivision::DivS),
            O::I64DivU => self.int_division(I64, IntDivision::DivU),
            O::I64RemS => self.int_division(I64, IntDivision::RemS),
            O::I64RemU => self.int_division(I64, IntDivision::RemU),

            O::F32Eq => self.float_compare(F32, F::Eq),
            O::F32Ne => self.float_compare(F32, F::Ne),
            O::F32Lt => self.float_compare(F32, F::Lt),
            O::F32Gt => self.float_compare(F32, F::Gt),
            O::F32Le => self.float_compare(F32, F::Le),
            O::F32Ge => self.float_compare(F32, F::Ge),
            O::F32Abs => self.float_unary(F32, FloatUnary::Abs),
            O::F32Neg => self.float_unary(F32, FloatUnary::Neg),
            O::F32Ceil => self.float_unary(F32, FloatUnary::Ceil),
            O::F32Floor => self.float_unary(F32, FloatUnary::Floor),
            O::F32Trunc => self.float_unary(F32, FloatUnary::Trunc),
            O::F32Nearest => self.float_unary(F32, FloatUnary::Nearest),
            O::F32Sqrt => self.float_unary(F32, FloatUnary::Sqrt),
            O::F32Add => self.float_binary(F32, FB::Add),
            O::F32Sub => self.float_binary(F32, FB::Sub),
            O::F32Mul => self.float_binary(F32, FB::Mul),
            O::F32Div => self.float_binary(F32, FB::Div),
            O::F32Min => self.float_binary(F32, FB::Min),
            O::F32Max => self.float_binary(F32, FB::Max),
            O::F32Copysign => self.float_binary(F32, FB::Copysign),

            O::F64Eq => self.float_compare(F64, F::Eq),
            O::F64Ne => self.float_compare(F64, F::Ne),
            O::F64Lt => self.float_compare(F64, F::Lt),
            O::F64Gt => self.float_compare(F64, F::Gt),
            O::F64Le => self.float_compare(F64, F::Le),
            O::F64Ge => self.float_compare(F64, F::Ge),
            O::F64Abs => self.float_unary(F64, FloatUnary::Abs),
            O::F64Neg => self.float_unary(F64, FloatUnary::Neg),
            O::F64Ceil => self.float_unary(F64, FloatUnary::Ceil),
            O::F64Floor => self.float_unary(F64, FloatUnary::Floor),
            O::F64Trunc => self.float_unary(F64, FloatUnary::Trunc),
            O::F64Nearest => self.float_unary(F64, FloatUnary::Nearest),
            O::F64Sqrt => self.float_unary(F64, FloatUnary::Sqrt),
            O::F64Add => self.float_binary(F64, FB::Add),
            O::F64Sub => self.float_binary(F64, FB::Sub),
            O::F64Mul => self.float_binary(F64, FB::Mul),
            O::F64Div => self.float_binary(F64, FB::Div),
            O::F64Min => self.float_binary(F64, FB::Min),
            O::F64Max => self.float_binary(F64, FB::Max),
            O::F64Copysign => self.float_binary(F64, FB::Copysign),

            O::I32WrapI64 => self.convert(Convert::Wrap, ValType::I32),
            O::I64ExtendI32S => self.convert(Convert::Extend { signed: true }, ValType::I64),
            O::I64ExtendI32U => self.convert(Convert::Extend { signed: false }, ValType::I64),
            O::I32TruncF32S => self.trunc(F32, I32, true),
            O::I32TruncF32U => self.trunc(F32, I32, false),
            O::I32TruncF64S => self.trunc(F64, I32, true),
            O::I32TruncF64U => self.trunc(F64, I32, false),
            O::I64TruncF32S => self.trunc(F32, I64, true),
            O::I64TruncF32U => self.trunc(F32, I64, false),
            O::I64TruncF64S => self.trunc(F64, I64, true),
            O::I64TruncF64U => self.trunc(F64, I64, false),
            O::I32TruncSatF32S => self.trunc_sat(F32, I32, true),
            O::I32TruncSatF32U => self.trunc_sat(F32, I32, false),
            O::I32TruncSatF64S => self.trunc_sat(F64, I32, true),
            O::I32TruncSatF64U => self.trunc_sat(F64, I32, false),
            O::I64TruncSatF32S => self.trunc_sat(F32, I64, true),
            O::I64TruncSatF32U => self.trunc_sat(F32, I64, false),
            O::I64TruncSatF64S => self.trunc_sat(F64, I64, true),
            O::I64TruncSatF64U => self.trunc_sat(F64, I64, false),
            O::F32ConvertI32S => self.int_to_float(I32, F32, true),
            O::F32ConvertI32U => self.int_to_float(I32, F32, false),
            O::F32ConvertI64S => self.int_to_float(I64, F32, true),
            O::F32ConvertI64U => self.int_to_float(I64, F32, false),
            O::F64ConvertI32S => self.int_to_float(I32, F64, true),
            O::F64ConvertI32U => self.int_to_float(I32, F64, false),
            O::F64ConvertI64S => self.int_to_float(I64, F64, true),
            O::F64ConvertI64U => self.int_to_float(I64, F64, false),
            O::F32DemoteF64 => self.convert(Convert::Demote, ValType::F32),
            O::F64PromoteF32 => self.convert(Convert::Promote, ValType::F64),
            O::I32ReinterpretF32 => self.convert(Convert::FloatToBits(F32), ValType::I32),
            O::I64ReinterpretF64 => self.convert(Convert::FloatToBits(F64), ValType::I64),
            O::F32ReinterpretI32 => self.convert(Convert::BitsToFloat(F32), ValType::F32),
            O::F64ReinterpretI64 => self.convert(Convert::BitsToFloat(F64), ValType::F64),

            _ => self.memory(operator),
        }
    }

    fn local_get(&mut self, number: u32) -> Step {
        let local = self.index("local", self.locals, number)?;
        let ty = self.locals[local];
        let value = self.emitter.local_get(local);
        self.push(value, ty);
        Ok(())
    }

    fn eqz(&mut self, ty: IntType) -> Step {
        let a = self.pop()?;
        let value = self.emitter.eqz(ty, a);
        self.push(value, ValType::I32);
        Ok(())
    }

    fn int_unary(&mut self, ty: IntType, op: IntUnary) -> Step {
        let a = self.pop()?;
        let value = self.emitter.int_unary(ty, op, a);
        self.push(value, ty.into());
        Ok(())
    }

    fn int_binary(&mut self, ty: IntType, op: B) -> Step {
        let b = self.pop()?;
        let a = self.pop()?;
        let value = self.emitter.int_binary(ty, op, a, b);
        self.push(value, ty.into());
        Ok(())
    }

    fn int_division(&mut self, ty: IntType, op: IntDivision) -> Step {
        let b = self.pop()?;
        let a = self.pop()?;
        self.count_branch(1)?;
        let value = self.emitter.int_division(ty, op, a, b);
        self.push(value, ty.into());
        Ok(())
    }

    fn int_compare(&mut self, ty: IntType, op: C) -> Step {
        let b = self.pop()?;
        let a = self.pop()?;
        let value = self.emitter.int_compare(ty, op, a, b);
        self.push(value, ValType::I32);
        Ok(())
    }

    fn float_unary(&mut self, ty: FloatType, op: FloatUnary) -> Step {
        let a = self.pop()?;
        let value = self.emitter.float_unary(ty, op, a);
        self.push(value, ty.into());
        Ok(())
    }

    fn float_binary(&mut self, ty: FloatType, op: FB) -> Step {
        let b = self.pop()?;
        let a = self.pop()?;
        let value = self.emitter.float_binary(ty, op, a, b);
        self.push(value, ty.into());
        Ok(())
    }

    fn float_compare(&mut self, ty: FloatType, op: F) -> Step {
        let b = self.pop()?;
        let a = self.pop()?;
        let value = self.emitter.float_compare(ty, op, a, b);
        self.push(value, ValType::I32);
        Ok(())
    }

    fn convert(&mut self, op: Convert, result: ValType) -> Step {
        let a = self.pop()?;
        let value = self.emitter.convert(op, a);
        self.push(value, result);
        Ok(())
    }

    fn trunc(&mut self, from: FloatType, to: IntType, signed: bool) -> Step {
        self.convert(Convert::Trunc { from, to, signed }, to.into())
    }

    fn trunc_sat(&mut self, from: FloatType, to: IntType, signed: bool) -> Step {
        self.convert(Convert::TruncSat { from, to, signed }, to.into())
    }

    fn int_to_float(&mut self, from: IntType, to: FloatType, signed: bool) -> Step {
        self.convert(Convert::FromInt { from, to, signed }, to.into())
    }
}

impl From<IntType> for ValType {
    fn from(ty: IntType) -> Self {
        match ty {
            I32 => Self::I32,
            I64 => Self::I64,
        }
    }
}

impl From<FloatType> for ValType {
    fn from(ty: FloatType) -> Self {
        match ty {
            F32 => Self::F32,
            F64 => Self::F64,
        }
    }
}
