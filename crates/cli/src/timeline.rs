//! `--tier-log`: tiering's events as they happen, one line each on the standard error.

use std::io::{self, Write};

use clap::ValueEnum;
use upshift::{TierEvent, TierEventKind};

use crate::exports::printable;

/// How much of what tiering does is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TierLog {
    /// All but first compiles, of which there may be thousands.
    Moves,
    /// First compiles too.
    All,
}

/// The name of the tier that everything starts in.
pub(crate) const FIRST_TIER: &str = "baseline";
/// The name of the tier that is between that and LLVM.
pub(crate) const MIDDLE_TIER: &str = "middle";

impl TierLog {
    /// The amount asked for, if any: asked for twice, it is everything.
    pub(crate) fn wanted(given: &[Self]) -> Option<Self> {
        match given {
            [] => None,
            [one] => Some(*one),
            _ => Some(Self::All),
        }
    }

    /// Prints the event, if it is one of the told kinds.
    pub(crate) fn hear(self, event: &TierEvent) {
        if self.tells(event) {
            // A whole line at once, for several threads write. Nobody may be reading: no reason to stop.
            let line = format!("{}\n", printable(&event.to_string()));
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }

    fn tells(self, event: &TierEvent) -> bool {
        match &event.kind {
            TierEventKind::Compiled { tier, .. } | TierEventKind::Published { tier, .. } => {
                self == Self::All || *tier != FIRST_TIER
            }
            _ => true,
        }
    }
}
