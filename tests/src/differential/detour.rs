//! Rewrites modules for wasmi, so that they do the same but keep clear of errors in wasmi 2.0.0. Upshift runs them as
//! they were generated.
//!
//! wasmi merges instructions and keeps results in registers. Errors in that which generated modules meet are:
//!
//! - A `select` whose condition is the comparison of a local with zero (`i32.eqz`, `i32.eq`, `i32.ne`) takes as its
//!   condition not that local, but what wasmi's register for results held before.
//! - An integer store whose address and value both are what was just computed and put into a local (`local.tee`,
//!   `local.get`, `i32.store`) panics.
//! - Operands that wait on the stack while a block with parameters begins may be lost.
//!
//! Empty blocks between instructions keep them from being merged.

use std::convert::Infallible;

use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{BlockType, CodeSection, Instruction, Module};
use wasmparser::{FunctionBody, Parser};

/// A way to write a module down for wasmi.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detour {
    /// An empty block after every instruction: hardly anything is merged.
    Everywhere,
    /// An empty block only where wasmi is known to be wrong without.
    Frequent,
}

impl Detour {
    /// All ways, the most trustworthy first.
    pub(crate) const ALL: [Self; 2] = [Self::Everywhere, Self::Frequent];

    /// A module that does the same.
    ///
    /// # Errors
    /// When the bytes are no module.
    pub(crate) fn rewrite(mut self, wasm: &[u8]) -> Result<Vec<u8>, reencode::Error<Infallible>> {
        let mut module = Module::new();
        self.parse_core_module(&mut module, Parser::new(0), wasm)?;
        Ok(module.finish())
    }

    /// Whether something must be between two instructions and the one that follows.
    fn separates(self, before: [Kind; 2], next: Kind) -> bool {
        match self {
            Self::Frequent => matches!(
                (before, next),
                ([_, Kind::Comparison], Kind::Select) | ([Kind::Tee, Kind::Get], Kind::Store)
            ),
            Self::Everywhere => true,
        }
    }
}

impl Reencode for Detour {
    type Error = Infallible;

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), reencode::Error<Infallible>> {
        let mut function = self.new_function_with_parsed_locals(&body)?;
        let mut reader = body.get_operators_reader()?;
        // What the last two instructions were.
        let mut before = [Kind::Other; 2];
        while !reader.eof() {
            let instruction = self.parse_instruction(&mut reader)?;
            let kind = Kind::new(&instruction);
            if kind == Kind::Nop {
                continue;
            }
            if self.separates(before, kind) {
                function.instruction(&Instruction::Block(BlockType::Empty));
                function.instruction(&Instruction::End);
            }
            function.instruction(&instruction);
            before = [before[1], kind];
        }
        code.function(&function);
        Ok(())
    }
}

/// The instructions that matter here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Comparison,
    Get,
    Nop,
    Select,
    Store,
    Tee,
    Other,
}

impl Kind {
    fn new(instruction: &Instruction<'_>) -> Self {
        match instruction {
            Instruction::I32Eqz | Instruction::I32Eq | Instruction::I32Ne => Self::Comparison,
            Instruction::LocalGet(_) => Self::Get,
            Instruction::LocalTee(_) => Self::Tee,
            Instruction::Nop => Self::Nop,
            Instruction::Select | Instruction::TypedSelect(_) => Self::Select,
            Instruction::I32Store(_)
            | Instruction::I32Store8(_)
            | Instruction::I32Store16(_)
            | Instruction::I64Store(_)
            | Instruction::I64Store8(_)
            | Instruction::I64Store16(_)
            | Instruction::I64Store32(_) => Self::Store,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::compare::Comparison;
    use super::super::{MODES, with_large_stack};
    use super::*;

    const SELECT: &str = r#"(module
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

    const STORE: &str = r#"(module
        (memory 1)
        (memory (export "memory") 1)
        (func (export "f") (param i32) (result i32)
          (local.tee 0 (i32.extend8_s (local.get 0)))
          (local.get 0)
          nop
          (i32.store 1)
          (i32.load 1 (local.get 0))))"#;

    /// What wasmi makes of `f(0)`.
    fn run(wasm: &[u8]) -> i32 {
        let engine = wasmi::Engine::default();
        let module = wasmi::Module::new(&engine, wasm).unwrap();
        let mut store = wasmi::Store::new(&engine, ());
        let instance = wasmi::Instance::new(&mut store, &module, &[]).unwrap();
        let f = instance.get_typed_func::<i32, i32>(&store, "f").unwrap();
        f.call(&mut store, 0).unwrap()
    }

    fn calls_that_agree(wasm: &[u8]) -> u64 {
        let compare = || Comparison::new(MODES).unwrap().module(0, wasm, &mut |_| {});
        with_large_stack(compare).unwrap().unwrap().compared_calls()
    }

    // These fail when wasmi does not need a detour any more.

    #[test]
    fn wasmi_takes_the_wrong_side_of_a_select_and_is_led_around_it() {
        let wasm = wat::parse_str(SELECT).unwrap();
        assert_eq!(run(&wasm), 2);
        for detour in Detour::ALL {
            assert_eq!(run(&detour.rewrite(&wasm).unwrap()), 1);
        }
        assert_eq!(calls_that_agree(&wasm), 4);
    }

    #[test]
    fn wasmi_panics_at_a_store_and_is_led_around_it() {
        let wasm = wat::parse_str(STORE).unwrap();
        assert!(std::panic::catch_unwind(|| run(&wasm)).is_err());
        for detour in Detour::ALL {
            assert_eq!(run(&detour.rewrite(&wasm).unwrap()), 0);
        }
        assert_eq!(calls_that_agree(&wasm), 2);
    }
}
