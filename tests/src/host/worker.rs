//! A worker: rounds of acts on some threads, in one process with engines of all modes.

use std::fmt;
use std::io::Write;
use std::panic::PanicHookInfo;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use upshift::{Config, Engine, InstancePre, Linker, Module, TieringProfile};

use super::acts::Actor;
use super::counts::Counts;
use super::growth::{Growth, Holding};
use super::journal::{Journal, THREADS, WORKER};
use super::visit::{Guest, Host, visit};
use super::{Provoke, debugger, forks, guest, signals};
use crate::differential::Random;
use crate::modes::MODES;

/// What takes longer than this never ends. A machine may have other work.
pub(super) const PATIENCE: Duration = Duration::from_secs(180);
/// Stores of each mode that wait for the thread which takes them next.
const KEPT_GUESTS: usize = 3;
/// The status of a process that has found something wrong.
const FOUND: i32 = 3;

/// What a worker is to do.
#[derive(Clone, Debug)]
pub struct Work {
    /// The seed of the first round; those that follow have the next numbers.
    pub seed: u64,
    /// When to stop.
    pub until: Until,
    /// Acts of each thread in a round.
    pub acts: u64,
    /// The file of the journal.
    pub journal: PathBuf,
    /// Where something is wrong, the process waits for a debugger.
    pub stays: bool,
    /// What goes wrong on purpose.
    pub provoke: Option<Provoke>,
}

/// When a worker stops.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After so many rounds.
    Rounds(u64),
    /// After the round in which so much time has passed.
    Time(Duration),
}

/// What all threads of a worker share. It is there as long as the process.
pub(super) struct World {
    pub(super) journal: Journal,
    pub(super) counts: Counts,
    ways: Vec<Way>,
}

/// A mode: its engine and the guest's module.
pub(super) struct Way {
    pub(super) set: fn(&mut Config) -> &mut Config,
    pub(super) engine: Engine,
    pub(super) guest: InstancePre<Host>,
    kept: Mutex<Vec<Guest>>,
}

/// Where a thread writes down what it does.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) world: &'static World,
    pub(super) slot: usize,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "thread {}", self.slot)
    }
}

impl Place {
    /// That of the child of this thread.
    pub(super) fn of_child(self) -> Self {
        Self {
            slot: self.slot % THREADS + THREADS,
            ..self
        }
    }
}

/// Functions move up in the background, soon.
fn in_the_background(config: &mut Config) -> &mut Config {
    let mut profile = TieringProfile::default();
    profile.tier_up.threshold_in_operators = Some(20_000);
    profile.middle.threshold_in_operators = Some(2_000);
    profile.tier_up.loop_probe_in_polls = 8;
    profile.baseline.smallest_grant_in_operators = 64;
    let config = config.interrupt_signal(signals::queued_interrupts());
    config.profile(profile)
}

impl Way {
    fn new(set: fn(&mut Config) -> &mut Config) -> upshift::Result<Self> {
        let engine = Engine::new(set(&mut Config::new()))?;
        let mut linker = Linker::new(&engine);
        linker.func_wrap(
            "host",
            "visit",
            |caller: upshift::Caller<'_, Host>, x: u32| visit(caller, x),
        )?;
        let module = Module::new(&engine, guest::TEXT)?;
        let guest = linker.instantiate_pre(&module)?;
        Ok(Self {
            set,
            engine,
            guest,
            kept: Mutex::default(),
        })
    }

    /// A store that another thread may have had, or a new one.
    pub(super) fn take_guest(&'static self, place: Place, random: &mut Random) -> Guest {
        let kept = if random.once_in(8) {
            None
        } else {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let count = kept.len();
            (count > 0).then(|| kept.swap_remove(random.below(count)))
        };
        kept.unwrap_or_else(|| Guest::new(place, self))
    }
}

impl Guest {
    /// Leaves the guest to whichever thread takes it next, or drops it.
    pub(super) fn go_back(self, random: &mut Random) {
        let way = self.store.data().way;
        let mut kept = way.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_GUESTS && !random.once_in(16) {
            kept.push(self);
        }
    }
}

impl World {
    fn new(journal: Journal) -> upshift::Result<&'static Self> {
        let sets = MODES.iter().map(|mode| mode.set);
        let sets = sets.chain([in_the_background as fn(&mut Config) -> &mut Config]);
        let ways = sets.map(Way::new).collect::<upshift::Result<_>>()?;
        Ok(Box::leak(Box::new(Self {
            journal,
            counts: Counts::default(),
            ways,
        })))
    }

    /// A mode.
    pub(super) fn draw_way(&'static self, random: &mut Random) -> &'static Way {
        &self.ways[random.below(self.ways.len())]
    }
}

/// Does the work, and says what was done. Whatever is wrong ends the process.
///
/// # Errors
/// When the system does not play along.
pub fn run(work: &Work) -> Result<(), Box<dyn std::error::Error>> {
    if work.stays {
        debugger::want();
    }
    signals::install();
    std::panic::set_hook(Box::new(found));
    let world = World::new(Journal::open(&work.journal)?)?;
    let mut growth = Growth::default();
    let start = Instant::now();
    for round in 0.. {
        let is_over = match work.until {
            Until::Rounds(rounds) => round >= rounds,
            Until::Time(time) => start.elapsed() >= time,
        };
        if is_over {
            println!("{round} rounds of {} acts on {THREADS} threads", work.acts);
            break;
        }
        if let Some(provoke) = work.provoke {
            provoke.go_wrong(world);
        }
        one_round(world, work, work.seed.wrapping_add(round));
        if let Err(what) = growth.note(Holding::now()?) {
            panic!("the process grows: {what}");
        }
    }
    print!("{}", world.counts);
    println!("after the first rounds: {}", growth.warm);
    println!("at most:                {}", growth.peak);
    Ok(())
}

fn one_round(world: &'static World, work: &Work, seed: u64) {
    world
        .journal
        .begin(WORKER, format_args!("the round of seed {seed}"));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            signals::pester(world, Random::new(!seed), || {
                is_over.load(Ordering::Relaxed)
            });
        });
        let actors = (0..THREADS).map(|slot| {
            scope.spawn(move || {
                let place = Place { world, slot };
                let random = Random::new(seed.wrapping_mul(THREADS as u64) + slot as u64);
                let mut actor = Actor::new(place, random);
                for number in 0..work.acts {
                    actor.act(number, seed);
                }
            })
        });
        for actor in actors.collect::<Vec<_>>() {
            actor.join().expect("panics end the process");
        }
        is_over.store(true, Ordering::Relaxed);
    });
    world.journal.end(WORKER);
}

/// The panic hook: a panic is a finding, in a worker and in its children.
fn found(info: &PanicHookInfo<'_>) {
    let who = if forks::is_child() {
        "a child"
    } else {
        "a worker"
    };
    let text = format!("{who}: {info}\n");
    // Not by way of a lock that a thread of the parent's may have had.
    // SAFETY: the text is as long.
    unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
    debugger::wait_if_wanted();
    if !forks::is_child() {
        let _ = std::io::stdout().flush();
    }
    // SAFETY: no preconditions.
    unsafe { libc::_exit(FOUND) }
}
