//! What generated code touches: contexts, memories, tables, globals, code memory, traps and entry points.
//! Knows no code generator.

mod arch;
mod builtins;
mod code;
mod code_memory;
mod hooks;
mod trap;
mod vmcontext;

pub use arch::{ArgCursor, ArgLocation, CallFrame, VectorUse};
pub use builtins::*;
pub use code::*;
pub use hooks::*;
pub use trap::*;
pub use vmcontext::*;
