//! The summary of a body, found by reading it once: its size and its callees. For choosing functions that are
//! worth compiling together.

use upshift_module::{DefinedFuncIndex, FuncIndex, Module, ModuleOffset, TableIndex, TypeIndex};
use wasmparser::Operator;

use super::body::Body;
use super::error::TranslateError;

/// The first byte of all operators on vectors (clause 5.4.8).
const VECTOR_PREFIX: u8 = 0xfd;

/// The summary of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodySummary {
    /// Operators in all.
    pub operators: usize,
    /// Functions called directly; one entry for each call, in order.
    pub calls: Vec<FuncIndex>,
    /// Calls through tables, in order.
    pub indirect_calls: Vec<IndirectCall>,
    /// Whether it changes tables or their size.
    pub writes_tables: bool,
    /// How many 64-bit multiplications it has.
    pub multiplications: usize,
    /// Whether it has operators on vectors.
    pub uses_vectors: bool,
    /// How many loops it has.
    pub loops: u32,
}

/// A call through a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndirectCall {
    /// Where its operator is.
    pub offset: ModuleOffset,
    /// The table.
    pub table: TableIndex,
    /// The type that the callee must have.
    pub type_index: TypeIndex,
}

impl BodySummary {
    /// Reads the body of a defined function.
    ///
    /// # Errors
    /// When there is no such function, or its body cannot be read.
    pub fn new(module: &Module, defined: DefinedFuncIndex) -> Result<Self, TranslateError> {
        let body = Body::new(module, defined)?;
        let mut summary = Self::default();
        let mut reader = body.operators()?;
        while !reader.eof() {
            let position = reader.original_position();
            let code = usize::try_from(position)
                .ok()
                .and_then(|at| module.bytes.get(at));
            summary.uses_vectors |= code == Some(&VECTOR_PREFIX);
            let operator = reader.read();
            summary.operators += 1;
            match operator.map_err(|error| TranslateError::malformed(body.function, &error))? {
                Operator::Call { function_index } => {
                    summary.calls.push(FuncIndex::from_u32(function_index));
                }
                Operator::I64Mul => summary.multiplications += 1,
                Operator::CallIndirect {
                    type_index,
                    table_index,
                } => summary.indirect_calls.push(IndirectCall {
                    // A module is smaller than 4 GiB.
                    offset: ModuleOffset::new(u32::try_from(position).unwrap_or(u32::MAX)),
                    table: TableIndex::from_u32(table_index),
                    type_index: TypeIndex::from_u32(type_index),
                }),
                Operator::TableSet { .. }
                | Operator::TableGrow { .. }
                | Operator::TableFill { .. }
                | Operator::TableCopy { .. }
                | Operator::TableInit { .. } => summary.writes_tables = true,
                Operator::Loop { .. } => summary.loops += 1,
                _ => {}
            }
        }
        Ok(summary)
    }

    /// Whether it calls functions of WebAssembly or of the host.
    #[must_use]
    pub fn makes_calls(&self) -> bool {
        !self.calls.is_empty() || !self.indirect_calls.is_empty()
    }
}
