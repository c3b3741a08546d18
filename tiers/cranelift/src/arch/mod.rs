//! Machine code that this tier writes without Cranelift. A folder for each instruction set.

#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::*;
