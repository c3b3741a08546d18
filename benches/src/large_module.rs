//! A large module as compilers see it in practice: thousands of functions of all sizes, of which a run calls few.
//! The functions' bodies are made in `body.rs`; here is the module around them.

use wasm_encoder::{
    CodeSection, ConstExpr, ElementSection, Elements, ExportKind, ExportSection, Function,
    FunctionSection, GlobalSection, GlobalType, MemorySection, MemoryType, Module, RefType,
    TableSection, TableType, TypeSection, ValType,
};

use crate::body::{Body, Signature};
use crate::random::Random;

/// One function in so many is called by the export `main`.
pub const CALLED_EVERY: u32 = 1000;

/// How many called functions form a chain, each calling the next, `main` the first.
const CHAIN: u32 = 8;

/// Functions in the table for indirect calls; all of them have the same signature.
pub(crate) const TABLE_SIZE: u32 = 64;

/// Memory: addresses reach up to about 0x1_2000 for integers, and the same above 0x8_0000 for floats.
const MEMORY_PAGES: u64 = 16;

/// Makes a binary module of `functions` functions (at least one) and the export `main: (i32) -> i32`, which calls one
/// in [`CALLED_EVERY`] of them, each once. The bodies have 30 to 400 operators: loops, branches, switches, memory
/// accesses, calls, arithmetic on i32, i64 and f64. Some 3 000 functions make a megabyte.
///
/// The same arguments give the same bytes. The module is valid, does not trap, and what `main` returns does not
/// depend on what an engine does with the bits of a NaN.
///
/// ```
/// let module = upshift_benches::large_module(10, 1);
/// assert_eq!(module, upshift_benches::large_module(10, 1));
/// ```
#[must_use]
pub fn large_module(functions: u32, seed: u64) -> Vec<u8> {
    let functions = functions.max(1);
    let mut random = Random::new(seed);

    let mut types = TypeSection::new();
    for signature in Signature::ALL {
        types
            .ty()
            .function(signature.parameters().iter().copied(), [signature.result()]);
    }

    let mut declarations = FunctionSection::new();
    let mut code = CodeSection::new();
    for index in 0..functions {
        declarations.function(Signature::of(index).type_index());
        code.function(&Body::generate(
            index,
            functions,
            next_in_chain(index, functions),
            &mut random,
        ));
    }
    declarations.function(Signature::Integer.type_index());
    code.function(&main_function(functions));

    let mut tables = TableSection::new();
    tables.table(TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: u64::from(TABLE_SIZE),
        maximum: Some(u64::from(TABLE_SIZE)),
        shared: false,
    });
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: MEMORY_PAGES,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    // Never written: it guards the calls that must not happen, as an error path would.
    let mut globals = GlobalSection::new();
    globals.global(
        GlobalType {
            val_type: ValType::I32,
            mutable: true,
            shared: false,
        },
        &ConstExpr::i32_const(0),
    );
    let mut exports = ExportSection::new();
    exports.export("main", ExportKind::Func, functions);
    exports.export("memory", ExportKind::Memory, 0);
    let mut elements = ElementSection::new();
    let listed: Vec<u32> = (0..functions)
        .filter(|&index| Signature::of(index) == Signature::Integer)
        .collect();
    let listed: Vec<u32> = listed
        .iter()
        .copied()
        .cycle()
        .take(TABLE_SIZE as usize)
        .collect();
    elements.active(
        None,
        &ConstExpr::i32_const(0),
        Elements::Functions(listed.into()),
    );

    let mut module = Module::new();
    module
        .section(&types)
        .section(&declarations)
        .section(&tables)
        .section(&memories)
        .section(&globals)
        .section(&exports)
        .section(&elements)
        .section(&code);
    module.finish()
}

/// The one function that `index` really calls, if it is a called one itself.
fn next_in_chain(index: u32, functions: u32) -> Option<u32> {
    let next = index + CALLED_EVERY;
    let last = (index / CALLED_EVERY) % CHAIN == CHAIN - 1;
    (index.is_multiple_of(CALLED_EVERY) && !last && next < functions).then_some(next)
}

/// Calls the first function of each chain and mixes the results.
fn main_function(functions: u32) -> Function {
    let parameter = 0;
    let mixed = 1;
    let mut function = Function::new([(1, ValType::I32)]);
    let mut sink = function.instructions();
    sink.local_get(parameter).local_set(mixed);
    for first in (0..functions).step_by((CALLED_EVERY * CHAIN) as usize) {
        let signature = Signature::of(first);
        sink.local_get(mixed).i32_const(31).i32_mul();
        sink.local_get(parameter).i32_const(0xfff8).i32_and();
        match signature {
            Signature::Integer => {}
            Signature::Wide => {
                sink.local_get(mixed).i64_extend_i32_s();
            }
            Signature::Float => {
                sink.local_get(mixed).f64_convert_i32_s();
            }
        }
        sink.call(first);
        match signature {
            Signature::Integer => {}
            Signature::Wide => {
                sink.i32_wrap_i64();
            }
            Signature::Float => {
                sink.i32_trunc_sat_f64_s();
            }
        }
        sink.i32_xor().local_set(mixed);
    }
    sink.local_get(mixed).end();
    function
}

#[cfg(test)]
mod tests {
    use wasmparser::{Operator, Parser, Payload, Validator};

    use super::*;

    #[test]
    fn every_size_is_valid_and_deterministic() {
        for functions in [1, 2, 3, 100, 2500] {
            let module = large_module(functions, 42);
            assert_eq!(module, large_module(functions, 42));
            Validator::new().validate_all(&module).unwrap();
        }
        assert_ne!(large_module(100, 1), large_module(100, 2));
    }

    #[test]
    fn bodies_have_the_promised_size_and_contents() {
        let module = large_module(1000, 7);
        let mut sizes = Vec::new();
        let (mut loops, mut calls, mut accesses) = (0, 0, 0);
        for payload in Parser::new(0).parse_all(&module) {
            let Payload::CodeSectionEntry(body) = payload.unwrap() else {
                continue;
            };
            let mut size = 0;
            for operator in body.get_operators_reader().unwrap() {
                size += 1;
                match operator.unwrap() {
                    Operator::Loop { .. } => loops += 1,
                    Operator::Call { .. } | Operator::CallIndirect { .. } => calls += 1,
                    Operator::I32Load { .. }
                    | Operator::I64Store { .. }
                    | Operator::F64Load { .. } => accesses += 1,
                    _ => {}
                }
            }
            sizes.push(size);
        }
        sizes.pop(); // `main`, whose size depends on the number of functions.
        let (smallest, largest) = (*sizes.iter().min().unwrap(), *sizes.iter().max().unwrap());
        assert!(smallest >= 30, "smallest: {smallest}");
        assert!((300..=450).contains(&largest), "largest: {largest}");
        assert!(
            loops > 500 && calls > 1000 && accesses > 2000,
            "{loops} loops, {calls} calls, {accesses} accesses"
        );
        let bytes_per_function = module.len() / 1000;
        assert!(
            (250..=450).contains(&bytes_per_function),
            "{bytes_per_function} bytes a function"
        );
    }

    #[test]
    fn called_functions_really_call_only_the_next_one_of_their_chain() {
        assert_eq!(next_in_chain(0, 5000), Some(1000));
        assert_eq!(next_in_chain(4000, 5000), None);
        assert_eq!(next_in_chain(7000, 50_000), None);
        assert_eq!(next_in_chain(8000, 50_000), Some(9000));
        assert_eq!(next_in_chain(8001, 50_000), None);
    }
}
