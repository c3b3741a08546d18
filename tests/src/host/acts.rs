//! What threads of a worker do, an act at a time.

use std::thread;
use std::time::Duration;

use upshift::{ErrorKind, Sampler, StackError, Trap};

use super::interruptions::Requests;
use super::itinerary::{Itinerary, Leaf, Permitted, TRAPS};
use super::libraries::Library;
use super::modules::{self, Made};
use super::visit::Guest;
use super::worker::Place;
use super::{coroutines, forks, journey, signals};
use crate::differential::Random;

/// Stacks of threads of their own, in bytes.
const STACKS: [usize; 6] = [256 << 10, 384 << 10, 512 << 10, 1 << 20, 2 << 20, 8 << 20];
/// Stacks on which a guest has room for itself alone, or no room at all.
const TINY_STACKS: [usize; 6] = [
    64 << 10,
    72 << 10,
    80 << 10,
    128 << 10,
    160 << 10,
    192 << 10,
];
/// From this on no call is refused. Below it may be accepted too: a thread may get the larger stack of one that has ended.
const ACCEPTED_FROM: usize = 128 << 10;

/// A kind of act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// A call with an itinerary, on the thread's own stack.
    Journey,
    /// The same on a new thread.
    JourneyOnThread,
    /// A call on a thread whose stack is hardly enough, or not.
    TinyThread,
    /// Some coroutines by turns.
    Coroutines,
    /// Modules made and dropped.
    Modules,
    /// An engine made and dropped.
    Engine,
    /// A library loaded, and unloaded later.
    Library,
    /// A fork between calls.
    Fork,
}

impl Act {
    /// All of them.
    pub(super) const ALL: [Self; 8] = [
        Self::Journey,
        Self::JourneyOnThread,
        Self::TinyThread,
        Self::Coroutines,
        Self::Modules,
        Self::Engine,
        Self::Library,
        Self::Fork,
    ];

    /// What it is, in the plural.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Journey => "calls with nested calls",
            Self::JourneyOnThread => "calls with nested calls on a new thread",
            Self::TinyThread => "calls on a thread with a tiny stack",
            Self::Coroutines => "groups of coroutines",
            Self::Modules => "groups of modules made and dropped",
            Self::Engine => "engines made and dropped",
            Self::Library => "libraries sought",
            Self::Fork => "forks between calls",
        }
    }

    fn draw(random: &mut Random) -> Self {
        match random.below(100) {
            0..34 => Self::Journey,
            34..56 => Self::JourneyOnThread,
            56..66 => Self::TinyThread,
            66..86 => Self::Coroutines,
            86..94 => Self::Modules,
            94..96 => Self::Engine,
            96 => Self::Fork,
            _ => Self::Library,
        }
    }
}

/// A thread of a worker, and what it keeps from act to act.
pub(super) struct Actor {
    place: Place,
    random: Random,
    made: Vec<Made>,
    loaded: Option<Library>,
}

impl Actor {
    pub(super) fn new(place: Place, random: Random) -> Self {
        Self {
            place,
            random,
            made: Vec::new(),
            loaded: None,
        }
    }

    /// One act.
    pub(super) fn act(&mut self, number: u64, round: u64) {
        let act = Act::draw(&mut self.random);
        let journal = &self.place.world.journal;
        let slot = self.place.slot;
        journal.begin(
            slot,
            format_args!("round {round}, thread {slot}, act {number}, {act:?}"),
        );
        let sampler = self.sampler();
        match act {
            Act::Journey => self.journey(),
            Act::JourneyOnThread => self.journey_on_thread(),
            Act::TinyThread => self.tiny_thread(),
            Act::Coroutines => coroutines::by_turns(self.place, &mut self.random),
            Act::Modules => self.modules(),
            Act::Engine => self.engine(),
            Act::Library => self.change_library(),
            Act::Fork => self.fork(),
        }
        // Tells where it was, if it was anywhere.
        drop(sampler.map(Sampler::stop));
        self.place.world.counts.acts[act as usize].add(1);
        journal.end(slot);
    }

    /// A sampler of this thread, now and then.
    fn sampler(&mut self) -> Option<Sampler> {
        if !self.random.once_in(20) {
            return None;
        }
        self.place.world.counts.samplers.add(1);
        Some(Sampler::start(Duration::from_micros(50)).expect("a timer"))
    }

    /// A guest of any mode, from whichever thread had it last.
    fn guest(&mut self) -> Guest {
        let way = self.place.world.draw_way(&mut self.random);
        way.take_guest(self.place, &mut self.random)
    }

    fn draw_journey(&mut self, steps: usize) -> (Itinerary, Requests) {
        let requests = Requests::draw(&mut self.random);
        let permitted = Permitted {
            steps,
            pauses: false,
            children_go_on: true,
            spins: requests.count() > 0,
        };
        let itinerary = Itinerary::draw(&mut self.random, permitted);
        let journal = &self.place.world.journal;
        journal.add(
            self.place.slot,
            format_args!(": {:?} {:?}, {requests:?}", itinerary.steps, itinerary.leaf),
        );
        (itinerary, requests)
    }

    fn journey(&mut self) {
        let mut guest = self.guest();
        let (itinerary, requests) = self.draw_journey(6);
        journey::take(
            self.place,
            &mut guest,
            itinerary,
            &requests,
            journey::AMPLE_STACK,
        );
        guest.go_back(&mut self.random);
    }

    fn journey_on_thread(&mut self) {
        let mut guest = self.guest();
        let stack = self.random.choose(&STACKS);
        let steps = if stack < journey::AMPLE_STACK { 2 } else { 6 };
        let (itinerary, requests) = self.draw_journey(steps);
        let place = self.place;
        let guest = self.on_thread(stack, move || {
            journey::take(place, &mut guest, itinerary, &requests, stack);
            guest
        });
        guest.go_back(&mut self.random);
    }

    /// Does some work on a new thread, which blocks all signals or none. What the work uses is best moved there: children
    /// of a fork have the stack of the thread that forked, and no other.
    fn on_thread<R: Send>(&mut self, stack: usize, work: impl FnOnce() -> R + Send) -> R {
        let is_masked = self.random.once_in(2);
        let journal = &self.place.world.journal;
        journal.add(
            self.place.slot,
            format_args!(", stack {stack}, masked {is_masked}"),
        );
        let thread = thread::Builder::new().stack_size(stack);
        thread::scope(|scope| {
            let masked = move || {
                if is_masked {
                    signals::block_all();
                }
                work()
            };
            let thread = thread.spawn_scoped(scope, masked).expect("a thread");
            thread.join().expect("panics end the process")
        })
    }

    fn tiny_thread(&mut self) {
        let mut guest = self.guest();
        let stack = self.random.choose(&TINY_STACKS);
        let leaf = if self.random.once_in(2) {
            Leaf::compute(&mut self.random)
        } else {
            let (name, code) = self.random.choose(&TRAPS);
            Leaf::Trap(name, code)
        };
        let (was_refused, guest) = self.on_thread(stack, move || (!calls(&mut guest, leaf), guest));
        assert!(!was_refused || stack < ACCEPTED_FROM, "a stack of {stack}");
        self.place.world.counts.refused.add(was_refused.into());
        guest.go_back(&mut self.random);
    }

    fn modules(&mut self) {
        let way = self.place.world.draw_way(&mut self.random);
        modules::made_and_dropped(way, 2);
        if self.made.len() == 4 {
            let oldest = self.random.below(4);
            self.made.swap_remove(oldest);
        }
        let number = self.random.next_u64() as u32;
        self.made.push(Made::new(&way.engine, number));
        self.made.iter_mut().for_each(Made::check);
    }

    fn engine(&mut self) {
        let way = self.place.world.draw_way(&mut self.random);
        modules::engine_of_its_own(way.set, self.random.next_u64() as u32);
    }

    fn change_library(&mut self) {
        // The one that was there goes after the other has come.
        self.loaded = Library::load(self.random.below(100));
        let was_found = self.loaded.is_some();
        self.place.world.counts.libraries.add(was_found.into());
        let mut guest = self.guest();
        assert_eq!(guest.call("fib", 9).expect("it does not trap"), 34);
        guest.go_back(&mut self.random);
    }

    fn fork(&mut self) {
        let mut guest = self.guest();
        let way = guest.store.data().way;
        let Some(child) = forks::fork(self.place) else {
            let place = self.place.of_child();
            self.made.iter_mut().for_each(Made::check);
            forks::with_the_parents(place, &mut guest.store, guest.instance);
            self.made.clear();
            self.loaded = Library::load(self.random.below(100));
            forks::ends_there(place, way)
        };
        // Both sides drop what the other has.
        self.made.iter_mut().for_each(Made::check);
        self.made.clear();
        guest.go_back(&mut self.random);
        drop(child);
    }
}

/// Whether a call was let onto the present stack, where it does what it should.
fn calls(guest: &mut Guest, leaf: Leaf) -> bool {
    let (name, argument) = match leaf {
        Leaf::Compute(computation, n) => (computation.name, n),
        Leaf::Trap(name, _) => (name, 1),
        _ => unreachable!("the leaf is one of these"),
    };
    match (guest.call(name, argument), leaf) {
        (Ok(given), Leaf::Compute(computation, n)) => assert_eq!(given, (computation.gives)(n)),
        (Ok(given), _) => panic!("{leaf:?} gave {given}"),
        (Err(error), _) => match (error.kind(), leaf) {
            (ErrorKind::Stack(StackError::TooSmall { .. }), _) => return false,
            (_, Leaf::Trap(_, code)) if error.as_trap().map(Trap::code) == Some(code) => {}
            _ => panic!("{leaf:?}: {error}"),
        },
    }
    true
}
