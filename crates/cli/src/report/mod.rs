//! `--report`: a run as one page of HTML: tiers over time, compile threads, functions.
//!
//! Here are the record and the contents of a page; its look is in `page.rs`.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use upshift::{
    CallSiteStats, EntryPoint, FunctionStats, FunctionTier, FunctionsByTier, Module, Samples,
    TierEvent, TierEventKind, TierMode, TierStats,
};
use upshift_module::to_u32;

use crate::error::{CliError, Result};
use crate::timeline::{FIRST_TIER, MIDDLE_TIER};

mod page;

/// Functions that a page lists, and calls.
const LISTED: usize = 200;
/// Steps of the chart of tiers over time, at most.
const STEPS: usize = 120;
/// Samples that a step has in the mean, at least, so that its shares mean something.
const SAMPLES_A_STEP: usize = 4;
/// Compiles that the chart of compile threads has, at most: the longest.
const COMPILES: usize = 3000;

/// Events that are kept: some tens of megabytes of them. A program that runs for weeks has more.
const KEPT: usize = 100_000;

/// Records tiering's events while a program runs. Clones record for the same page.
#[derive(Clone)]
pub(crate) struct Recorder {
    /// Times of events count from here.
    start: Instant,
    recorded: Arc<Mutex<Recorded>>,
}

/// The events, as far as they are kept.
#[derive(Default)]
struct Recorded {
    events: Vec<TierEvent>,
    /// How many came when there was no more room.
    dropped: u64,
}

impl Recorded {
    fn add(&mut self, event: &TierEvent, kept: usize) {
        if self.events.len() < kept {
            self.events.push(event.clone());
        } else {
            self.dropped += 1;
        }
    }
}

/// The facts at the end of the program, besides the record.
pub(crate) struct Ending<'a> {
    pub(crate) file: &'a Path,
    /// The program with its arguments.
    pub(crate) command: String,
    pub(crate) mode: TierMode,
    pub(crate) module: &'a Module,
    /// When the program was started, and sampling with it.
    pub(crate) started: Instant,
    /// Or why there are none.
    pub(crate) samples: std::result::Result<&'a Samples, &'a io::Error>,
    /// Why the program did not end well, if it did not.
    pub(crate) failure: Option<String>,
}

impl Recorder {
    /// To be made right before the engine.
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            recorded: Arc::default(),
        }
    }

    /// Keeps the events of the tiers above the baseline. First compiles are in the module's statistics.
    pub(crate) fn hear(&self, event: &TierEvent) {
        if let TierEventKind::Compiled { tier, .. } | TierEventKind::Published { tier, .. } =
            &event.kind
            && *tier == FIRST_TIER
        {
            return;
        }
        let mut recorded = self.recorded.lock();
        recorded.add(event, KEPT);
    }

    /// Writes the page.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write(&self, to: &PathBuf, ending: &Ending<'_>) -> Result<()> {
        let mut recorded = self.recorded.lock();
        recorded.events.sort_by_key(|event| event.at);
        let page = page::render(&Report::new(self.start, &recorded, ending));
        std::fs::write(to, page).map_err(|error| CliError::Write {
            file: to.clone(),
            error,
        })
    }
}

/// The contents of a page. All times count from when the engine was made.
struct Report<'a> {
    ending: &'a Ending<'a>,
    /// From the engine to the end of the program.
    whole: Duration,
    stats: TierStats,
    counts: FunctionCounts,
    tiers: Option<TiersOverTime>,
    moves: Vec<Move<'a>>,
    /// By the thread that each compile could have had, as few as suffice.
    threads: Vec<Vec<Compile<'a>>>,
    /// Compiles that are not shown.
    more_compiles: usize,
    failures: Vec<&'a TierEvent>,
    /// Events that there was no room for.
    dropped_events: u64,
    functions: Vec<Function<'a>>,
    more_functions: usize,
    /// The most sampled first.
    calls: Vec<CallSiteStats>,
    more_calls: usize,
}

/// Shares of the samples by tier, step by step.
struct TiersOverTime {
    start: Duration,
    step: Duration,
    steps: Vec<Shares>,
    all: Shares,
}

/// Samples.
#[derive(Clone, Copy, Default)]
struct Shares {
    llvm: u64,
    middle: u64,
    baseline: u64,
    elsewhere: u64,
}

/// A move of a function, or of running frames of it, to better code.
struct Move<'a> {
    at: Duration,
    function: u32,
    name: Option<&'a str>,
    /// The loop, if it was a running frame.
    in_loop: Option<u32>,
    /// The tier of that code.
    tier: &'static str,
}

struct Compile<'a> {
    start: Duration,
    event: &'a TierEvent,
    tier: &'static str,
    time: Duration,
    bytes: usize,
}

struct Function<'a> {
    name: Option<&'a str>,
    stats: FunctionStats,
    samples: Shares,
    /// When calls first went to better code, or a frame moved there.
    moved: Option<Duration>,
    /// Better code that frames run in after they entered it at a loop. Calls do not go there.
    at_loop: Option<LoopTier>,
}

/// A tier whose code is entered at loops. The better one is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum LoopTier {
    Middle,
    Llvm,
}

/// The moves of one function.
struct MovesOf {
    first: Duration,
    /// The best tier that was entered at a loop.
    at_loop: Option<LoopTier>,
}

/// How many functions run in which tier. A function with frames that entered better code at a loop counts there, wherever
/// its calls go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct FunctionCounts {
    llvm: usize,
    /// How many of those in LLVM are there at a loop only.
    llvm_at_loops: usize,
    middle: usize,
    /// How many of those in the middle tier are there at a loop only.
    middle_at_loops: usize,
    baseline: usize,
    not_compiled: usize,
}

impl FunctionCounts {
    /// The counts by where calls go, corrected by functions that are in better code at a loop.
    fn of(calls: FunctionsByTier, functions: &[Function<'_>]) -> Self {
        let mut counts = Self {
            llvm: calls.optimizing,
            middle: calls.middle,
            baseline: calls.baseline,
            not_compiled: calls.not_compiled,
            ..Self::default()
        };
        for function in functions {
            let Some(tier) = function.at_loop else {
                continue;
            };
            // A function may have moved between the two readings.
            let before = match function.stats.tier {
                FunctionTier::NotCompiled => &mut counts.not_compiled,
                FunctionTier::Baseline => &mut counts.baseline,
                FunctionTier::Middle => &mut counts.middle,
                FunctionTier::Optimizing => &mut counts.llvm,
            };
            *before = before.saturating_sub(1);
            match tier {
                LoopTier::Middle => {
                    counts.middle += 1;
                    counts.middle_at_loops += 1;
                }
                LoopTier::Llvm => {
                    counts.llvm += 1;
                    counts.llvm_at_loops += 1;
                }
            }
        }
        counts
    }
}

impl Shares {
    fn total(self) -> u64 {
        self.llvm + self.middle + self.baseline + self.elsewhere
    }

    fn count(&mut self, tier: Option<&str>, samples: u64) {
        *match tier {
            Some(FIRST_TIER) => &mut self.baseline,
            Some(MIDDLE_TIER) => &mut self.middle,
            Some(_) => &mut self.llvm,
            None => &mut self.elsewhere,
        } += samples;
    }
}

impl<'a> Report<'a> {
    fn new(start: Instant, recorded: &'a Recorded, ending: &'a Ending<'a>) -> Self {
        let events = &recorded.events;
        let moves: Vec<_> = events.iter().filter_map(Move::of).collect();
        let mut compiles: Vec<_> = events.iter().filter_map(Compile::of).collect();
        compiles.sort_by_key(|compile| Reverse(compile.time));
        let more_compiles = compiles.len().saturating_sub(COMPILES);
        compiles.truncate(COMPILES);
        let mut functions = functions(ending, &moves);
        let stats = ending.module.tier_stats();
        let counts = FunctionCounts::of(stats.functions, &functions);
        let more_functions = functions.len().saturating_sub(LISTED);
        functions.truncate(LISTED);
        let mut calls = ending.module.call_site_stats();
        calls.sort_by_key(|call| Reverse(call.samples));
        let more_calls = calls.len().saturating_sub(LISTED);
        calls.truncate(LISTED);
        Self {
            ending,
            whole: start.elapsed(),
            stats,
            counts,
            tiers: (ending.samples.as_ref().ok())
                .and_then(|samples| TiersOverTime::new(ending.started - start, samples)),
            moves,
            threads: on_threads(compiles),
            more_compiles,
            failures: (events.iter())
                .filter(|event| is_failure(&event.kind))
                .collect(),
            dropped_events: recorded.dropped,
            functions,
            more_functions,
            calls,
            more_calls,
        }
    }
}

/// Whether it tells that something stays where it was.
fn is_failure(kind: &TierEventKind) -> bool {
    matches!(
        kind,
        TierEventKind::Failed { .. } | TierEventKind::TierOff { .. }
    )
}

impl TiersOverTime {
    /// `None` if nothing was seen.
    fn new(start: Duration, samples: &Samples) -> Option<Self> {
        let last = samples.timeline.last()?.at;
        let steps = (samples.timeline.len() / SAMPLES_A_STEP).clamp(1, STEPS);
        let mut over_time = Self {
            start,
            // The last sample is in the last step, not at its end.
            step: last / to_u32(steps) + Duration::from_nanos(1),
            steps: vec![Shares::default(); steps],
            all: Shares::default(),
        };
        for sample in &samples.timeline {
            let step = sample.at.as_nanos() / over_time.step.as_nanos();
            let tier = sample.function.map(|index| samples.functions[index].tier);
            // Fewer than there are steps, which are few.
            over_time.steps[step as usize].count(tier, samples.stride);
        }
        over_time.all.elsewhere = samples.elsewhere;
        for function in &samples.functions {
            over_time.all.count(Some(function.tier), function.count);
        }
        Some(over_time)
    }
}

impl<'a> Move<'a> {
    fn of(event: &'a TierEvent) -> Option<Self> {
        let (tier, in_loop) = match &event.kind {
            TierEventKind::Published {
                entry: EntryPoint::Function,
                tier,
            } => (*tier, None),
            TierEventKind::OsrEntered { tier, loop_number } => (*tier, Some(*loop_number)),
            _ => return None,
        };
        Some(Self {
            at: event.at,
            function: event.function,
            name: event.name.as_deref(),
            in_loop,
            tier,
        })
    }

    /// The tier, if its code was entered at a loop.
    fn loop_tier(&self) -> Option<LoopTier> {
        self.in_loop?;
        match self.tier {
            FIRST_TIER => None,
            MIDDLE_TIER => Some(LoopTier::Middle),
            _ => Some(LoopTier::Llvm),
        }
    }
}

impl LoopTier {
    /// Whether this is better code than that which calls reach.
    fn is_above(self, calls: FunctionTier) -> bool {
        match self {
            Self::Middle => matches!(calls, FunctionTier::NotCompiled | FunctionTier::Baseline),
            Self::Llvm => calls != FunctionTier::Optimizing,
        }
    }
}

impl<'a> Compile<'a> {
    fn of(event: &'a TierEvent) -> Option<Self> {
        let TierEventKind::Compiled {
            tier, time, bytes, ..
        } = &event.kind
        else {
            return None;
        };
        Some(Self {
            start: event.at.saturating_sub(*time),
            event,
            tier,
            time: *time,
            bytes: *bytes,
        })
    }

    fn end(&self) -> Duration {
        self.event.at
    }
}

/// Deals compiles out to as few threads as can have done them.
fn on_threads(mut compiles: Vec<Compile<'_>>) -> Vec<Vec<Compile<'_>>> {
    compiles.sort_by_key(|compile| compile.start);
    let mut threads: Vec<Vec<Compile<'_>>> = Vec::new();
    for compile in compiles {
        let free = threads
            .iter_mut()
            .find(|thread| thread.last().is_none_or(|last| last.end() <= compile.start));
        match free {
            Some(thread) => thread.push(compile),
            None => threads.push(vec![compile]),
        }
    }
    threads
}

/// The functions that ran, by where the time went.
fn functions<'a>(ending: &'a Ending<'a>, moves: &[Move<'_>]) -> Vec<Function<'a>> {
    let samples_of = |function| {
        let mut shares = Shares::default();
        for seen in ending.samples.iter().flat_map(|samples| &samples.functions) {
            if seen.function == function {
                shares.count(Some(seen.tier), seen.count);
            }
        }
        shares
    };
    let moves = moves_by_function(moves);
    let mut functions: Vec<_> = (ending.module.function_stats())
        .zip(ending.module.functions())
        .filter(|(stats, _)| stats.tier != FunctionTier::NotCompiled)
        .map(|(stats, info)| {
            let samples = samples_of(stats.function);
            let moves = moves.get(&stats.function);
            // Events are kept up to a number: a sample in LLVM's code tells of an entry as well.
            let sampled = (samples.llvm > 0).then_some(LoopTier::Llvm);
            let at_loop = moves.and_then(|moves| moves.at_loop).max(sampled);
            Function {
                name: info.name(),
                samples,
                moved: moves.map(|moves| moves.first),
                at_loop: at_loop.filter(|tier| tier.is_above(stats.tier)),
                stats,
            }
        })
        .collect();
    functions.sort_by_key(|function| Reverse((function.samples.total(), function.stats.work)));
    functions
}

/// The moves by the function that moved.
fn moves_by_function(moves: &[Move<'_>]) -> HashMap<u32, MovesOf> {
    let mut by_function = HashMap::new();
    for moved in moves {
        let of = by_function.entry(moved.function).or_insert(MovesOf {
            first: moved.at,
            at_loop: None,
        });
        of.first = of.first.min(moved.at);
        of.at_loop = of.at_loop.max(moved.loop_tier());
    }
    by_function
}

#[cfg(test)]
mod tests {
    use upshift::Engine;

    use super::*;

    fn compiled(from: u64, to: u64) -> TierEvent {
        TierEvent {
            at: Duration::from_millis(to),
            module: 1,
            function: 0,
            name: None,
            kind: TierEventKind::Compiled {
                tier: "llvm",
                entry: EntryPoint::Function,
                ahead: false,
                time: Duration::from_millis(to - from),
                bytes: 1,
                inlined: Vec::new(),
            },
        }
    }

    #[test]
    fn compiles_share_a_thread_unless_they_overlap() {
        let events = [
            compiled(0, 10),
            compiled(5, 8),
            compiled(10, 12),
            compiled(9, 11),
        ];
        let threads = on_threads(events.iter().filter_map(Compile::of).collect());
        let starts: Vec<Vec<_>> = threads
            .iter()
            .map(|thread| thread.iter().map(|c| c.start.as_millis()).collect())
            .collect();
        assert_eq!(starts, [vec![0, 10], vec![5, 9]]);
    }

    #[test]
    fn a_recorder_leaves_out_first_compiles() {
        let recorder = Recorder::new();
        let mut event = compiled(0, 1);
        recorder.hear(&event);
        if let TierEventKind::Compiled { tier, .. } = &mut event.kind {
            *tier = FIRST_TIER;
        }
        recorder.hear(&event);
        assert_eq!(recorder.recorded.lock().events.len(), 1);
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let mut recorded = Recorded::default();
        for start in 0..5 {
            recorded.add(&compiled(start, start + 1), 3);
        }
        assert_eq!((recorded.events.len(), recorded.dropped), (3, 2));
        assert_eq!(recorded.events[0], compiled(0, 1));
    }

    /// A frame of the first function entered this tier's code at a loop.
    fn entered(tier: &'static str) -> TierEvent {
        TierEvent {
            kind: TierEventKind::OsrEntered {
                tier,
                loop_number: 0,
            },
            ..compiled(0, 1)
        }
    }

    fn function(tier: FunctionTier, at_loop: Option<LoopTier>) -> Function<'static> {
        let mut stats = FunctionStats::default();
        stats.tier = tier;
        Function {
            name: None,
            stats,
            samples: Shares::default(),
            moved: None,
            at_loop,
        }
    }

    #[test]
    fn a_function_counts_in_the_best_tier_that_it_entered() {
        let calls = FunctionsByTier {
            not_compiled: 5,
            baseline: 3,
            middle: 2,
            optimizing: 1,
        };
        let functions = [
            function(FunctionTier::Baseline, Some(LoopTier::Llvm)),
            function(FunctionTier::Baseline, Some(LoopTier::Middle)),
            function(FunctionTier::Baseline, None),
            function(FunctionTier::Middle, Some(LoopTier::Llvm)),
            function(FunctionTier::Middle, None),
            function(FunctionTier::Optimizing, None),
        ];
        let expected = FunctionCounts {
            llvm: 3,
            llvm_at_loops: 2,
            middle: 2,
            middle_at_loops: 1,
            baseline: 1,
            not_compiled: 5,
        };
        assert_eq!(FunctionCounts::of(calls, &functions), expected);
    }

    #[test]
    fn an_entry_at_a_loop_counts_unless_calls_reach_as_good_code() {
        for (event, calls, expected) in [
            ("llvm", FunctionTier::Baseline, Some(LoopTier::Llvm)),
            ("llvm", FunctionTier::Middle, Some(LoopTier::Llvm)),
            ("llvm", FunctionTier::Optimizing, None),
            (MIDDLE_TIER, FunctionTier::Baseline, Some(LoopTier::Middle)),
            (MIDDLE_TIER, FunctionTier::Middle, None),
            (MIDDLE_TIER, FunctionTier::Optimizing, None),
        ] {
            let event = entered(event);
            let tier = Move::of(&event).unwrap().loop_tier();
            assert_eq!(
                tier.filter(|tier| tier.is_above(calls)),
                expected,
                "{event} {calls:?}"
            );
        }
    }

    /// The page of a module of which `hot`, the first function, entered LLVM at a loop.
    fn page(name: &str) -> String {
        let recorder = Recorder::new();
        let text = format!("(module (func ${name}) (func $other))");
        let module = Module::new(&Engine::default(), &text).unwrap();
        module.compile_all().unwrap();
        recorder.hear(&entered(MIDDLE_TIER));
        recorder.hear(&entered("llvm"));
        let ending = Ending {
            file: Path::new("hot.wat"),
            command: String::new(),
            mode: TierMode::Auto,
            module: &module,
            started: Instant::now(),
            samples: Ok(&Samples::default()),
            failure: None,
        };
        let recorded = recorder.recorded.lock();
        page::render(&Report::new(recorder.start, &recorded, &ending))
    }

    #[test]
    fn the_box_of_functions_has_those_in_llvm_at_a_loop() {
        let page = page("hot");
        let numbers = "1 in LLVM<small>1 of them at a loop, 0 in the middle tier, 1 in the baseline, 0 not compiled</small>";
        assert!(page.contains(numbers), "{page}");
        assert!(page.contains("baseline, at a loop LLVM"), "{page}");
    }

    #[test]
    fn the_table_has_the_whole_of_a_long_name_as_its_title() {
        let name = "a".repeat(300);
        let row = format!("scope=\"row\" title=\"{name}, function 0\">{name} ");
        let page = page(&name);
        assert!(page.contains(&row), "{page}");
    }
}
