//! The one walk over a function body, and the emitters that it drives.
//!
//! [`translate`] reads the operators of a validated function once and calls an [`Emitter`], which a tier
//! implements: straight-line operators, blocks and jumps. WebAssembly's control stack, unreachable code,
//! operand types, where work is counted and how on-stack-replacement entries are cut are decided here, so
//! that every tier has them alike. [`Tier`] is the seam on the other side: how tiering asks for code.

mod calls;
mod cost;
mod emitter;
mod fatal;
mod frame;
mod ops;
mod optimizer;
mod profile;
mod tier;
mod walk;

pub use calls::CallList;
pub use cost::{CostLimits, CostMeasure, Costs, Excess};
pub use emitter::*;
pub use fatal::{report_fatal, with_fatal_handler};
pub use frame::FrameLayout;
pub use ops::*;
pub use optimizer::OptimizerOptions;
pub use profile::{CallProfile, CallSamples, CallTarget, SampledCall};
pub use tier::*;
pub use walk::{
    BodySummary, IndirectCall, LoopLocals, Mode, TranslateError, TranslateProblem, enclosing_loops,
    translate, validate,
};
