//! The operators on vectors that do not access memory: a table from WebAssembly's operators to the
//! emitter's groups, and the operands and results of each group on the operand stack.

use upshift_module::ValType;
use wasmparser::Operator as O;

use super::{Step, Walk};
use crate::FloatBinary as FB;
use crate::FloatCompare as F;
use crate::FloatType::{self, F32, F64};
use crate::IntCompare as C;
use crate::LaneBinary as B;
use crate::LaneConvert as LC;
use crate::Shape as S;
use crate::{Emitter, FloatUnary, Half, LaneCombine, LaneShift, LaneUnary, VecBitwise, VecTest};

impl<E: Emitter> Walk<'_, E> {
    pub(super) fn simd(&mut self, operator: &O<'_>) -> Step {
        match *operator {
            O::V128Const { value } => {
                let value = self.emitter.v128_const(value.into());
                self.push(value, ValType::V128);
                Ok(())
            }
            O::I8x16Shuffle { lanes } => {
                let b = self.pop()?;
                let a = self.pop()?;
                let value = self.emitter.shuffle(lanes, a, b);
                self.push(value, ValType::V128);
                Ok(())
            }
            O::I8x16Swizzle => {
                let b = self.pop()?;
                let a = self.pop()?;
                let value = self.emitter.swizzle(a, b);
                self.push(value, ValType::V128);
                Ok(())
            }
            O::V128Not => {
                let a = self.pop()?;
                let value = self.emitter.vec_not(a);
                self.push(value, ValType::V128);
                Ok(())
            }
            O::V128Bitselect => {
                let mask = self.pop()?;
                let b = self.pop()?;
                let a = self.pop()?;
                let value = self.emitter.vec_bitselect(a, b, mask);
                self.push(value, ValType::V128);
                Ok(())
            }

            O::I8x16Splat => self.splat(S::I8x16),
            O::I16x8Splat => self.splat(S::I16x8),
            O::I32x4Splat => self.splat(S::I32x4),
            O::I64x2Splat => self.splat(S::I64x2),
            O::F32x4Splat => self.splat(S::F32x4),
            O::F64x2Splat => self.splat(S::F64x2),
            O::I8x16ExtractLaneS { lane } => self.extract_lane(S::I8x16, lane, true),
            O::I8x16ExtractLaneU { lane } => self.extract_lane(S::I8x16, lane, false),
            O::I16x8ExtractLaneS { lane } => self.extract_lane(S::I16x8, lane, true),
            O::I16x8ExtractLaneU { lane } => self.extract_lane(S::I16x8, lane, false),
            O::I32x4ExtractLane { lane } => self.extract_lane(S::I32x4, lane, false),
            O::I64x2ExtractLane { lane } => self.extract_lane(S::I64x2, lane, false),
            O::F32x4ExtractLane { lane } => self.extract_lane(S::F32x4, lane, false),
            O::F64x2ExtractLane { lane } => self.extract_lane(S::F64x2, lane, false),
            O::I8x16ReplaceLane { lane } => self.replace_lane(S::I8x16, lane),
            O::I16x8ReplaceLane { lane } => self.replace_lane(S::I16x8, lane),
            O::I32x4ReplaceLane { lane } => self.replace_lane(S::I32x4, lane),
            O::I64x2ReplaceLane { lane } => self.replace_lane(S::I64x2, lane),
            O::F32x4ReplaceLane { lane } => self.replace_lane(S::F32x4, lane),
            O::F64x2ReplaceLane { lane } => self.replace_lane(S::F64x2, lane),

            O::V128And => self.vec_bitwise(VecBitwise::And),
            O::V128AndNot => self.vec_bitwise(VecBitwise::AndNot),
            O::V128Or => self.vec_bitwise(VecBitwise::Or),
            O::V128Xor => self.vec_bitwise(VecBitwise::Xor),
            O::V128AnyTrue => self.vec_test(VecTest::AnyTrue),
            O::I8x16AllTrue => self.vec_test(VecTest::AllTrue(S::I8x16)),
            O::I8x16Bitmask => self.vec_test(VecTest::Bitmask(S::I8x16)),
            O::I16x8AllTrue => self.vec_test(VecTest::AllTrue(S::I16x8)),
            O::I16x8Bitmask => self.vec_test(VecTest::Bitmask(S::I16x8)),
            O::I32x4AllTrue => self.vec_test(VecTest::AllTrue(S::I32x4)),
            O::I32x4Bitmask => self.vec_test(VecTest::Bitmask(S::I32x4)),
            O::I64x2AllTrue => self.vec_test(VecTest::AllTrue(S::I64x2)),
            O::I64x2Bitmask => self.vec_test(VecTest::Bitmask(S::I64x2)),

            O::I8x16Eq => self.lane_compare(S::I8x16, C::Eq),
            O::I8x16Ne => self.lane_compare(S::I8x16, C::Ne),
            O::I8x16LtS => self.lane_compare(S::I8x16, C::LtS),
            O::I8x16LtU => self.lane_compare(S::I8x16, C::LtU),
            O::I8x16GtS => self.lane_compare(S::I8x16, C::GtS),
            O::I8x16GtU => self.lane_compare(S::I8x16, C::GtU),
            O::I8x16LeS => self.lane_compare(S::I8x16, C::LeS),
            O::I8x16LeU => self.lane_compare(S::I8x16, C::LeU),
            O::I8x16GeS => self.lane_compare(S::I8x16, C::GeS),
            O::I8x16GeU => self.lane_compare(S::I8x16, C::GeU),
            O::I16x8Eq => self.lane_compare(S::I16x8, C::Eq),
            O::I16x8Ne => self.lane_compare(S::I16x8, C::Ne),
            O::I16x8LtS => self.lane_compare(S::I16x8, C::LtS),
            O::I16x8LtU => self.lane_compare(S::I16x8, C::LtU),
            O::I16x8GtS => self.lane_compare(S::I16x8, C::GtS),
            O::I16x8GtU => self.lane_compare(S::I16x8, C::GtU),
            O::I16x8LeS => self.lane_compare(S::I16x8, C::LeS),
            O::I16x8LeU => self.lane_compare(S::I16x8, C::LeU),
            O::I16x8GeS => self.lane_compare(S::I16x8, C::GeS),
            O::I16x8GeU => self.lane_compare(S::I16x8, C::GeU),
            O::I32x4Eq => self.lane_compare(S::I32x4, C::Eq),
            O::I32x4Ne => self.lane_compare(S::I32x4, C::Ne),
            O::I32x4LtS => self.lane_compare(S::I32x4, C::LtS),
            O::I32x4LtU => self.lane_compare(S::I32x4, C::LtU),
            O::I32x4GtS => self.lane_compare(S::I32x4, C::GtS),
            O::I32x4GtU => self.lane_compare(S::I32x4, C::GtU),
            O::I32x4LeS => self.lane_compare(S::I32x4, C::LeS),
            O::I32x4LeU => self.lane_compare(S::I32x4, C::LeU),
            O::I32x4GeS => self.lane_compare(S::I32x4, C::GeS),
            O::I32x4GeU => self.lane_compare(S::I32x4, C::GeU),
            O::I64x2Eq => self.lane_compare(S::I64x2, C::Eq),
            O::I64x2Ne => self.lane_compare(S::I64x2, C::Ne),
            O::I64x2LtS => self.lane_compare(S::I64x2, C::LtS),
            O::I64x2GtS => self.lane_compare(S::I64x2, C::GtS),
            O::I64x2LeS => self.lane_compare(S::I64x2, C::LeS),
            O::I64x2GeS => self.lane_compare(S::I64x2, C::GeS),

            O::I8x16Abs => self.lane_unary(S::I8x16, LaneUnary::Abs),
            O::I8x16Neg => self.lane_unary(S::I8x16, LaneUnary::Neg),
            O::I8x16Popcnt => self.lane_unary(S::I8x16, LaneUnary::Popcnt),
            O::I8x16Add => self.lane_binary(S::I8x16, B::Add),
            O::I8x16Sub => self.lane_binary(S::I8x16, B::Sub),
            O::I8x16AddSatS => self.lane_binary(S::I8x16, B::AddSatS),
            O::I8x16AddSatU => self.lane_binary(S::I8x16, B::AddSatU),
            O::I8x16SubSatS => self.lane_binary(S::I8x16, B::SubSatS),
            O::I8x16SubSatU => self.lane_binary(S::I8x16, B::SubSatU),
            O::I8x16MinS => self.lane_binary(S::I8x16, B::MinS),
            O::I8x16MinU => self.lane_binary(S::I8x16, B::MinU),
            O::I8x16MaxS => self.lane_binary(S::I8x16, B::MaxS),
            O::I8x16MaxU => self.lane_binary(S::I8x16, B::MaxU),
            O::I8x16AvgrU => self.lane_binary(S::I8x16, B::AvgrU),
            O::I8x16Shl => self.lane_shift(S::I8x16, LaneShift::Shl),
            O::I8x16ShrS => self.lane_shift(S::I8x16, LaneShift::ShrS),
            O::I8x16ShrU => self.lane_shift(S::I8x16, LaneShift::ShrU),
            O::I16x8Abs => self.lane_unary(S::I16x8, LaneUnary::Abs),
            O::I16x8Neg => self.lane_unary(S::I16x8, LaneUnary::Neg),
            O::I16x8Add => self.lane_binary(S::I16x8, B::Add),
            O::I16x8Sub => self.lane_binary(S::I16x8, B::Sub),
            O::I16x8Mul => self.lane_binary(S::I16x8, B::Mul),
            O::I16x8AddSatS => self.lane_binary(S::I16x8, B::AddSatS),
            O::I16x8AddSatU => self.lane_binary(S::I16x8, B::AddSatU),
            O::I16x8SubSatS => self.lane_binary(S::I16x8, B::SubSatS),
            O::I16x8SubSatU => self.lane_binary(S::I16x8, B::SubSatU),
            O::I16x8MinS => self.lane_binary(S::I16x8, B::MinS),
            O::I16x8MinU => self.lane_binary(S::I16x8, B::MinU),
            O::I16x8MaxS => self.lane_binary(S::I16x8, B::MaxS),
            O::I16x8MaxU => self.lane_binary(S::I16x8, B::MaxU),
            O::I16x8AvgrU => self.lane_binary(S::I16x8, B::AvgrU),
            O::I16x8Q15MulrSatS => self.lane_binary(S::I16x8, B::Q15MulrSatS),
            O::I16x8Shl => self.lane_shift(S::I16x8, LaneShift::Shl),
            O::I16x8ShrS => self.lane_shift(S::I16x8, LaneShift::ShrS),
            O::I16x8ShrU => self.lane_shift(S::I16x8, LaneShift::ShrU),
            O::I32x4Abs => self.lane_unary(S::I32x4, LaneUnary::Abs),
            O::I32x4Neg => self.lane_unary(S::I32x4, LaneUnary::Neg),
            O::I32x4Add => self.lane_binary(S::I32x4, B::Add),
            O::I32x4Sub => self.lane_binary(S::I32x4, B::Sub),
            O::I32x4Mul => self.lane_binary(S::I32x4, B::Mul),
            O::I32x4MinS => self.lane_binary(S::I32x4, B::MinS),
            O::I32x4MinU => self.lane_binary(S::I32x4, B::MinU),
            O::I32x4MaxS => self.lane_binary(S::I32x4, B::MaxS),
            O::I32x4MaxU => self.lane_binary(S::I32x4, B::MaxU),
            O::I32x4Shl => self.lane_shift(S::I32x4, LaneShift::Shl),
            O::I32x4ShrS => self.lane_shift(S::I32x4, LaneShift::ShrS),
            O::I32x4ShrU => self.lane_shift(S::I32x4, LaneShift::ShrU),
            O::I64x2Abs => self.lane_unary(S::I64x2, LaneUnary::Abs),
            O::I64x2Neg => self.lane_unary(S::I64x2, LaneUnary::Neg),
            O::I64x2Add => self.lane_binary(S::I64x2, B::Add),
            O::I64x2Sub => self.lane_binary(S::I64x2, B::Sub),
            O::I64x2Mul => self.lane_binary(S::I64x2, B::Mul),
            O::I64x2Shl => self.lane_shift(S::I64x2, LaneShift::Shl),
            O::I64x2ShrS => self.lane_shift(S::I64x2, LaneShift::ShrS),
            O::I64x2ShrU => self.lane_shift(S::I64x2, LaneShift::ShrU),

            O::F32x4Eq => self.lane_float_compare(F32, F::Eq),
            O::F32x4Ne => self.lane_float_compare(F32, F::Ne),
            O::F32x4Lt => self.lane_float_compare(F32, F::Lt),
            O::F32x4Gt => self.lane_float_compare(F32, F::Gt),
            O::F32x4Le => self.lane_float_compare(F32, F::Le),
            O::F32x4Ge => self.lane_float_compare(F32, F::Ge),
            O::F32x4Abs => self.lane_float_unary(F32, FloatUnary::Abs),
            O::F32x4Neg => self.lane_float_unary(F32, FloatUnary::Neg),
            O::F32x4Ceil => self.lane_float_unary(F32, FloatUnary::Ceil),
            O::F32x4Floor => self.lane_float_unary(F32, FloatUnary::Floor),
            O::F32x4Trunc => self.lane_float_unary(F32, FloatUnary::Trunc),
            O::F32x4Nearest => self.lane_float_unary(F32, FloatUnary::Nearest),
            O::F32x4Sqrt => self.lane_float_unary(F32, FloatUnary::Sqrt),
            O::F32x4Add => self.lane_float_binary(F32, FB::Add),
            O::F32x4Sub => self.lane_float_binary(F32, FB::Sub),
            O::F32x4Mul => self.lane_float_binary(F32, FB::Mul),
            O::F32x4Div => self.lane_float_binary(F32, FB::Div),
            O::F32x4Min => self.lane_float_binary(F32, FB::Min),
            O::F32x4Max => self.lane_float_binary(F32, FB::Max),
            O::F32x4PMin => self.lane_float_binary(F32, FB::PMin),
            O::F32x4PMax => self.lane_float_binary(F32, FB::PMax),
            O::F64x2Eq => self.lane_float_compare(F64, F::Eq),
            O::F64x2Ne => self.lane_float_compare(F64, F::Ne),
            O::F64x2Lt => self.lane_float_compare(F64, F::Lt),
            O::F64x2Gt => self.lane_float_compare(F64, F::Gt),
            O::F64x2Le => self.lane_float_compare(F64, F::Le),
            O::F64x2Ge => self.lane_float_compare(F64, F::Ge),
            O::F64x2Abs => self.lane_float_unary(F64, FloatUnary::Abs),
            O::F64x2Neg => self.lane_float_unary(F64, FloatUnary::Neg),
            O::F64x2Ceil => self.lane_float_unary(F64, FloatUnary::Ceil),
            O::F64x2Floor => self.lane_float_unary(F64, FloatUnary::Floor),
            O::F64x2Trunc => self.lane_float_unary(F64, FloatUnary::Trunc),
            O::F64x2Nearest => self.lane_float_unary(F64, FloatUnary::Nearest),
            O::F64x2Sqrt => self.lane_float_unary(F64, FloatUnary::Sqrt),
            O::F64x2Add => self.lane_float_binary(F64, FB::Add),
            O::F64x2Sub => self.lane_float_binary(F64, FB::Sub),
            O::F64x2Mul => self.lane_float_binary(F64, FB::Mul),
            O::F64x2Div => self.lane_float_binary(F64, FB::Div),
            O::F64x2Min => self.lane_float_binary(F64, FB::Min),
            O::F64x2Max => self.lane_float_binary(F64, FB::Max),
            O::F64x2PMin => self.lane_float_binary(F64, FB::PMin),
            O::F64x2PMax => self.lane_float_binary(F64, FB::PMax),

            O::I16x8ExtendLowI8x16S => self.extend(S::I16x8, Half::Low, true),
            O::I16x8ExtendLowI8x16U => self.extend(S::I16x8, Half::Low, false),
            O::I16x8ExtendHighI8x16S => self.extend(S::I16x8, Half::High, true),
            O::I16x8ExtendHighI8x16U => self.extend(S::I16x8, Half::High, false),
            O::I16x8ExtMulLowI8x16S => self.ext_mul(S::I16x8, Half::Low, true),
            O::I16x8ExtMulLowI8x16U => self.ext_mul(S::I16x8, Half::Low, false),
            O::I16x8ExtMulHighI8x16S => self.ext_mul(S::I16x8, Half::High, true),
            O::I16x8ExtMulHighI8x16U => self.ext_mul(S::I16x8, Half::High, false),
            O::I16x8ExtAddPairwiseI8x16S => self.ext_add_pairwise(S::I16x8, true),
            O::I16x8ExtAddPairwiseI8x16U => self.ext_add_pairwise(S::I16x8, false),
            O::I32x4ExtendLowI16x8S => self.extend(S::I32x4, Half::Low, true),
            O::I32x4ExtendLowI16x8U => self.extend(S::I32x4, Half::Low, false),
            O::I32x4ExtendHighI16x8S => self.extend(S::I32x4, Half::High, true),
            O::I32x4ExtendHighI16x8U => self.extend(S::I32x4, Half::High, false),
            O::I32x4ExtMulLowI16x8S => self.ext_mul(S::I32x4, Half::Low, true),
            O::I32x4ExtMulLowI16x8U => self.ext_mul(S::I32x4, Half::Low, false),
            O::I32x4ExtMulHighI16x8S => self.ext_mul(S::I32x4, Half::High, true),
            O::I32x4ExtMulHighI16x8U => self.ext_mul(S::I32x4, Half::High, false),
            O::I32x4ExtAddPairwiseI16x8S => self.ext_add_pairwise(S::I32x4, true),
            O::I32x4ExtAddPairwiseI16x8U => self.ext_add_pairwise(S::I32x4, false),
            O::I64x2ExtendLowI32x4S => self.extend(S::I64x2, Half::Low, true),
            O::I64x2ExtendLowI32x4U => self.extend(S::I64x2, Half::Low, false),
            O::I64x2ExtendHighI32x4S => self.extend(S::I64x2, Half::High, true),
            O::I64x2ExtendHighI32x4U => self.extend(S::I64x2, Half::High, false),
            O::I64x2ExtMulLowI32x4S => self.ext_mul(S::I64x2, Half::Low, true),
            O::I64x2ExtMulLowI32x4U => self.ext_mul(S::I64x2, Half::Low, false),
            O::I64x2ExtMulHighI32x4S => self.ext_mul(S::I64x2, Half::High, true),
            O::I64x2ExtMulHighI32x4U => self.ext_mul(S::I64x2, Half::High, false),
            O::I8x16NarrowI16x8S => self.narrow(S::I8x16, true),
            O::I8x16NarrowI16x8U => self.narrow(S::I8x16, false),
            O::I16x8NarrowI32x4S => self.narrow(S::I16x8, true),
            O::I16x8NarrowI32x4U => self.narrow(S::I16x8, false),
            O::I32x4DotI16x8S => self.lane_combine(LaneCombine::DotI16x8),

            O::I32x4TruncSatF32x4S => self.lane_convert(LC::TruncSatF32x4 { signed: true }),
            O::I32x4TruncSatF64x2SZero => self.lane_convert(LC::TruncSatF64x2Zero { signed: true }),
            O::F32x4ConvertI32x4S => self.lane_convert(LC::ConvertI32x4ToF32x4 { signed: true }),
            O::F64x2ConvertLowI32x4S => {
                self.lane_convert(LC::ConvertLowI32x4ToF64x2 { signed: true })
            }
            O::I32x4TruncSatF32x4U => self.lane_convert(LC::TruncSatF32x4 { signed: false }),
            O::I32x4TruncSatF64x2UZero => {
                self.lane_convert(LC::TruncSatF64x2Zero { signed: false })
            }
            O::F32x4ConvertI32x4U => self.lane_convert(LC::ConvertI32x4ToF32x4 { signed: false }),
            O::F64x2ConvertLowI32x4U => {
                self.lane_convert(LC::ConvertLowI32x4ToF64x2 { signed: false })
            }
            O::F32x4DemoteF64x2Zero => self.lane_convert(LC::DemoteF64x2Zero),
            O::F64x2PromoteLowF32x4 => self.lane_convert(LC::PromoteLowF32x4),

            _ => Err(self.unsupported(operator)),
        }
    }

    fn splat(&mut self, shape: S) -> Step {
        let a = self.pop()?;
        let value = self.emitter.splat(shape, a);
        self.push(value, ValType::V128);
        Ok(())
    }

    fn extract_lane(&mut self, shape: S, lane: u8, signed: bool) -> Step {
        let a = self.pop()?;
        let value = self.emitter.extract_lane(shape, lane, signed, a);
        self.push(value, lane_type(shape));
        Ok(())
    }

    fn replace_lane(&mut self, shape: S, lane: u8) -> Step {
        let b = self.pop()?;
        let a = self.pop()?;
        let value = self.emitter.replace_lane(shape, lane, a, b);
        self.push(value, ValType::V128);
        Ok(())
    }

    fn vec_bitwise(&mut self, op: VecBitwise) -> Step {
        let b = self.pop()?;
        let a = self.pop()?;
        let value = self.emitter.vec_bitwise(op, a, b);
        self.push(value, ValType::V128);
        Ok(())
    }

    fn vec_test(&mut self, op: VecTest) -> Step {
        let a = self.pop()?;
        let value = self.emitter.vec_test(op, a);
        self.push(value, ValType::I32);
        Ok(())
    }

    fn lane_unary(&mut self, shape: S, op: LaneUnary) -> Step {
        let a = self.pop()?;
        let value = self.emitter.lane_unary(shape, op, a);
        self.push(value, ValType::V128);
        Ok(())
    }

    fn lane_binary(&mut self, shape: S, op: B) -> Step {
        let b = self.pop()?;
        let a = self.pop()?;
        let value = self.emitter.lane_binary(shape, op, a, b);
        self.push(value, ValType::V128);
        Ok(())
    }

    fn lane_shift(&mut self, shape: S, op: LaneShift) -> Step {
        let amount = self.pop()?;
        let a = self.pop()?;
        let value = self.emitter.lane_shift(shape, op, a, amount);
        self.push(value, ValType::V128);
        Ok(())
    }

    fn lane_compare(&mut self, shape: S, op: C) -> Step {
        let b = self.pop()?;
        let a = self.pop()?;
        let value = self.emitter.lane_compare(shape, op, a, b);
        self.push(value, ValType::V128);
        Ok(())
    }

    fn lane_float_unary(&mut self, ty: FloatType, op: FloatUnary) -> Step {
        let a = self.pop()?;
        let value = self.emitter.lane_float_unary(ty, op, a);
        self.push(value, ValType::V128);
        Ok(())
    }

    fn lane_float_binary(&mut self, ty: FloatType, op: FB) -> Step {
        let b = self.pop()?;
        let a = self.pop()?;
        let value = self.emitter.lane_float_binary(ty, op, a, b);
        self.push(value, ValType::V128);
        Ok(())
    }

    fn lane_float_compare(&mut self, ty: FloatType, op: F) -> Step {
        let b = self.pop()?;
        let a = self.pop()?;
        let value = self.emitter.lane_float_compare(ty, op, a, b);
        self.push(value, ValType::V128);
        Ok(())
    }

    fn lane_convert(&mut self, op: LC) -> Step {
        let a = self.pop()?;
        let value = self.emitter.lane_convert(op, a);
        self.push(value, ValType::V128);
        Ok(())
    }

    fn lane_combine(&mut self, op: LaneCombine) -> Step {
        let b = self.pop()?;
        let a = self.pop()?;
        let value = self.emitter.lane_combine(op, a, b);
        self.push(value, ValType::V128);
        Ok(())
    }

    fn extend(&mut self, to: S, half: Half, signed: bool) -> Step {
        self.lane_convert(LC::Extend { to, half, signed })
    }

    fn ext_add_pairwise(&mut self, to: S, signed: bool) -> Step {
        self.lane_convert(LC::ExtAddPairwise { to, signed })
    }

    fn ext_mul(&mut self, to: S, half: Half, signed: bool) -> Step {
        self.lane_combine(LaneCombine::ExtMul { to, half, signed })
    }

    fn narrow(&mut self, to: S, signed: bool) -> Step {
        self.lane_combine(LaneCombine::Narrow { to, signed })
    }
}

/// The type of a lane as a scalar.
fn lane_type(shape: S) -> ValType {
    match shape {
        S::I8x16 | S::I16x8 | S::I32x4 => ValType::I32,
        S::I64x2 => ValType::I64,
        S::F32x4 => ValType::F32,
        S::F64x2 => ValType::F64,
    }
}
