//! Code that depends on the instruction set: stubs between host and generated code, the calling convention's
//! argument registers, and how a signal's context is read and redirected. A folder or file each.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod x86_64;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub use x86_64::*;

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
compile_error!("Upshift runs on Linux x86-64 only, so far");
