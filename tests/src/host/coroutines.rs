//! Calls in coroutines of their own, which are suspended in the midst of their host functions, go on in any order and on
//! other threads, and are dropped.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult};
use upshift::{ForeignStack, InterruptHandle};

use super::interruptions::Requests;
use super::itinerary::{Itinerary, Leaf, Outcome, Permitted};
use super::visit::{Guest, Pauser, usable};
use super::worker::Place;
use super::{journey, signals};
use crate::differential::Random;

/// Bytes of a coroutine's stack.
const STACK: usize = 1 << 20;

/// A guest's call in a coroutine.
struct Running {
    coroutine: Coroutine<(), (), (Outcome, Guest)>,
    itinerary: Arc<Itinerary>,
    handle: InterruptHandle,
    /// Interruptions that were asked for.
    asked: u32,
}

// SAFETY: what is in the coroutine may move to another thread together with it.
unsafe impl Send for Running {}

impl Running {
    fn new(place: Place, random: &mut Random) -> Self {
        let way = place.world.draw_way(random);
        let mut guest = way.take_guest(place, random);
        let permitted = Permitted {
            steps: 6,
            pauses: true,
            children_go_on: false,
            spins: true,
        };
        let itinerary = Arc::new(Itinerary::draw(random, permitted));
        guest.prepare(place, &itinerary);
        let handle = guest.store.interrupt_handle();
        let stack = DefaultStack::new(STACK).expect("memory for a stack");
        let bounds = usable(&stack);
        let coroutine = Coroutine::with_stack(stack, move |pauser: &Pauser, ()| {
            // SAFETY: these are the bounds of the coroutine's stack.
            let _stated = unsafe { ForeignStack::new(bounds) };
            guest.store.data_mut().pauser = pauser;
            let ended = journey::run(&mut guest);
            (ended, guest)
        });
        Self {
            coroutine,
            itinerary,
            handle,
            asked: 0,
        }
    }

    /// Lets it run to its next pause, or to its end.
    fn resume(&mut self, random: &mut Random) -> Option<(Outcome, Guest)> {
        let requests = if matches!(self.itinerary.leaf, Leaf::Spin { .. }) {
            Requests::draw_some(random)
        } else if random.once_in(3) {
            Requests::draw(random)
        } else {
            Requests::default()
        };
        self.asked += requests.count();
        let handle = self.handle.clone();
        let moves = random.once_in(3);
        let is_masked = random.once_in(2);
        let result = requests.during(&handle, || {
            if moves {
                self.resume_on_another_thread(is_masked)
            } else {
                self.coroutine.resume(())
            }
        });
        match result {
            CoroutineResult::Yield(()) => None,
            CoroutineResult::Return(end) => Some(end),
        }
    }

    fn resume_on_another_thread(
        &mut self,
        is_masked: bool,
    ) -> CoroutineResult<(), (Outcome, Guest)> {
        /// A result that moves to the thread that waits for it.
        struct Moved(CoroutineResult<(), (Outcome, Guest)>);
        // SAFETY: a guest may move.
        unsafe impl Send for Moved {}
        let running = self;
        let moved = thread::scope(|scope| {
            let thread = scope.spawn(move || {
                if is_masked {
                    signals::block_all();
                }
                let running = running;
                Moved(running.coroutine.resume(()))
            });
            thread
                .join()
                .unwrap_or_else(|payload| resume_unwind(payload))
        });
        moved.0
    }
}

/// Some coroutines by turns.
pub(super) fn by_turns(place: Place, random: &mut Random) {
    let count = 2 + random.below(4);
    let mut all: Vec<Running> = (0..count).map(|_| Running::new(place, random)).collect();
    place.world.counts.coroutines.add(all.len() as u64);
    while !all.is_empty() {
        let index = random.below(all.len());
        if random.once_in(8) {
            // Its host function is unwound, or never began.
            drop(all.swap_remove(index));
            continue;
        }
        let Some((ended, mut guest)) = all[index].resume(random) else {
            continue;
        };
        let Running {
            itinerary, asked, ..
        } = all.swap_remove(index);
        journey::check(&itinerary, ended, asked, STACK);
        journey::settle(place, &mut guest, asked, ended);
        guest.go_back(random);
    }
}
