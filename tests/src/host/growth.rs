//! What a worker holds, which must not grow: memory, mappings, threads, files. Looked at between rounds, when only
//! engines and the stores that are kept for the next round are there.

use std::fmt;
use std::io;

/// Rounds after which nothing is new any more: every function of every mode has been compiled in all tiers.
pub(super) const WARM_UP_ROUNDS: u64 = 10;

/// What a process holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Holding {
    /// Memory that is present, in MiB.
    pub(super) mebibytes: u64,
    /// Mappings.
    pub(super) mappings: u64,
    /// Threads.
    pub(super) threads: u64,
    /// Open files.
    pub(super) files: u64,
}

/// How much more than after the first rounds is no growth: stores that are kept have touched more or less of their
/// memory, the allocator has an arena more, workers of engines come and go.
const TOLERANCE: Holding = Holding {
    mebibytes: 192,
    mappings: 400,
    threads: 24,
    files: 8,
};

impl Holding {
    /// What this process holds now.
    pub(super) fn now() -> io::Result<Self> {
        let pages = std::fs::read_to_string("/proc/self/statm")?;
        let resident = pages.split_whitespace().nth(1).map(str::parse::<u64>);
        let Some(Ok(resident)) = resident else {
            return Err(io::Error::other("/proc/self/statm has another form"));
        };
        let count = |path| Ok::<_, io::Error>(std::fs::read_dir(path)?.count() as u64);
        Ok(Self {
            mebibytes: (resident * 4096) >> 20,
            mappings: std::fs::read_to_string("/proc/self/maps")?.lines().count() as u64,
            threads: count("/proc/self/task")?,
            files: count("/proc/self/fd")?,
        })
    }

    fn fields(self) -> [(u64, &'static str); 4] {
        [
            (self.mebibytes, "MiB of memory"),
            (self.mappings, "mappings"),
            (self.threads, "threads"),
            (self.files, "files"),
        ]
    }

    /// The larger of both, each.
    fn or(self, other: Self) -> Self {
        Self {
            mebibytes: self.mebibytes.max(other.mebibytes),
            mappings: self.mappings.max(other.mappings),
            threads: self.threads.max(other.threads),
            files: self.files.max(other.files),
        }
    }
}

impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (number, words)) in self.fields().into_iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{number} {words}")?;
        }
        Ok(())
    }
}

/// The most that was held in the first rounds and in those after.
#[derive(Debug, Default)]
pub(super) struct Growth {
    rounds: u64,
    /// The most in the first rounds.
    pub(super) warm: Holding,
    /// The most in all.
    pub(super) peak: Holding,
}

impl Growth {
    /// Takes note of what is held after a round, or says what has grown.
    pub(super) fn note(&mut self, holding: Holding) -> Result<(), String> {
        self.peak = self.peak.or(holding);
        self.rounds += 1;
        if self.rounds <= WARM_UP_ROUNDS {
            self.warm = self.warm.or(holding);
            return Ok(());
        }
        let fields = holding.fields().into_iter().zip(self.warm.fields());
        for (((number, words), (warm, _)), (tolerance, _)) in fields.zip(TOLERANCE.fields()) {
            if number > warm + tolerance {
                let rounds = self.rounds;
                return Err(format!(
                    "{number} {words} after {rounds} rounds, and {warm} in the first {WARM_UP_ROUNDS}"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_after_the_first_rounds_may_vary_but_not_grow() {
        let warm = Holding::now().unwrap();
        assert!(warm.mebibytes > 0 && warm.mappings > 4 && warm.threads > 0 && warm.files > 2);
        let mut growth = Growth::default();
        for _ in 0..WARM_UP_ROUNDS {
            growth.note(warm).unwrap();
        }
        let more = |files| Holding {
            files: warm.files + files,
            ..warm
        };
        growth.note(more(TOLERANCE.files)).unwrap();
        let said = growth.note(more(TOLERANCE.files + 1)).unwrap_err();
        assert!(said.contains("files after 12 rounds"), "{said}");
    }
}
