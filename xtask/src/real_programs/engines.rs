//! What real programs are run by: Upshift in each of its modes, and others to compare with.

use std::path::Path;
use std::process::Command;

use super::programs::{Built, Program, Run, scripts};
use crate::compare::peers;
use crate::failure::Failure;
use crate::{process, words};

/// Something that runs a WASI program from its file.
#[derive(Debug)]
pub struct Engine {
    pub name: &'static str,
    /// One line for the list of engines.
    pub about: &'static str,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// `upshift run` with these options.
    Upshift(&'static [&'static str]),
    /// The comparison package of wasmtime and wasmi, which has no cache.
    Wasmtime,
    /// The comparison package of wasmer, which has no cache.
    Wasmer,
    /// Node.js with these flags.
    Node(&'static [&'static str]),
}

const fn engine(name: &'static str, about: &'static str, kind: Kind) -> Engine {
    Engine { name, about, kind }
}

/// All engines.
pub const ENGINES: &[Engine] = &[
    engine(
        "upshift-baseline",
        "the baseline alone",
        Kind::Upshift(&["--tier", "baseline"]),
    ),
    engine("upshift-auto", "Upshift as it comes", Kind::Upshift(&[])),
    engine(
        "upshift-auto-soon",
        "everything moves up at its second call",
        Kind::Upshift(&["--tier-up-after-calls", "2"]),
    ),
    engine(
        "upshift-llvm",
        "everything through LLVM first",
        Kind::Upshift(&["--tier", "llvm"]),
    ),
    engine(
        "upshift-llvm-precise",
        "the same with precise traps",
        Kind::Upshift(&["--tier", "llvm", "--precise-traps"]),
    ),
    engine(
        "wasmtime-cranelift",
        "wasmtime as it comes, without a cache",
        Kind::Wasmtime,
    ),
    engine(
        "wasmtime-winch",
        "wasmtime's baseline compiler, without a cache",
        Kind::Wasmtime,
    ),
    engine(
        "wasmi",
        "wasmi, an interpreter that translates what is called",
        Kind::Wasmtime,
    ),
    engine(
        "wasmer-llvm",
        "wasmer by LLVM, without a cache; takes a quarter of an hour to build",
        Kind::Wasmer,
    ),
    engine("node", "Node.js: V8 as it comes", Kind::Node(&[])),
];

/// What real programs are compared on if nothing else is asked for.
pub const COMPARED: &[&str] = &[
    "upshift-auto",
    "upshift-baseline",
    "wasmtime-cranelift",
    "wasmtime-winch",
    "wasmi",
    "node",
];

/// The engine of that name.
///
/// # Errors
/// If there is none.
pub fn find(name: &str) -> Result<&'static Engine, Failure> {
    words::find("engine", ENGINES, |engine| engine.name, name)
}

impl Engine {
    /// Whether it is one of Upshift's modes.
    pub fn is_ours(&self) -> bool {
        matches!(self.kind, Kind::Upshift(_))
    }

    /// Whether it compiles the whole program by LLVM before the start.
    pub fn compiles_all_by_llvm(&self) -> bool {
        matches!(self.kind, Kind::Upshift(options) if options.contains(&"llvm"))
    }

    /// The command for a run of a program, with `/data` in this folder.
    pub fn command(&self, built: &Built, run: &Run, data: &Path, profile: Profile) -> Command {
        let module = &built.module;
        let mut command = match self.kind {
            Kind::Upshift(options) => {
                let mut command = Command::new(profile.folder().join("upshift"));
                command.arg("run").args(options).arg(module);
                command
            }
            Kind::Wasmtime => self.peer(&peers::wasmtime(), module),
            Kind::Wasmer => self.peer(&peers::wasmer(), module),
            Kind::Node(flags) => {
                let mut command = Command::new(peers::node());
                command
                    .args(flags)
                    .arg("--no-warnings")
                    .arg(
                        process::root()
                            .join(peers::NODE_PACKAGE)
                            .join("program.mjs"),
                    )
                    .arg(module);
                command
            }
        };
        command.arg("--dir").arg(mapping(&scripts(), "/scripts"));
        command.arg("--dir").arg(mapping(data, "/data"));
        if let Some((host, guest)) = &built.files {
            command.arg("--dir").arg(mapping(host, guest));
        }
        for (key, value) in run.environment {
            command.arg("--env").arg(format!("{key}={value}"));
        }
        command.arg("--").args(run.arguments);
        command
    }

    /// The beginning of the command of a comparison package.
    fn peer(&self, program: &Path, module: &Path) -> Command {
        let mut command = Command::new(program);
        command.args([self.name, "program"]).arg(module);
        command
    }
}

fn mapping(host: &Path, guest: &str) -> std::ffi::OsString {
    let mut mapping = host.as_os_str().to_owned();
    mapping.push("::");
    mapping.push(guest);
    mapping
}

/// Cargo's profile that Upshift is built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// What tests are built with too, so that nothing is built twice.
    Dev,
    Release,
}

impl Profile {
    fn folder(self) -> std::path::PathBuf {
        process::target().join(match self {
            Profile::Dev => "debug",
            Profile::Release => "release",
        })
    }
}

/// Builds what these engines need.
///
/// # Errors
/// If a build fails.
pub fn build(engines: &[&Engine], profile: Profile) -> Result<(), Failure> {
    if engines.iter().any(|engine| engine.is_ours()) {
        let mut cargo = process::cargo();
        cargo.args(["build", "--package", "upshift-cli", "--bin", "upshift"]);
        if profile == Profile::Release {
            cargo.arg("--release");
        }
        process::run(&mut cargo)?;
    }
    let uses = |wanted: fn(&Kind) -> bool| engines.iter().any(|engine| wanted(&engine.kind));
    if uses(|kind| matches!(kind, Kind::Wasmtime)) {
        peers::build_wasmtime()?;
    }
    if uses(|kind| matches!(kind, Kind::Wasmer)) {
        peers::build_wasmer()?;
    }
    if uses(|kind| matches!(kind, Kind::Node(_))) {
        peers::provide_node()?;
    }
    Ok(())
}

/// Whether an engine runs a program although nobody named the engine.
pub fn is_usual(engine: &Engine, program: &Program) -> bool {
    engine.is_ours() && !(program.is_large && engine.compiles_all_by_llvm())
}
