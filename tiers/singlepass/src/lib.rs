//! The fast half of the baseline tier: machine code in one pass over a function's body, for the operators that most functions consist
//! of. It makes several times as many bytes of code in a second as a code generator with an intermediate language does,
//! and large programs start so much sooner.
//!
//! [`FastTier`] implements the tiering's [`Tier`](upshift_translate::Tier) on top of another one, which compiles functions
//! that this one does not know, entries at loops above all. The walk over a body is
//! `upshift_translate`'s; `emitter` keeps track of where operands are, and `asm` knows how instructions are written.
//!
//! How single-pass compilers for WebAssembly keep operands in registers is described by Titzer in *Whose baseline
//! compiler is it anyway?* (CGO 2024).

mod asm;
mod compile;
mod emitter;

pub use compile::FastTier;
