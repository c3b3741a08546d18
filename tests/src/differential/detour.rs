//! Rewrites modules for wasmi, so that they do the same but keep clear of an error in wasmi 2.0.0. Upshift runs
//! them as they were generated.
//!
//! The error: a `select` whose condition is the comparison of a local with zero (`i32.eqz`, `i32.eq`, `i32.ne`) takes
//! as its condition not that local, but what wasmi's register for results held before. An empty block in between
//! keeps the two instructions from being merged.

use std::convert::Infallible;

use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{BlockType, CodeSection, Instruction, Module};
use wasmparser::{FunctionBody, Parser};

/// A module that does the same.
///
/// # Errors
/// When the bytes are no module.
pub(crate) fn around_errors_of_wasmi(wasm: &[u8]) -> Result<Vec<u8>, reencode::Error<Infallible>> {
    let mut module = Module::new();
    Detour.parse_core_module(&mut module, Parser::new(0), wasm)?;
    Ok(module.finish())
}

struct Detour;

impl Reencode for Detour {
    type Error = Infallible;

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), reencode::Error<Infallible>> {
        let mut function = self.new_function_with_parsed_locals(&body)?;
        let mut reader = body.get_operators_reader()?;
        let mut after_comparison = false;
        while !reader.eof() {
            let instruction = self.parse_instruction(&mut reader)?;
            match instruction {
                Instruction::Select | Instruction::TypedSelect(_) if after_comparison => {
                    function.instruction(&Instruction::Block(BlockType::Empty));
                    function.instruction(&Instruction::End);
                }
                // Those that produce nothing leave the comparison where it is.
                Instruction::Nop => {
                    function.instruction(&instruction);
                    continue;
                }
                _ => {}
            }
            after_comparison = matches!(
                instruction,
                Instruction::I32Eqz | Instruction::I32Eq | Instruction::I32Ne
            );
            function.instruction(&instruction);
        }
        code.function(&function);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::compare::Comparison;
    use super::super::{MODES, with_large_stack};
    use super::*;

    const TEXT: &str = r#"(module
        (func (export "f") (param i32) (result i32)
          (drop (i32.add (local.get 0) (i32.const 7)))
          (select (i32.const 1) (i32.const 2) (i32.eqz (local.get 0))))
        (func (export "g") (param i32) (result v128)
          (drop (i32.add (local.get 0) (i32.const 7)))
          (v128.const i64x2 1 1)
          (v128.const i64x2 2 2)
          (i32.ne (local.get 0) (i32.const 0))
          nop
          (select (result v128))))"#;

    /// Fails when wasmi does not need this any more.
    #[test]
    fn wasmi_takes_the_wrong_side_of_a_select_and_is_led_around_it() {
        let wasm = wat::parse_str(TEXT).unwrap();
        let run = |wasm: &[u8]| {
            let engine = wasmi::Engine::default();
            let module = wasmi::Module::new(&engine, wasm).unwrap();
            let mut store = wasmi::Store::new(&engine, ());
            let instance = wasmi::Instance::new(&mut store, &module, &[]).unwrap();
            let f = instance.get_typed_func::<i32, i32>(&store, "f").unwrap();
            f.call(&mut store, 0).unwrap()
        };
        assert_eq!(run(&wasm), 2);
        assert_eq!(run(&around_errors_of_wasmi(&wasm).unwrap()), 1);
        let counts = with_large_stack(|| {
            Comparison::new(MODES)
                .unwrap()
                .module(0, &wasm, &mut |_| {})
        })
        .unwrap()
        .unwrap();
        assert_eq!(counts.compared_calls(), 4);
    }
}
