//! The objects that generated code touches: contexts, memories, tables, globals, code memory, traps and entry points.
//! Knows no code generator.

mod activation;
mod address_space;
mod arch;
mod backtrace;
mod builtins;
mod call_counts;
mod code;
mod code_account;
mod code_memory;
mod externref;
pub mod fork;
mod global;
mod hooks;
mod host_func;
mod image;
mod instance;
mod instantiate;
mod interrupt;
mod libcalls;
mod limits;
mod matching;
mod memory;
mod mmap;
mod pool;
mod sampler;
mod signals;
mod slices;
mod stack;
mod store;
pub mod sync;
mod table;
#[cfg(test)]
mod test_support;
mod thread;
mod trap;
mod types;
mod vmcontext;

pub use activation::*;
pub use address_space::{available_address_space, can_reserve};
pub use arch::{ArgCursor, ArgLocation, CallFrame, VectorUse};
pub use backtrace::*;
pub use builtins::*;
pub use code::*;
pub use code_account::{
    CodeAccount, CodeLimitError, CodeLimits, CodeMemoryError, CodePurpose, CodeScope,
};
pub use code_memory::keep_code_anonymous;
pub use externref::ExternHandle;
pub use global::Global;
pub use hooks::*;
pub use host_func::{HostCall, HostCallback, HostFunc};
pub use instance::{ExternPtr, Instance, ModuleRuntime};
pub use instantiate::{ImportTypeError, InstantiateError, Instantiated};
pub use interrupt::InterruptState;
pub use limits::{GrowError, LimitError, Resource, ResourceLimits};
pub use matching::matches;
pub use memory::{
    GUARDED_RESERVATION, MEMORY_HEADROOM, Memory, MemoryError, MemoryPlan, has_headroom,
};
pub use sampler::{Sampler, Samples, TimedSample};
pub use stack::{DEFAULT_HOST_STACK, ForeignStack, MOST_UNCHECKED_FRAME, StackError};
pub use store::{StoreConfig, StoreCore, StoreId};
pub use table::{Table, TableError};
pub use thread::remaining_stack;
pub use trap::*;
pub use types::{TypeLease, TypeLeases, TypeRegistry, VMTypeId};
pub use upshift_module::Stop;
pub use vmcontext::*;
