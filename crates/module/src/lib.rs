//! A parsed, validated WebAssembly module as plain data. Knows no tier and no runtime.
//!
//! [`Module::parse`] takes the binary or the text format, validates the whole of it and keeps all that the
//! rest of the engine needs: types, imports, exports, segments and where each function's body is.

mod bodies;
mod convert;
mod diagnose;
mod error;
mod features;
mod index;
mod module;
mod names;
mod numbers;
mod operators;
mod parse;
mod read;
mod reflect;
mod resources;
mod section;
mod stop;
mod text;
pub mod threads;
mod types;

pub use bodies::BodyError;
pub use error::{ModuleError, ModuleErrorKind};
pub use features::Features;
pub use index::*;
pub use module::*;
pub use names::Names;
pub use numbers::*;
pub use resources::{ResourcesRequired, TABLE_ELEMENT_BYTES};
pub use section::Section;
pub use stop::Stop;
pub use text::{Printable, PrintableLines};
pub use types::*;
