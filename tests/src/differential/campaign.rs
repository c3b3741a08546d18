//! A run over many seeds. Batches of seeds run in processes of their own, so that a crash or a module that does not
//! end is a finding with a seed, and not the end of the story.

use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::progress::{Progress, ProgressError};
use super::{Comparison, Counts, Generator, Mode, Turns, with_large_stack};

/// Seeds that one process runs.
const BATCH: u64 = 100;
/// A module takes milliseconds; a thousand times that is a module that does not end.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often to say how far it has come.
const REPORT_EVERY: Duration = Duration::from_secs(15);

/// What to run.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Seeds 0 to this one, exclusive.
    pub count: u64,
    /// What makes modules of them.
    pub generator: Generator,
    /// The modes of Upshift that run them.
    pub modes: Vec<Mode>,
    /// Which of the modes run a module.
    pub turns: Turns,
    /// Processes at a time.
    pub jobs: usize,
    /// Forget what was done before.
    pub restart: bool,
    /// Where the state and modules that differ are written.
    pub folder: PathBuf,
    /// The program that, given `--modes A,B --worker FIRST..END`, does what [`run_worker`] does. It is given
    /// `--take-turns` too where modes do, and the generator's name as an option if it has one.
    pub program: PathBuf,
}

/// Why a campaign ended before its last seed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CampaignError {
    /// The state is unreadable or can't be written.
    #[error(transparent)]
    Progress(#[from] ProgressError),
    /// A process can't be started or listened to, or a file can't be written.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// Engines differ, or one crashed or does not end.
    #[error("{report}\nthe module is {}; `--seed {seed}` shows all of it", module.display())]
    Found {
        /// The seed.
        seed: u64,
        /// What happened.
        report: String,
        /// The module, written there.
        module: PathBuf,
    },
}

/// What a worker says, a line each.
#[derive(Debug, Serialize, Deserialize)]
enum Message {
    /// It begins with this seed.
    Begin(u64),
    /// It is through with it.
    Done(Counts),
    /// Engines differ; it ends.
    Differs(String),
}

fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> CampaignError {
    let what = what.into();
    move |source| CampaignError::System { what, source }
}

impl Campaign {
    /// Runs the seeds that are not done yet. Returns the counts of all, and how long all took.
    ///
    /// # Errors
    /// The first finding, or when the system does not play along.
    pub fn run(&self) -> Result<(Counts, Duration), CampaignError> {
        std::fs::create_dir_all(&self.folder)
            .map_err(system(format!("cannot make {}", self.folder.display())))?;
        let state = self.folder.join("state.json");
        let settings = self.settings();
        let before = if self.restart {
            None
        } else {
            Progress::load(&state, &settings)?
        };
        let progress = before.unwrap_or_else(|| Progress::new(settings));
        if progress.next > 0 {
            println!(
                "{} seeds are done already; --restart forgets them",
                progress.next
            );
        }
        let next_batch = progress.next;
        let shared = Shared {
            campaign: self,
            state,
            stop: AtomicBool::new(false),
            inner: Mutex::new(Inner {
                first: next_batch,
                started: Instant::now(),
                saved: Instant::now(),
                reported: Instant::now(),
                next_batch,
                progress,
                error: None,
            }),
        };
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| shared.work());
            }
        });
        let inner = shared.inner.into_inner();
        let inner = inner.unwrap_or_else(PoisonError::into_inner);
        match inner.error {
            Some(error) => Err(error),
            None => {
                let time = Duration::from_secs_f64(inner.progress.seconds);
                Ok((inner.progress.counts, time))
            }
        }
    }

    fn mode_names(&self, separator: &str) -> String {
        let names: Vec<&str> = self.modes.iter().map(|mode| mode.name).collect();
        names.join(separator)
    }

    /// What modules and counts depend on.
    fn settings(&self) -> String {
        let turns = match self.turns {
            Turns::All => "",
            Turns::Drawn => "drawn from ",
        };
        format!(
            "{}, modes {turns}{}",
            self.generator.version(),
            self.mode_names(" ")
        )
    }
}

/// The default folder: beside what cargo builds.
#[must_use]
pub fn default_folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join("target")
    });
    target.join("differential")
}

/// Writes a module for people to look at, and says where.
///
/// # Errors
/// When the file can't be written.
pub fn write_module(folder: &Path, seed: u64, wasm: &[u8]) -> Result<PathBuf, CampaignError> {
    let path = folder.join(format!("seed-{seed}.wasm"));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&path, wasm))
        .map_err(system(format!("cannot write {}", path.display())))?;
    Ok(path)
}

/// What the threads that wait for workers share.
struct Shared<'a> {
    campaign: &'a Campaign,
    state: PathBuf,
    /// Someone found something.
    stop: AtomicBool,
    inner: Mutex<Inner>,
}

struct Inner {
    progress: Progress,
    /// The first seed that nobody runs.
    next_batch: u64,
    /// The first seed of this run, which began then.
    first: u64,
    started: Instant,
    saved: Instant,
    reported: Instant,
    error: Option<CampaignError>,
}

impl Shared<'_> {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs batches for as long as there are any.
    fn work(&self) {
        while let Some(seeds) = self.take_batch() {
            let done = self
                .run_batch(seeds.clone())
                .and_then(|counts| match counts {
                    Some(counts) => self.finish(seeds, counts),
                    None => Ok(()),
                });
            if let Err(error) = done {
                self.stop.store(true, Ordering::Relaxed);
                self.lock().error.get_or_insert(error);
            }
        }
    }

    fn take_batch(&self) -> Option<Range<u64>> {
        let mut inner = self.lock();
        let start = inner.next_batch;
        if self.stop.load(Ordering::Relaxed) || start >= self.campaign.count {
            return None;
        }
        inner.next_batch = (start + BATCH).min(self.campaign.count);
        Some(start..inner.next_batch)
    }

    fn finish(&self, seeds: Range<u64>, counts: Counts) -> Result<(), CampaignError> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        inner.progress.finish(seeds, counts);
        inner.progress.add_time(inner.saved.elapsed());
        inner.saved = Instant::now();
        inner.progress.save(&self.state)?;
        if inner.reported.elapsed() >= REPORT_EVERY {
            inner.reported = Instant::now();
            let (next, count) = (inner.progress.next, self.campaign.count);
            let rate = (next - inner.first) as f64 / inner.started.elapsed().as_secs_f64();
            let left = (count - next) as f64 / rate.max(f64::MIN_POSITIVE) / 60.0;
            let calls = inner.progress.counts.compared_calls();
            println!(
                "{next} of {count} seeds, {calls} calls compared; \
                 {rate:.0} seeds a second, {left:.0} minutes left"
            );
        }
        Ok(())
    }

    /// Runs a batch in a process; `None` when it was stopped because of another one's finding.
    fn run_batch(&self, seeds: Range<u64>) -> Result<Option<Counts>, CampaignError> {
        let generator = match self.campaign.generator.name() {
            "" => None,
            name => Some(format!("--{name}")),
        };
        let mut child = Command::new(&self.campaign.program)
            .arg("--modes")
            .arg(self.campaign.mode_names(","))
            .arg("--worker")
            .arg(format!("{}..{}", seeds.start, seeds.end))
            .args((self.campaign.turns == Turns::Drawn).then_some("--take-turns"))
            .args(generator)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(system("cannot start a worker"))?;
        let listened = self.listen(&mut child);
        if !matches!(listened, Heard::End(_)) {
            // It may have ended by itself just now.
            let _ = child.kill();
        }
        let status = child.wait().map_err(system("cannot wait for a worker"))?;
        let (seed, report) = match listened {
            Heard::Stopped => return Ok(None),
            Heard::End(said) if status.success() && said.done == seeds.end - seeds.start => {
                return Ok(Some(said.counts));
            }
            Heard::End(said) => {
                let seed = said.seed.unwrap_or(seeds.start);
                (
                    seed,
                    said.difference.unwrap_or_else(|| crashed(seed, status)),
                )
            }
            Heard::Silence(said) => {
                let seed = said.seed.unwrap_or(seeds.start);
                let seconds = PATIENCE.as_secs();
                (
                    seed,
                    format!("seed {seed} did not end within {seconds} seconds"),
                )
            }
        };
        let generated = with_large_stack(|| self.campaign.generator.generate(seed))
            .map_err(system("cannot start a thread"))?;
        let wasm = generated
            .map(|generated| generated.wasm)
            .unwrap_or_default();
        let module = write_module(&self.campaign.folder, seed, &wasm)?;
        Err(CampaignError::Found {
            seed,
            report,
            module,
        })
    }

    /// Adds up what a worker says until it ends, is silent for too long, or is no longer wanted.
    fn listen(&self, child: &mut Child) -> Heard {
        let mut said = Said::default();
        let Some(stdout) = child.stdout.take() else {
            return Heard::End(said);
        };
        let (sender, lines) = mpsc::channel();
        let reader = std::thread::spawn(move || read_messages(stdout, &sender));
        let mut heard = Instant::now();
        let result = loop {
            match lines.recv_timeout(Duration::from_millis(200)) {
                Ok(message) => {
                    heard = Instant::now();
                    said.hear(message);
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break Heard::End(said),
                Err(mpsc::RecvTimeoutError::Timeout) if heard.elapsed() > PATIENCE => {
                    break Heard::Silence(said);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            if self.stop.load(Ordering::Relaxed) {
                break Heard::Stopped;
            }
        };
        // The reader ends with the worker's output; it holds nothing that we wait for.
        drop(reader);
        result
    }
}

/// How listening to a worker ended.
enum Heard {
    /// It closed its output.
    End(Said),
    /// It says nothing any more.
    Silence(Said),
    /// Nobody wants to hear it any more.
    Stopped,
}

/// What a worker has said so far.
#[derive(Default)]
struct Said {
    seed: Option<u64>,
    done: u64,
    counts: Counts,
    difference: Option<String>,
}

impl Said {
    fn hear(&mut self, message: Message) {
        match message {
            Message::Begin(seed) => self.seed = Some(seed),
            Message::Done(counts) => {
                self.done += 1;
                self.counts = std::mem::take(&mut self.counts).plus(&counts);
            }
            Message::Differs(report) => self.difference = Some(report),
        }
    }
}

fn read_messages(stdout: ChildStdout, sender: &mpsc::Sender<Message>) {
    for line in BufReader::new(stdout).lines() {
        let Ok(line) = line else { return };
        // A worker that crashes may leave half a line.
        if let Ok(message) = serde_json::from_str(&line)
            && sender.send(message).is_err()
        {
            return;
        }
    }
}

fn crashed(seed: u64, status: ExitStatus) -> String {
    format!("seed {seed}: the process that ran it ended with {status}")
}

/// What a worker does: runs seeds and says so on its standard output. Returns whether all agreed.
///
/// # Errors
/// When no engine can be made, or nobody listens.
pub fn run_worker(
    generator: Generator,
    seeds: Range<u64>,
    modes: &[Mode],
    turns: Turns,
) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
    let comparison = Comparison::new(modes, turns)?;
    let mut output = std::io::stdout().lock();
    let mut say = |message: &Message| -> std::io::Result<()> {
        // One write a line: whoever is killed in between leaves whole lines.
        let line = format!("{}\n", serde_json::to_string(message)?);
        output.write_all(line.as_bytes())
    };
    for seed in seeds {
        say(&Message::Begin(seed))?;
        match comparison.seed(generator, seed, &mut |_| {}) {
            Ok(counts) => say(&Message::Done(counts))?,
            Err(difference) => {
                say(&Message::Differs(difference.to_string()))?;
                return Ok(false);
            }
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A file can't be run while a process that another test is about to start has it open for writing.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    /// Those of a campaign without modes.
    fn settings() -> String {
        format!("{}, modes ", Generator::Any.version())
    }

    /// Runs a campaign whose worker is this shell script.
    fn run_with(name: &str, script: &str) -> (PathBuf, Result<(Counts, Duration), CampaignError>) {
        let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = format!("upshift-campaign-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let program = folder.join("worker");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        let campaign = Campaign {
            count: 2 * BATCH,
            generator: Generator::Any,
            modes: Vec::new(),
            turns: Turns::All,
            jobs: 1,
            restart: false,
            folder: folder.clone(),
            program,
        };
        (folder, campaign.run())
    }

    fn found(result: Result<(Counts, Duration), CampaignError>) -> (u64, String, PathBuf) {
        match result {
            Err(CampaignError::Found {
                seed,
                report,
                module,
            }) => (seed, report, module),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_worker_that_crashes_is_a_finding_with_its_seed_and_module() {
        let (folder, result) = run_with("crash", "echo '{\"Begin\":7}'; kill -SEGV $$");
        let (seed, report, module) = found(result);
        assert_eq!(seed, 7);
        assert!(
            report.contains("seed 7") && report.contains("signal: 11"),
            "{report}"
        );
        let wasm = with_large_stack(|| Generator::Any.generate(7))
            .unwrap()
            .unwrap()
            .wasm;
        assert_eq!(std::fs::read(module).unwrap(), wasm);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_worker_that_stops_early_or_finds_a_difference_is_a_finding() {
        let (folder, result) = run_with("early", "echo '{\"Begin\":3}'; exit 0");
        assert_eq!(found(result).0, 3);
        std::fs::remove_dir_all(folder).unwrap();

        let said = "echo '{\"Begin\":5}'; echo '{\"Differs\":\"all of it\"}'; exit 1";
        let (folder, result) = run_with("differs", said);
        let (seed, report, _) = found(result);
        assert_eq!((seed, &*report), (5, "all of it"));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn batches_that_are_done_are_not_run_again() {
        let done = serde_json::to_string(&Message::Done(Counts {
            modules: 1,
            ..Counts::default()
        }));
        // Of the second batch, this worker can't do a thing.
        let script = format!(
            "case $4 in 0..*) for i in $(seq {BATCH}); do echo '{}'; done;; *) exit 1;; esac",
            done.unwrap()
        );
        for _ in 0..2 {
            let (folder, result) = run_with("resume", &script);
            assert_eq!(found(result).0, BATCH);
            let state = Progress::load(&folder.join("state.json"), &settings());
            let state = state.unwrap().unwrap();
            assert_eq!((state.next, state.counts.modules), (BATCH, BATCH));
        }
        let (folder, result) = run_with("resume", "case $4 in 0..*) exit 1;; *) exec cat;; esac");
        assert_eq!(found(result).0, BATCH);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
