//! Tells the linker of the command to leave LLVM's constructors for later (see `lazy_llvm.ld`), and to take the
//! library of C++ into the program: LLVM's part of it is smaller than the cost of loading it at every start.

use std::env;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

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
        if let Some(directory) = static_library("libstdc++.a") {
            println!("cargo:rustc-link-arg-bins=-L{}", directory.display());
        }
    }
}

/// A folder with nothing in it but this library, if there is one: the linker prefers shared ones within a folder.
fn static_library(name: &str) -> Option<PathBuf> {
    let found = Command::new("cc")
        .arg(format!("-print-file-name={name}"))
        .output()
        .ok()?;
    let path = String::from_utf8(found.stdout).ok()?;
    let path = Path::new(path.trim());
    if !path.is_absolute() || !path.is_file() {
        return None;
    }
    let folder = PathBuf::from(env::var_os("OUT_DIR")?).join("static");
    std::fs::create_dir_all(&folder).ok()?;
    let link = folder.join(name);
    if !link.exists() {
        symlink(path, &link).ok()?;
    }
    Some(folder)
}
