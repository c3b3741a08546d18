//! Events of tiering, told as they happen: to `tracing`, and to a callback of the engine.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use upshift_module::Printable;

/// A function that hears of every [`TierEvent`].
///
/// It is called on the event's own thread, which may be one that runs the guest; that thread waits for it.
/// None of the engine's locks is held then, so two events of different threads may be heard in another order
/// than they happened in, which [`TierEvent::at`] says. A panic in it is caught and lost.
pub type EventSink = Arc<dyn Fn(&TierEvent) + Send + Sync>;

/// Where compiled code is entered, as people count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryPoint {
    /// At the start, as a call.
    Function,
    /// At the header of this loop, numbered in the order of `loop` operators, from a frame's cells.
    Loop(u32),
}

impl From<upshift_translate::EntryPoint> for EntryPoint {
    fn from(entry: upshift_translate::EntryPoint) -> Self {
        match entry {
            upshift_translate::EntryPoint::Function => Self::Function,
            upshift_translate::EntryPoint::Loop(number) => Self::Loop(number.as_u32()),
        }
    }
}

/// Something that tiering did.
///
/// Its `Display` is one line of a log: `  12.345 ms  function 3 (sum): published, llvm`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierEvent {
    /// Time since the engine was made.
    pub at: Duration,
    /// Which of the engine's modules, counted from 1 in the order in which they were made.
    pub module: u64,
    /// The function's index, imports first.
    pub function: u32,
    /// Its name by the name section or an export.
    pub name: Option<String>,
    /// The kind of event.
    pub kind: TierEventKind,
}

/// An event of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TierEventKind {
    /// It is to be compiled again.
    Queued {
        /// The name of the tier that is to do it.
        tier: &'static str,
        /// Where it will be entered.
        entry: EntryPoint,
        /// Why.
        reason: QueueReason,
        /// Work that instances were granted in it so far, in operators.
        work: u64,
    },
    /// It was compiled.
    Compiled {
        /// The tier's name.
        tier: &'static str,
        /// Where the code is entered.
        entry: EntryPoint,
        /// Whether it had not been called: the baseline compiles likely callees on other processors.
        ahead: bool,
        /// How long that took.
        time: Duration,
        /// Bytes of code and constants.
        bytes: usize,
        /// Functions that came along: indices, imports first.
        inlined: Vec<u32>,
    },
    /// Calls go to the new code from now on, or for a loop: frames in it move when they ask next.
    Published {
        /// The tier's name.
        tier: &'static str,
        /// Where the code is entered.
        entry: EntryPoint,
    },
    /// A running frame was to move into better code in the middle of a loop, for the first time. It did, unless the stack had
    /// no room for that.
    OsrEntered {
        /// The name of the tier whose code that is.
        tier: &'static str,
        /// The loop's number, in the order of `loop` operators.
        loop_number: u32,
    },
    /// This tier compiles nothing more in this engine, for any function: so many of its compiles ended in fatal errors, each of
    /// which has cost a thread. Its code stays.
    TierOff {
        /// The tier's name.
        tier: &'static str,
        /// How many fatal errors there were.
        fatal_errors: usize,
    },
    /// It could not be compiled, and stays where it is.
    Failed {
        /// The tier's name.
        tier: &'static str,
        /// Where it would have been entered.
        entry: EntryPoint,
        /// Why not.
        error: String,
        /// Whether it will be tried again once it has become hotter.
        retry: bool,
    },
}

/// Why a function is compiled again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueReason {
    /// It used up its budget, seen when it was called.
    Call,
    /// It used up its budget, seen at the header of this loop.
    Loop(u32),
    /// Everything is compiled ahead.
    Ahead,
}

impl fmt::Display for TierEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.at.as_secs_f64() * 1e3;
        write!(f, "{milliseconds:9.3} ms  function {}", self.function)?;
        if let Some(name) = &self.name {
            write!(f, " ({})", Printable(name))?;
        }
        write!(f, ": {}", self.kind)
    }
}

impl fmt::Display for TierEventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queued {
                tier,
                entry,
                reason,
                work,
            } => {
                write!(
                    f,
                    "queued{}, {tier}, {reason}, after {work} operators",
                    At(*entry)
                )
            }
            Self::Compiled {
                tier,
                entry,
                ahead,
                time,
                bytes,
                inlined,
            } => {
                let milliseconds = time.as_secs_f64() * 1e3;
                let at = At(*entry);
                let ahead = if *ahead { " ahead" } else { "" };
                write!(
                    f,
                    "compiled{ahead}{at}, {tier}, {milliseconds:.3} ms, {bytes} bytes"
                )?;
                if !inlined.is_empty() {
                    write!(f, ", with")?;
                    for function in inlined {
                        write!(f, " {function}")?;
                    }
                }
                Ok(())
            }
            Self::Published { tier, entry } => write!(f, "published{}, {tier}", At(*entry)),
            Self::OsrEntered { tier, loop_number } => {
                write!(f, "moved up in loop {loop_number}, {tier}")
            }
            Self::TierOff { tier, fatal_errors } => write!(
                f,
                "{tier} is off for this engine: {fatal_errors} of its compiles ended in fatal errors"
            ),
            Self::Failed {
                tier,
                entry,
                error,
                retry,
            } => {
                let again = if *retry { ", will be tried again" } else { "" };
                write!(f, "failed{}, {tier}{again}: {error}", At(*entry))
            }
        }
    }
}

impl fmt::Display for QueueReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call => f.write_str("called"),
            Self::Loop(number) => write!(f, "in loop {number}"),
            Self::Ahead => f.write_str("ahead of time"),
        }
    }
}

/// Where code is entered, as a part of a sentence: nothing for the usual place.
struct At(EntryPoint);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            EntryPoint::Function => Ok(()),
            EntryPoint::Loop(number) => write!(f, " at loop {number}"),
        }
    }
}

const TARGET: &str = "upshift::tier";

/// How much of the log somebody must want to see an event there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loudness {
    /// Steps of the tiers above the baseline, and failures: level `debug`.
    Notable,
    /// First compiles, of which there may be thousands: level `trace`.
    Common,
}

/// Whether anybody listens; if not, the event need not be made.
pub(crate) fn is_heard(sink: Option<&EventSink>, loudness: Loudness) -> bool {
    use tracing::{Level, enabled};
    sink.is_some()
        || match loudness {
            Loudness::Notable => enabled!(target: TARGET, Level::DEBUG),
            Loudness::Common => enabled!(target: TARGET, Level::TRACE),
        }
}

/// Tells the listeners.
pub(crate) fn tell(sink: Option<&EventSink>, loudness: Loudness, event: &TierEvent) {
    let (module, function) = (event.module, event.function);
    let name = tracing::field::display(Printable(event.name.as_deref().unwrap_or_default()));
    match loudness {
        Loudness::Notable => {
            tracing::debug!(target: TARGET, module, function, name, "{}", event.kind);
        }
        Loudness::Common => {
            tracing::trace!(target: TARGET, module, function, name, "{}", event.kind);
        }
    }
    if let Some(sink) = sink {
        // A listener must not be able to take a worker, or generated code's frames, down with it.
        let _ = catch_unwind(AssertUnwindSafe(|| sink(event)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_lines_of_a_log() {
        let event = |kind| TierEvent {
            at: Duration::from_micros(12_345),
            module: 1,
            function: 3,
            name: Some("sum".to_owned()),
            kind,
        };
        let compiled = event(TierEventKind::Compiled {
            tier: "llvm",
            entry: EntryPoint::Loop(2),
            ahead: false,
            time: Duration::from_micros(1500),
            bytes: 96,
            inlined: vec![4, 7],
        });
        let expected = "   12.345 ms  function 3 (sum): compiled at loop 2, llvm, 1.500 ms, 96 bytes, with 4 7";
        assert_eq!(compiled.to_string(), expected);
        let queued = event(TierEventKind::Queued {
            tier: "llvm",
            entry: EntryPoint::Function,
            reason: QueueReason::Call,
            work: 10,
        });
        assert!(
            queued
                .to_string()
                .ends_with(": queued, llvm, called, after 10 operators")
        );
    }

    #[test]
    fn a_panic_of_the_listener_stays_with_it() {
        let sink: EventSink = Arc::new(|_| panic!("not my day"));
        let event = TierEvent {
            at: Duration::ZERO,
            module: 1,
            function: 0,
            name: None,
            kind: TierEventKind::OsrEntered {
                tier: "llvm",
                loop_number: 0,
            },
        };
        tell(Some(&sink), Loudness::Notable, &event);
    }
}
