//! The engines that can be compared, and the binaries that measure them: how they are built and called.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use upshift_bench_protocol::{Report, series};
use upshift_kernels::{Kernel, RUN};
use wait_timeout::ChildExt;

use super::peers;
use super::plan::{KernelCalls, Task};
use crate::failure::Failure;
use crate::kernels::{self, NativeCpu};
use crate::{process, words};

/// The binary that an engine is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `peer-upshift` of the package of benches.
    Upshift,
    /// `peer-wasmtime`, with wasmi, a package of its own.
    Wasmtime,
    /// `peer-wasmer`, a package of its own.
    Wasmer,
    /// Node.js with `peer.mjs`.
    Node,
    /// The kernels as programs of this machine.
    Native(NativeCpu),
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
        Program::Upshift,
        "upshift-llvm",
        "upshift's optimizing tier, everything compiled ahead",
    ),
    engine(
        Program::Upshift,
        "upshift-auto",
        "upshift as it comes: what is hot moves from the baseline to LLVM",
    ),
    engine(
        Program::Native(NativeCpu::Generic),
        "native",
        "the kernels' C sources, clang -O3, for any x86-64",
    ),
    engine(
        Program::Native(NativeCpu::Host),
        "native-march",
        "the same with -march=native",
    ),
    engine(
        Program::Node,
        "node",
        "Node.js: V8's optimizing compiler, everything ahead; only when asked for, kernels only",
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
    engine(Program::Wasmer, "wasmer-llvm", "wasmer with LLVM"),
    engine(
        Program::Wasmer,
        "wasmer-singlepass",
        "wasmer with its single-pass compiler",
    ),
];

/// How a process that was to compute something ended.
#[derive(Debug)]
pub enum Solved {
    InTime {
        time: Duration,
        result: String,
    },
    /// It was ended, because it took too long.
    TooLate,
}

impl Engine {
    /// Whether it is one of those that time to solution is told of: as users get it, and not a variant of it.
    pub fn is_a_runtime_as_it_comes(&self) -> bool {
        const VARIANTS: [&str; 4] = [
            "upshift-baseline-uncounted",
            "native-march",
            "wasmtime-cranelift-none",
            "wasmtime-cranelift-none-singlepass",
        ];
        !VARIANTS.contains(&self.name)
    }

    /// Whether it is measured if no engines are named. What has to be fetched from elsewhere than cargo fetches is not.
    pub fn is_usual(&self) -> bool {
        self.program != Program::Node
    }

    /// Whether a measurement means anything for it.
    pub fn can(&self, task: &Task) -> bool {
        match (self.program, task) {
            (Program::Upshift, _) | (_, Task::Kernel(_)) => true,
            (Program::Native(_), Task::Process(_)) => true,
            (Program::Native(_) | Program::Node, _) => false,
            (Program::Wasmtime | Program::Wasmer, Task::Protocol(_)) => true,
            (Program::Wasmtime | Program::Wasmer, Task::Process(_) | Task::Total(_)) => false,
        }
    }
}

/// The engine of that name.
///
/// # Errors
/// If there is none.
pub fn find(name: &str) -> Result<&'static Engine, Failure> {
    words::find("engine", ENGINES, |engine| engine.name, name)
}

/// Flags for V8. Its own tiering would leave short kernels in the baseline, and V8's baseline is not what is compared.
const NODE_FLAGS: [&str; 2] = ["--no-liftoff", "--no-wasm-lazy-compilation"];

/// Where the engines' binaries are.
#[derive(Debug)]
pub struct Programs {
    ours: PathBuf,
}

impl Programs {
    /// Finds the target folder.
    pub fn new() -> Programs {
        Programs {
            ours: process::target(),
        }
    }

    /// Builds what these engines need to run the kernels and everything else.
    ///
    /// # Errors
    /// If a build fails.
    pub fn build(&self, engines: &[&Engine], kernels: &[&Kernel]) -> Result<(), Failure> {
        let uses = |program| engines.iter().any(|engine| engine.program == program);
        build_ours(uses(Program::Upshift))?;
        if uses(Program::Wasmtime) {
            peers::build_wasmtime()?;
        }
        if uses(Program::Wasmer) {
            peers::build_wasmer()?;
        }
        if uses(Program::Node) {
            peers::provide_node()?;
        }
        let cpus: Vec<NativeCpu> = [NativeCpu::Generic, NativeCpu::Host]
            .into_iter()
            .filter(|&cpu| uses(Program::Native(cpu)))
            .collect();
        if cpus.is_empty() || kernels.is_empty() {
            return Ok(());
        }
        kernels::compile_natively(kernels, &cpus)
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
    pub fn measure(&self, engine: &Engine, task: &Task) -> Result<Report, Failure> {
        match (engine.program, task) {
            (Program::Native(cpu), Task::Kernel(calls)) => native_calls(engine, cpu, calls),
            (_, Task::Process(calls)) => self.process(engine, calls),
            (_, task) => {
                let mut command = self.peer(engine);
                command.arg(engine.name).args(task.arguments());
                let output = run(&mut command)?;
                let text = String::from_utf8_lossy(&output.stdout);
                serde_json::from_str(&text).map_err(|error| {
                    Failure::Check(format!("it printed no report, but `{text}` ({error})"))
                })
            }
        }
    }

    /// Lets a process of its own compute the result of one call, and ends it if it takes longer than `limit`.
    ///
    /// # Errors
    /// If the binary is not built, fails, or prints no result.
    pub fn solve(
        &self,
        engine: &Engine,
        calls: &KernelCalls,
        limit: Duration,
    ) -> Result<Solved, Failure> {
        let is_users_own = matches!(engine.program, Program::Native(_) | Program::Upshift);
        let mut command = match engine.program {
            Program::Native(_) | Program::Upshift => self.users_command(engine, calls),
            Program::Node => {
                // As it comes: its own tiers are what counts here.
                let mut command = Command::new(peers::node());
                command.arg(peers::node_script());
                command
            }
            Program::Wasmtime | Program::Wasmer => self.peer(engine),
        };
        if !is_users_own {
            command
                .args([engine.name, "first-result"])
                .arg(calls.kernel.wasm_path())
                .args([calls.function.as_str(), &calls.n.to_string()]);
        }
        let start = Instant::now();
        let Some(output) = run_for_at_most(&mut command, limit)? else {
            return Ok(Solved::TooLate);
        };
        let time = start.elapsed();
        let text = String::from_utf8_lossy(&output.stdout);
        let result = if is_users_own {
            text.split_whitespace().next().map(str::to_owned)
        } else {
            let report = serde_json::from_str::<Report>(&text).ok();
            report.and_then(|report| report.result)
        };
        let result =
            result.ok_or_else(|| Failure::Check(format!("it printed no result, but `{text}`")))?;
        Ok(Solved::InTime { time, result })
    }

    /// What speaks the protocol for an engine.
    fn peer(&self, engine: &Engine) -> Command {
        match engine.program {
            Program::Node => {
                let mut command = Command::new(peers::node());
                command.args(NODE_FLAGS).arg(peers::node_script());
                command
            }
            Program::Wasmtime => Command::new(peers::wasmtime()),
            Program::Wasmer => Command::new(peers::wasmer()),
            Program::Upshift | Program::Native(_) => {
                Command::new(self.ours.join("release/peer-upshift"))
            }
        }
    }

    /// One call as users make it: of a program of this machine, or through `upshift run`.
    fn users_command(&self, engine: &Engine, calls: &KernelCalls) -> Command {
        let n = calls.n.to_string();
        if let Program::Native(cpu) = engine.program {
            let mut command = Command::new(kernels::program_of(&calls.kernel, cpu));
            command.args([calls.function.as_str(), &n]);
            return command;
        }
        let mut command = Command::new(self.ours.join("release/upshift"));
        let tier = engine.name.trim_start_matches("upshift-");
        command
            .args(["run", "--tier", tier])
            .arg(calls.kernel.wasm_path())
            .args(["--invoke", &calls.function, &n]);
        command
    }

    /// One call in a process of its own, start and end of the process included.
    fn process(&self, engine: &Engine, calls: &KernelCalls) -> Result<Report, Failure> {
        let mut command = self.users_command(engine, calls);
        let start = Instant::now();
        let output = run(&mut command)?;
        let time = start.elapsed();
        let printed = String::from_utf8_lossy(&output.stdout);
        let result = printed.split_whitespace().next();
        Ok(report(
            engine,
            "process",
            calls,
            vec![(series::PROCESS, vec![time.as_nanos() as f64])],
            result.map(str::to_owned),
        ))
    }
}

/// Builds our own binaries, and the generator of the large module.
fn build_ours(with_upshift: bool) -> Result<(), Failure> {
    let mut command = process::cargo();
    command.args([
        "build",
        "--release",
        "--package",
        "upshift-benches",
        "--bin",
        "write-large-module",
    ]);
    if with_upshift {
        command.args(["--bin", "peer-upshift"]);
        command.args(["--package", "upshift-cli", "--bin", "upshift"]);
    }
    process::run(&mut command)
}

/// The same calls, in a program without any engine. It has no tiers, so a number of calls warms it up as well as a
/// time.
fn native_calls(engine: &Engine, cpu: NativeCpu, calls: &KernelCalls) -> Result<Report, Failure> {
    let warm_up = calls
        .warm_up_milliseconds
        .div_ceil(calls.native_milliseconds.max(1));
    let program = kernels::program_of(&calls.kernel, cpu);
    let made = kernels::call(&program, RUN, calls.n, warm_up + calls.repeat)?;
    let result = made[0].result.clone();
    if let Some(other) = made.iter().find(|call| call.result != result) {
        return Err(Failure::Check(format!(
            "the first call returned {result}, a later one {}",
            other.result
        )));
    }
    let times: Vec<f64> = made.iter().map(|call| call.nanoseconds as f64).collect();
    let (before, counted) = times.split_at(times.len().min(warm_up as usize));
    Ok(report(
        engine,
        "kernel",
        calls,
        vec![
            (series::WARM_UP, before.to_vec()),
            (series::CALL, counted.to_vec()),
        ],
        Some(result),
    ))
}

fn report(
    engine: &Engine,
    measurement: &str,
    calls: &KernelCalls,
    samples: Vec<(&str, Vec<f64>)>,
    result: Option<String>,
) -> Report {
    Report {
        engine: engine.name.to_owned(),
        version: String::new(),
        measurement: measurement.to_owned(),
        file: calls.kernel.wasm_path().display().to_string(),
        wasm_bytes: 0,
        samples: samples
            .into_iter()
            .map(|(series, samples)| (series.to_owned(), samples))
            .collect(),
        result,
    }
}

/// Runs to the end; what a failing program says is in the failure.
fn run(command: &mut Command) -> Result<Output, Failure> {
    let child = start(command)?;
    finish(command, child)
}

/// The same, unless it takes longer than that; then it is ended, and there is no output.
fn run_for_at_most(command: &mut Command, limit: Duration) -> Result<Option<Output>, Failure> {
    let mut child = start(command)?;
    let waited = |source| Failure::Start {
        command: process::describe(command),
        source,
        remedy: "It was started, but cannot be waited for".to_owned(),
    };
    // What it prints is less than a pipe holds.
    if child.wait_timeout(limit).map_err(waited)?.is_some() {
        return finish(command, child).map(Some);
    }
    child.kill().map_err(waited)?;
    child.wait().map_err(waited)?;
    Ok(None)
}

fn start(command: &mut Command) -> Result<Child, Failure> {
    command
        // What an engine says when it fails goes into one line of the table.
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| Failure::Start {
            command: process::describe(command),
            source,
            remedy: "Without `--no-build` it is built first".to_owned(),
        })
}

fn finish(command: &Command, child: Child) -> Result<Output, Failure> {
    let output = child.wait_with_output().map_err(|source| Failure::Start {
        command: process::describe(command),
        source,
        remedy: "It was started, but what it printed cannot be read".to_owned(),
    })?;
    if output.status.success() {
        return Ok(output);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(Failure::Check(format!(
        "{} ({})",
        errors.trim().replace('\n', " "),
        output.status
    )))
}
