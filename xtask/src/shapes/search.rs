//! `cargo xtask shapes --search`: random hostile modules and large ones of wasm-smith, compiled tier by tier in processes of
//! their own, until the time is up. What costs most for its size is told, with the seed that makes it again.

use std::cmp::Ordering;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};
use std::{fs, io};

use crate::failure::Failure;
use crate::real_programs::child;
use crate::real_programs::programs::Input;
use crate::{files, process};

/// What all functions of a module, or its first, are compiled by: a name, and the arguments behind the module's.
const TIERS: [(&str, &[&str]); 3] = [
    (
        "single-pass",
        &["--tier", "baseline", "--eager", "--invoke", "f", "1"],
    ),
    ("middle", &["--emit", "asm", "0", "--emit-tier", "middle"]),
    ("llvm", &["--tier", "llvm", "--invoke", "f", "1"]),
];

/// How many modules are written at once.
const BATCH: u64 = 16;

/// How many are told of each measure.
const WORST: usize = 5;

/// What is smaller is not compared by its size: it is lost in what a process takes anyway.
const LEAST_BYTES: usize = 10_000;

/// What a process may have of memory of its own, in bytes.
const MOST_MEMORY: u64 = 4 << 30;

/// Which seeds, how long, and how long one process may take for the first megabyte of a module and for each further one.
pub struct Search {
    pub first: u64,
    pub time: Duration,
    pub limit: Duration,
}

/// What a module cost in a tier, beyond a process that compiles next to nothing.
struct Finding {
    seed: u64,
    bytes: usize,
    seconds: f64,
    memory: f64,
    /// How it ended, if that is not as programs end.
    died: Option<String>,
}

impl Finding {
    fn seconds_per_megabyte(&self) -> f64 {
        self.for_its_size(1e6 * self.seconds)
    }

    fn memory_per_byte(&self) -> f64 {
        self.for_its_size(self.memory)
    }

    fn for_its_size(&self, amount: f64) -> f64 {
        if self.bytes < LEAST_BYTES {
            return 0.0;
        }
        amount / self.bytes as f64
    }
}

/// How much of something a finding has.
type Amount = fn(&Finding) -> f64;

/// What is looked for the most of.
const MEASURES: [(&str, Amount); 3] = [
    ("seconds", |it| it.seconds),
    ("seconds a megabyte", Finding::seconds_per_megabyte),
    ("bytes a byte", Finding::memory_per_byte),
];

impl Search {
    /// # Errors
    /// If a program can't be run, or if a process was ended by a signal.
    pub fn run(&self, programs: &Path) -> Result<(), Failure> {
        let folder = process::target().join("shapes/random");
        files::make_folder(&folder)?;
        let upshift = programs.join("upshift");
        let empty = folder.join("empty.wasm");
        files::write(&empty, EMPTY)?;
        let mut bases = Vec::new();
        for (_, arguments) in TIERS {
            bases.push(self.base(&upshift, &empty, arguments)?);
        }
        let mut findings: Vec<Vec<Finding>> = TIERS.map(|_| Vec::new()).into();
        let start = Instant::now();
        let mut seed = self.first;
        while start.elapsed() < self.time {
            for (seed, module) in write(programs, &folder, seed)? {
                for (tier, (name, arguments)) in TIERS.iter().enumerate() {
                    // Text of a function is made whatever its length, code is not.
                    let mark = module.with_extension("large");
                    if *name == "middle" && mark.exists() {
                        let _ = fs::remove_file(&mark);
                        continue;
                    }
                    let finding = self.look(&upshift, &module, arguments, (seed, &bases[tier]))?;
                    if let Some(died) = &finding.died {
                        println!("seed {seed}, {name}: {died}");
                    }
                    findings[tier].push(finding);
                }
                let _ = fs::remove_file(&module);
            }
            seed += BATCH;
        }
        println!("Seeds {} to {}:", self.first, seed - 1);
        for ((name, _), findings) in TIERS.iter().zip(&mut findings) {
            tell(name, findings);
        }
        let ends_badly = |it: &Finding| it.died.is_some();
        let died = findings.iter().flatten().filter(|it| ends_badly(it));
        match died.count() {
            0 => Ok(()),
            count => Err(Failure::Check(format!(
                "{count} compiles were not done in time or ended by a signal"
            ))),
        }
    }

    /// What a process costs that compiles next to nothing: seconds and bytes.
    fn base(&self, upshift: &Path, module: &Path, arguments: &[&str]) -> Result<Base, Failure> {
        let mut base = Base {
            seconds: f64::INFINITY,
            memory: f64::INFINITY,
        };
        for _ in 0..5 {
            let (cost, _) = self.compile(upshift, module, arguments)?;
            base.seconds = base.seconds.min(cost.processor.as_secs_f64());
            base.memory = base.memory.min(cost.peak_memory as f64);
        }
        Ok(base)
    }

    fn look(
        &self,
        upshift: &Path,
        module: &Path,
        arguments: &[&str],
        (seed, base): (u64, &Base),
    ) -> Result<Finding, Failure> {
        let (cost, died) = self.compile(upshift, module, arguments)?;
        Ok(Finding {
            seed,
            bytes: files::read(module)?.len(),
            seconds: (cost.processor.as_secs_f64() - base.seconds).max(0.0),
            memory: (cost.peak_memory as f64 - base.memory).max(0.0),
            died,
        })
    }

    fn compile(
        &self,
        upshift: &Path,
        module: &Path,
        arguments: &[&str],
    ) -> Result<(child::Cost, Option<String>), Failure> {
        let mut command = Command::new(upshift);
        command.arg("run").arg(module).args(arguments);
        // SAFETY: between fork and exec only a system call is made.
        unsafe { command.pre_exec(limit_memory) };
        let megabytes = u32::try_from(files::read(module)?.len() >> 20).unwrap_or(u32::MAX);
        let limit = self.limit.saturating_mul(1 + megabytes);
        let finished = child::run(&mut command, &Input::Nothing, false, limit)?;
        let died = if finished.timed_out {
            Some(format!("not done after {} s", limit.as_secs()))
        } else {
            ended_by_signal(finished.status)
        };
        Ok((finished.cost, died))
    }
}

struct Base {
    seconds: f64,
    memory: f64,
}

/// A module whose `f` returns its argument.
const EMPTY: &[u8] = b"\0asm\x01\0\0\0\x01\x06\x01\x60\x01\x7f\x01\x7f\x03\x02\x01\0\
    \x07\x05\x01\x01f\0\0\x0a\x06\x01\x04\0\x20\0\x0b";

fn limit_memory() -> io::Result<()> {
    let limit = libc::rlimit {
        rlim_cur: MOST_MEMORY,
        rlim_max: MOST_MEMORY,
    };
    // SAFETY: the limit is alive for the call.
    match unsafe { libc::setrlimit(libc::RLIMIT_DATA, &raw const limit) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn ended_by_signal(status: ExitStatus) -> Option<String> {
    use std::os::unix::process::ExitStatusExt;
    let signal = status.signal()?;
    Some(format!("ended by signal {signal}"))
}

/// The modules of the seeds from this one on.
fn write(programs: &Path, folder: &Path, first: u64) -> Result<Vec<(u64, PathBuf)>, Failure> {
    let mut command = Command::new(programs.join("write-shapes"));
    command.arg(folder).arg("--random");
    command.args([first.to_string(), BATCH.to_string()]);
    let done = process::quiet_output(&mut command);
    done.ok_or(Failure::Status {
        command: process::describe(&command),
        code: None,
    })?;
    let path = |seed: u64| (seed, folder.join(format!("{seed}.wasm")));
    let written = (first..first + BATCH).map(path);
    Ok(written.filter(|(_, path)| path.exists()).collect())
}

/// The worst of a tier, a table for each measure.
fn tell(tier: &str, findings: &mut [Finding]) {
    for (name, measure) in MEASURES {
        findings.sort_by(|a, b| {
            let order = measure(b).partial_cmp(&measure(a));
            order.unwrap_or(Ordering::Equal)
        });
        println!("\n{tier}, most {name}:\n");
        println!("| seed | KB | s | MB | s a megabyte | bytes a byte |");
        println!("|--:|--:|--:|--:|--:|--:|");
        for it in findings.iter().take(WORST) {
            println!(
                "| {} | {:.0} | {:.2} | {:.0} | {:.2} | {:.0} |",
                it.seed,
                it.bytes as f64 / 1e3,
                it.seconds,
                it.memory / 1e6,
                it.seconds_per_megabyte(),
                it.memory_per_byte(),
            );
        }
    }
}
