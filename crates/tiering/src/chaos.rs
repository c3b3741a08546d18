//! Compiles that go wrong on purpose, for tests: late, lost, failed. Mishaps are drawn from the seed, the
//! compile and the number of its attempt, so the same seed draws the same.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::time::Duration;

use upshift_translate::CompileRequest;

/// How compiles go wrong. All chances are per mille.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chaos {
    /// The seed of all draws.
    pub seed: u64,
    /// How often a compile starts late.
    pub delayed: u16,
    /// How often finished code is published late.
    pub published_late: u16,
    /// How often a request is lost before it is compiled; it may be made again.
    pub lost: u16,
    /// How often finished code is thrown away; it may be asked for again.
    pub thrown_away: u16,
    /// How often a compile fails, for good.
    pub failed: u16,
    /// The longest that anything is held up.
    pub longest_delay: Duration,
}

impl Chaos {
    /// A bit of everything, drawn from this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            delayed: 300,
            published_late: 300,
            lost: 200,
            thrown_away: 200,
            failed: 100,
            longest_delay: Duration::from_millis(5),
        }
    }

    /// The mishap of this compile, the `attempt`-th of its kind in the `module`-th module.
    pub(crate) fn draw(&self, module: u64, request: CompileRequest, attempt: u32) -> Mishap {
        let hash = BuildHasherDefault::<DefaultHasher>::default();
        let draw = |what: &str| hash.hash_one((self.seed, module, request, attempt, what));
        let happens = |what, chance: u16| draw(what) % 1000 < u64::from(chance);
        let delay = |what, chance| {
            let nanos = u64::try_from(self.longest_delay.as_nanos()).unwrap_or(u64::MAX);
            let length = Duration::from_nanos(draw(what).rotate_left(32) % nanos.max(1));
            if happens(what, chance) {
                length
            } else {
                Duration::ZERO
            }
        };
        Mishap {
            start_after: delay("delayed", self.delayed),
            publish_after: delay("published late", self.published_late),
            lost: happens("lost", self.lost),
            thrown_away: happens("thrown away", self.thrown_away),
            failed: happens("failed", self.failed),
        }
    }
}

/// The mishaps of one compile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mishap {
    pub start_after: Duration,
    pub publish_after: Duration,
    pub lost: bool,
    pub thrown_away: bool,
    pub failed: bool,
}

#[cfg(test)]
mod tests {
    use upshift_module::DefinedFuncIndex;
    use upshift_translate::EntryPoint;

    use super::*;

    fn draws(chaos: Chaos) -> Vec<Mishap> {
        let request = |function| CompileRequest {
            function: DefinedFuncIndex::from_u32(function),
            entry: EntryPoint::Function,
        };
        (0..2000).map(|i| chaos.draw(1, request(i), 1)).collect()
    }

    #[test]
    fn the_same_seed_draws_the_same_and_about_as_often_as_said() {
        let chaos = Chaos::new(7);
        assert_eq!(draws(chaos), draws(chaos));
        assert_ne!(draws(chaos), draws(Chaos::new(8)));
        let lost = draws(chaos).iter().filter(|mishap| mishap.lost).count();
        assert!((300..500).contains(&lost), "{lost} of 2000");
        let longest = draws(chaos).iter().map(|mishap| mishap.start_after).max();
        assert!(longest.is_some_and(|longest| longest <= chaos.longest_delay));
    }
}
