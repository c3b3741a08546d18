//! Interruptions at random moments, and the account of them: each is seen by the call that runs, or waits for the next.

use std::hint::spin_loop;
use std::thread;
use std::time::{Duration, Instant};

use upshift::InterruptHandle;

use super::worker::Place;
use crate::differential::Random;

/// When a thread asks: after each of these times.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests(Vec<Duration>);

impl Requests {
    /// Some, or none at all.
    pub(super) fn draw(random: &mut Random) -> Self {
        let count = if random.once_in(2) {
            0
        } else {
            1 + random.below(3)
        };
        let delays = (0..count).map(|_| {
            let nanoseconds = match random.below(4) {
                0 => 0,
                1 => random.below(20_000),
                2 => random.below(300_000),
                _ => random.below(5_000_000),
            };
            Duration::from_nanos(nanoseconds as u64)
        });
        Self(delays.collect())
    }

    /// Some, of which there is one at least.
    pub(super) fn draw_some(random: &mut Random) -> Self {
        loop {
            let requests = Self::draw(random);
            if requests.count() > 0 {
                return requests;
            }
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.0.len()).expect("a few")
    }

    /// Does some work while another thread asks. All has been asked when this returns.
    pub(super) fn during<R>(&self, handle: &InterruptHandle, work: impl FnOnce() -> R) -> R {
        if self.0.is_empty() {
            return work();
        }
        thread::scope(|scope| {
            scope.spawn(|| {
                for delay in &self.0 {
                    wait(*delay);
                    handle.interrupt();
                }
            });
            work()
        })
    }
}

/// Checks that the interruptions that were seen, and one that may wait, are what was asked for.
pub(super) fn account(place: Place, handle: &InterruptHandle, asked: u32, seen: u32) {
    let left = u32::from(handle.clear());
    assert!(seen + left <= asked, "{seen} seen, {left} left of {asked}");
    assert!(
        asked == 0 || seen + left > 0,
        "an interruption is lost: {asked} were asked for, none was seen, and none waits"
    );
    let counts = &place.world.counts;
    counts.requests.add(asked.into());
    counts.interruptions.add(seen.into());
    counts.requests_left.add(left.into());
}

/// Waits so long, also if that is less than what a sleep takes.
fn wait(time: Duration) {
    if time >= Duration::from_micros(100) {
        return thread::sleep(time);
    }
    let start = Instant::now();
    while start.elapsed() < time {
        spin_loop();
    }
}
