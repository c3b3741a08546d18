//! Faults that are made on purpose, by which tests see that a worker's faults are found.

use std::fs::File;
use std::thread;
use std::time::Duration;

use super::forks;
use super::guest::COMPUTATIONS;
use super::interruptions;
use super::visit::Guest;
use super::worker::{Place, World};
use crate::differential::Random;

/// What goes wrong before each round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provoke {
    /// A thread writes where nothing is.
    Crash,
    /// A result is wrong.
    Wrong,
    /// An interruption is taken back behind the guest's back.
    Lost,
    /// An act never ends.
    Hang,
    /// A child of a fork ends by a signal.
    Child,
    /// Files are opened and not closed.
    Growth,
}

impl Provoke {
    /// All of them, by name.
    pub const ALL: [(&str, Self); 6] = [
        ("crash", Self::Crash),
        ("wrong", Self::Wrong),
        ("lost", Self::Lost),
        ("hang", Self::Hang),
        ("child", Self::Child),
        ("growth", Self::Growth),
    ];

    /// Does it.
    pub(super) fn go_wrong(self, world: &'static World) {
        let place = Place { world, slot: 0 };
        world.journal.begin(0, format_args!("provokes {self:?}"));
        let way = world.draw_way(&mut Random::new(0));
        match self {
            // SAFETY: none. This is to end the process.
            Self::Crash => unsafe { std::ptr::without_provenance_mut::<u8>(8).write_volatile(0) },
            Self::Wrong => {
                let given = Guest::new(place, way).call("fib", 10).expect("no trap");
                assert_eq!(given, (COMPUTATIONS[1].gives)(11), "provoked");
            }
            Self::Lost => {
                let handle = Guest::new(place, way).store.interrupt_handle();
                handle.interrupt();
                handle.clear();
                interruptions::account(place, &handle, 1, 0);
            }
            Self::Hang => loop {
                thread::sleep(Duration::from_secs(1));
            },
            Self::Child => match forks::fork(place) {
                Some(child) => drop(child),
                // SAFETY: no preconditions.
                None => unsafe { libc::abort() },
            },
            Self::Growth => {
                for _ in 0..4 {
                    std::mem::forget(File::open("/dev/null").expect("every system has it"));
                }
            }
        }
        world.journal.end(0);
    }
}
