//! Makes the NaNs of arithmetic canonical, whose bits the specification leaves open (clause 4.3.3): the general generator does
//! so itself for all but conversions between floats, whose NaNs are open just as well.

use std::collections::VecDeque;
use std::convert::Infallible;

use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{CodeSection, Function, Ieee32, Ieee64, Instruction, Module, ValType};
use wasmparser::{FunctionBody, Parser};

use super::arithmetic::{self, Floats};
use super::detour::{locals, parameters};

/// NaNs as `canonicalize_nans` of the generator has them.
const NAN32: u32 = 0x7fc0_0000;
const NAN64: u64 = 0x7ff8_0000_0000_0000;

/// A module whose conversions between floats give one NaN only.
///
/// # Errors
/// When the bytes are no module.
pub(crate) fn conversions(wasm: &[u8]) -> Result<Vec<u8>, reencode::Error<Infallible>> {
    rewrite(wasm, arithmetic::conversion)
}

/// A module of whose arithmetic all gives one NaN only.
///
/// # Errors
/// When the bytes are no module.
pub(crate) fn all(wasm: &[u8]) -> Result<Vec<u8>, reencode::Error<Infallible>> {
    rewrite(wasm, arithmetic::result)
}

fn rewrite(
    wasm: &[u8],
    result: fn(&Instruction<'_>) -> Option<Floats>,
) -> Result<Vec<u8>, reencode::Error<Infallible>> {
    let mut module = Module::new();
    let mut rewriter = Rewriter {
        parameters: parameters(wasm)?.into(),
        result,
    };
    rewriter.parse_core_module(&mut module, Parser::new(0), wasm)?;
    Ok(module.finish())
}

struct Rewriter {
    /// The numbers of parameters of functions whose bodies follow.
    parameters: VecDeque<u32>,
    /// What an instruction results in whose NaNs are to be canonical.
    result: fn(&Instruction<'_>) -> Option<Floats>,
}

impl Reencode for Rewriter {
    type Error = Infallible;

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), reencode::Error<Infallible>> {
        let parameters = self.parameters.pop_front().unwrap_or(0);
        let (mut locals, first) = locals(self, &body, parameters)?;
        // For a value while it is compared with itself, one of each type.
        let [f32, f64, v128] = [first, first + 1, first + 2];
        locals.extend([(1, ValType::F32), (1, ValType::F64), (1, ValType::V128)]);
        let mut function = Function::new(locals);
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            let instruction = self.parse_instruction(&mut reader)?;
            function.instruction(&instruction);
            let vector = |nan: u64| {
                let both = u128::from(nan) << 64 | u128::from(nan);
                Instruction::V128Const(both.cast_signed())
            };
            let Some(result) = (self.result)(&instruction) else {
                continue;
            };
            let (scratch, nan, compare, choose) = match result {
                Floats::F32 => (
                    f32,
                    Instruction::F32Const(Ieee32::new(NAN32)),
                    Instruction::F32Eq,
                    Instruction::Select,
                ),
                Floats::F64 => (
                    f64,
                    Instruction::F64Const(Ieee64::new(NAN64)),
                    Instruction::F64Eq,
                    Instruction::Select,
                ),
                Floats::F32x4 => (
                    v128,
                    vector(u64::from(NAN32) << 32 | u64::from(NAN32)),
                    Instruction::F32x4Eq,
                    Instruction::V128Bitselect,
                ),
                Floats::F64x2 => (
                    v128,
                    vector(NAN64),
                    Instruction::F64x2Eq,
                    Instruction::V128Bitselect,
                ),
            };
            function.instruction(&Instruction::LocalTee(scratch));
            function.instruction(&nan);
            function.instruction(&Instruction::LocalGet(scratch));
            function.instruction(&Instruction::LocalGet(scratch));
            function.instruction(&compare);
            function.instruction(&choose);
        }
        code.function(&function);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_give_one_nan_only() {
        let wasm = wat::parse_str(
            r#"(module
                 (func (export "demote") (param f64) (result i32)
                   (i32.reinterpret_f32 (f32.demote_f64 (local.get 0))))
                 (func (export "promote") (param f32) (result i64)
                   (i64.reinterpret_f64 (f64.promote_f32 (local.get 0))))
                 (func (export "demote_both") (param f64) (result i64)
                   (i64x2.extract_lane 0
                     (f32x4.demote_f64x2_zero (f64x2.splat (local.get 0)))))
                 (func (export "promote_both") (param f32) (result i64)
                   (i64x2.extract_lane 1
                     (f64x2.promote_low_f32x4 (f32x4.splat (local.get 0))))))"#,
        )
        .unwrap();
        let engine = upshift::Engine::default();
        let module = upshift::Module::new(&engine, conversions(&wasm).unwrap()).unwrap();
        let mut store = upshift::Store::new(&engine, ());
        let instance = upshift::Instance::new(&mut store, &module, &[]).unwrap();
        let both = (u64::from(NAN32) << 32 | u64::from(NAN32)).cast_signed();
        for sign in [1.0, -1.0] {
            let (nan32, nan64) = (f32::NAN.copysign(sign), f64::NAN.copysign(f64::from(sign)));
            let demote = instance.get_typed_func::<f64, i32>(&mut store, "demote");
            let demoted = demote.unwrap().call(&mut store, nan64).unwrap();
            assert_eq!(demoted.cast_unsigned(), NAN32);
            let promote = instance.get_typed_func::<f32, i64>(&mut store, "promote");
            let promoted = promote.unwrap().call(&mut store, nan32).unwrap();
            assert_eq!(promoted.cast_unsigned(), NAN64);
            let demote = instance.get_typed_func::<f64, i64>(&mut store, "demote_both");
            assert_eq!(demote.unwrap().call(&mut store, nan64).unwrap(), both);
            let promote = instance.get_typed_func::<f32, i64>(&mut store, "promote_both");
            let promoted = promote.unwrap().call(&mut store, nan32).unwrap();
            assert_eq!(promoted.cast_unsigned(), NAN64);
        }
    }
}
