//! Tells the linker of the command to leave LLVM's constructors for later: see `lazy_llvm.ld`.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=lazy_llvm.ld");
    println!("cargo:rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
    let is_set = |name: &str| env::var_os(name).is_some();
    // A linker that someone chose may not know such scripts. Without this one everything works as well, only later.
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let is_usual = !is_set("RUSTC_LINKER") && !flags.contains("link");
    if is_set("CARGO_FEATURE_LLVM") && is_usual {
        let directory = env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| ".".to_owned());
        println!("cargo:rustc-link-arg-bins=-T");
        println!("cargo:rustc-link-arg-bins={directory}/lazy_llvm.ld");
    }
}
