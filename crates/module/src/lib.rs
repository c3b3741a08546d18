//! A parsed, validated WebAssembly module as plain data. Knows no tier and no runtime.
//!
//! [`Module::parse`] takes the binary or the text format, validates the whole of it and keeps what the
//! rest of the engine needs: types, imports, exports, segments and where each function's body is.

mod module;
mod types;

pub use module::*;
pub use types::*;
