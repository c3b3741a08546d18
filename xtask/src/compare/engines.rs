//! The engines that can be compared, and the binaries that measure them: how they are built and called.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use upshift_bench_protocol::Report;

use crate::failure::Failure;
use crate::process;

/// The binary that an engine is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `peer-upshift` of the package of benches.
    Upshift,
    /// `peer-wasmtime`, with wasmi, a package of its own.
    Wasmtime,
    /// `peer-wasmer`, a package of its own.
    Wasmer,
}

/// An engine with its settings.
#[derive(Debug)]
pub struct Engine {
    /// As its binary knows it.
    pub name: &'static str,
    /// One line for the list of engines.
    pub about: &'static str,
    program: Program,
}

const fn engine(program: Program, name: &'static str, about: &'static str) -> Engine {
    Engine {
        name,
        about,
        program,
    }
}

/// All engines, in the order of the table.
pub const ENGINES: &[Engine] = &[
    engine(
        Program::Upshift,
        "upshift-baseline",
        "upshift's baseline tier, lazy, counting work",
    ),
    engine(
        Program::Upshift,
        "upshift-baseline-uncounted",
        "the same without counting, to see what counting costs",
    ),
    engine(
        Program::Wasmtime,
        "wasmtime-cranelift",
        "wasmtime as it comes",
    ),
    engine(
        Program::Wasmtime,
        "wasmtime-cranelift-none",
        "wasmtime without optimization",
    ),
    engine(
        Program::Wasmtime,
        "wasmtime-cranelift-none-singlepass",
        "wasmtime without optimization, single-pass register allocator",
    ),
    engine(
        Program::Wasmtime,
        "wasmtime-winch",
        "wasmtime's baseline compiler",
    ),
    engine(Program::Wasmtime, "wasmi", "wasmi, an interpreter"),
    engine(Program::Wasmer, "wasmer-cranelift", "wasmer with Cranelift"),
    engine(
        Program::Wasmer,
        "wasmer-singlepass",
        "wasmer with its single-pass compiler",
    ),
];

/// The engine of that name.
///
/// # Errors
/// If there is none.
pub fn find(name: &str) -> Result<&'static Engine, Failure> {
    ENGINES
        .iter()
        .find(|engine| engine.name == name)
        .ok_or_else(|| {
            let names: Vec<&str> = ENGINES.iter().map(|engine| engine.name).collect();
            Failure::Usage(format!(
                "no engine `{name}`; there are: {}",
                names.join(", ")
            ))
        })
}

/// Where the engines' binaries are.
#[derive(Debug)]
pub struct Programs {
    ours: PathBuf,
    /// Apart from the workspace's own target folder, so that a build here doesn't throw away what a build there has made.
    peers: PathBuf,
}

impl Programs {
    /// Finds the target folders.
    pub fn new() -> Programs {
        let ours = process::target();
        let peers = ours.join("peers");
        Programs { ours, peers }
    }

    /// Builds what these engines need, and the generator of the large module.
    ///
    /// # Errors
    /// If a build fails.
    pub fn build(&self, engines: &[&Engine]) -> Result<(), Failure> {
        let uses = |program| engines.iter().any(|engine| engine.program == program);
        let mut command = process::cargo();
        command.args([
            "build",
            "--release",
            "--package",
            "upshift-benches",
            "--bin",
            "write-large-module",
        ]);
        if uses(Program::Upshift) {
            command.args(["--bin", "peer-upshift"]);
        }
        process::run(&mut command)?;
        for (program, manifest) in [
            (Program::Wasmtime, "benches/peers/wasmtime/Cargo.toml"),
            (Program::Wasmer, "benches/peers/wasmer/Cargo.toml"),
        ] {
            if uses(program) {
                process::run(
                    process::cargo()
                        .args([
                            "build",
                            "--release",
                            "--locked",
                            "--manifest-path",
                            manifest,
                        ])
                        .env("CARGO_TARGET_DIR", &self.peers),
                )?;
            }
        }
        Ok(())
    }

    /// Generates the large module into `path`.
    ///
    /// # Errors
    /// If the generator is not built or fails.
    pub fn write_large_module(&self, path: &Path, functions: u32) -> Result<(), Failure> {
        let program = self.ours.join("release/write-large-module");
        process::run(Command::new(program).arg(path).arg(functions.to_string()))
    }

    /// Lets the engine's binary measure once.
    ///
    /// # Errors
    /// If the binary is not built, fails, or prints something else than a report; with what it said.
    pub fn measure(&self, engine: &Engine, arguments: &[OsString]) -> Result<Report, Failure> {
        let program = match engine.program {
            Program::Upshift => self.ours.join("release/peer-upshift"),
            Program::Wasmtime => self.peers.join("release/peer-wasmtime"),
            Program::Wasmer => self.peers.join("release/peer-wasmer"),
        };
        let mut command = Command::new(&program);
        let output = command
            .arg(engine.name)
            .args(arguments)
            // What an engine says when it fails goes into one line of the table.
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .output();
        let output = output.map_err(|source| Failure::Start {
            command: program.display().to_string(),
            source,
            remedy: "Without `--no-build` it is built first".to_owned(),
        })?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            return Err(Failure::Check(format!(
                "{} ({})",
                errors.trim().replace('\n', " "),
                output.status
            )));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text).map_err(|error| {
            Failure::Check(format!("it printed no report, but `{text}` ({error})"))
        })
    }
}
