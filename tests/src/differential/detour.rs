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
//! - `br_table` with several targets moves operands of which one is a vector to the wrong places.
//!
//! Empty blocks between instructions keep them from being merged; `br_if`s stand for `br_table`.

use std::collections::VecDeque;
use std::convert::Infallible;

use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{BlockType, CodeSection, Function, Instruction, Module, ValType};
use wasmparser::{FunctionBody, Parser, Payload};

/// A way to write a module down for wasmi.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detour {
    /// An empty block after every instruction, so that hardly anything is merged, and no `br_table`.
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
    pub(crate) fn rewrite(self, wasm: &[u8]) -> Result<Vec<u8>, reencode::Error<Infallible>> {
        let mut module = Module::new();
        let mut rewriter = Rewriter {
            detour: self,
            parameters: parameters(wasm)?.into(),
        };
        rewriter.parse_core_module(&mut module, Parser::new(0), wasm)?;
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

/// The number of parameters of each defined function.
pub(crate) fn parameters(wasm: &[u8]) -> Result<Vec<u32>, reencode::Error<Infallible>> {
    let mut types = Vec::new();
    let mut functions = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::TypeSection(section) => {
                for ty in section.into_iter_err_on_gc_types() {
                    types.push(ty?.params().len() as u32);
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    functions.push(types.get(ty? as usize).copied().unwrap_or(0));
                }
            }
            _ => {}
        }
    }
    Ok(functions)
}

/// Locals in groups: how many of which type.
pub(crate) type Locals = Vec<(u32, ValType)>;

/// The locals that a body declares, behind so many parameters, and the number of the first one that is free.
pub(crate) fn locals(
    rewriter: &mut impl Reencode<Error = Infallible>,
    body: &FunctionBody<'_>,
    parameters: u32,
) -> Result<(Locals, u32), reencode::Error<Infallible>> {
    let mut locals = Vec::new();
    let mut free = parameters;
    for group in body.get_locals_reader()? {
        let (count, ty) = group?;
        free += count;
        locals.push((count, rewriter.val_type(ty)?));
    }
    Ok((locals, free))
}

struct Rewriter {
    detour: Detour,
    /// The numbers of parameters of functions whose bodies follow.
    parameters: VecDeque<u32>,
}

impl Reencode for Rewriter {
    type Error = Infallible;

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), reencode::Error<Infallible>> {
        let parameters = self.parameters.pop_front().unwrap_or(0);
        // What `br_table` chooses by.
        let (mut locals, choice) = locals(self, &body, parameters)?;
        locals.push((1, ValType::I32));
        let mut function = Function::new(locals);

        let mut reader = body.get_operators_reader()?;
        // What the last two instructions were.
        let mut before = [Kind::Other; 2];
        while !reader.eof() {
            let instruction = self.parse_instruction(&mut reader)?;
            let kind = Kind::new(&instruction);
            if kind == Kind::Nop {
                continue;
            }
            if self.detour.separates(before, kind) {
                function.instruction(&Instruction::Block(BlockType::Empty));
                function.instruction(&Instruction::End);
            }
            match &instruction {
                Instruction::BrTable(targets, default) if self.detour == Detour::Everywhere => {
                    function.instruction(&Instruction::LocalSet(choice));
                    for (i, target) in targets.iter().enumerate() {
                        function.instruction(&Instruction::LocalGet(choice));
                        function.instruction(&Instruction::I32Const(i as i32));
                        function.instruction(&Instruction::I32Eq);
                        function.instruction(&Instruction::BrIf(*target));
                    }
                    function.instruction(&Instruction::Br(*default));
                }
                other => {
                    function.instruction(other);
                }
            }
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
    use super::super::compare::{Comparison, Turns};
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
        let compare = || {
            Comparison::new(MODES, Turns::All)
                .unwrap()
                .module(0, wasm, &mut |_| {})
        };
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

    const TABLE: &str = r#"(module
        (memory (export "memory") 1)
        (func $values (result i32 v128 i64)
          (i32.const 1) (v128.const i64x2 2 3) (i64.const 4))
        (func (export "f") (param i32) (result i32) (local i64 v128)
          (block (result i32 v128 i64)
            (block (result i32 v128 i64)
              (v128.const i64x2 5 6)
              (call $values)
              (br_table 0 1 1 (local.get 0))))
          local.set 1
          local.set 2
          (i64.store (i32.const 0) (local.get 1))
          (v128.store (i32.const 8) (local.get 2))))"#;

    #[test]
    fn wasmi_misplaces_operands_of_a_br_table_and_is_led_around_it() {
        let wasm = wat::parse_str(TABLE).unwrap();
        assert_ne!(run(&wasm), 1);
        assert_eq!(run(&Detour::Everywhere.rewrite(&wasm).unwrap()), 1);
        assert_eq!(calls_that_agree(&wasm), 2);
    }
}
