//! What generated code touches: contexts, memories, tables, globals, code memory, traps and entry points.
//! Knows no code generator.

mod builtins;
mod trap;
mod vmcontext;

pub use builtins::*;
pub use trap::*;
pub use vmcontext::*;
