//! One call with all that happens in it, and whether it ended as it should.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use upshift::{Error, ErrorKind, TrapCode};

use super::forks;
use super::interruptions::{self, Requests};
use super::itinerary::{Itinerary, Outcome};
use super::visit::{FAILURE, Guest, PANIC};
use super::worker::Place;

/// On smaller stacks an itinerary may end before its leaf.
pub(super) const AMPLE_STACK: usize = 1 << 20;

/// Calls a guest that is prepared. Panics that are not the guest's go on.
pub(super) fn run(guest: &mut Guest) -> Outcome {
    match catch_unwind(AssertUnwindSafe(|| guest.relay())) {
        Ok(Ok(value)) => Outcome::Value(value),
        Ok(Err(error)) => outcome_of(&error),
        Err(payload) if is_ours(&*payload) => Outcome::Panic,
        Err(payload) => resume_unwind(payload),
    }
}

fn is_ours(payload: &(dyn Any + Send)) -> bool {
    payload.downcast_ref() == Some(&PANIC)
}

fn outcome_of(error: &Error) -> Outcome {
    if let Some(trap) = error.as_trap() {
        return Outcome::Trap(trap.code());
    }
    let is_failure =
        matches!(error.kind(), ErrorKind::Host(_)) && error.to_string().contains(FAILURE);
    assert!(is_failure, "a call failed: {error}");
    Outcome::Error
}

/// Checks how a guest's call ended.
pub(super) fn check(itinerary: &Itinerary, ended: Outcome, asked: u32, stack: usize) {
    let is_permitted = ended == itinerary.outcome()
        || (asked > 0 && ended == Outcome::Trap(TrapCode::Interrupted))
        || (stack < AMPLE_STACK && ended == Outcome::Trap(TrapCode::StackOverflow));
    let expected = itinerary.outcome();
    assert!(
        is_permitted,
        "the call ended with {ended:?}, and not with {expected:?}: {itinerary:?}, {asked} interruptions asked for"
    );
}

/// Settles what a call leaves: interruptions that wait, children.
pub(super) fn settle(place: Place, guest: &mut Guest, asked: u32, ended: Outcome) {
    let seen = u32::from(ended == Outcome::Trap(TrapCode::Interrupted));
    let host = guest.store.data_mut();
    let seen = seen + host.swallowed;
    // Waits for them.
    host.children.clear();
    let handle = guest.store.interrupt_handle();
    interruptions::account(place, &handle, asked, seen);
    // The store goes on.
    assert_eq!(guest.call("fib", 7).expect("it does not trap"), 13);
}

/// Takes a guest through an itinerary on the present stack, of so many bytes.
pub(super) fn take(
    place: Place,
    guest: &mut Guest,
    itinerary: Itinerary,
    requests: &Requests,
    stack: usize,
) {
    let itinerary = Arc::new(itinerary);
    guest.prepare(place, &itinerary);
    let handle = guest.store.interrupt_handle();
    let asked = requests.count();
    let ended = requests.during(&handle, || {
        let ended = run(guest);
        if guest.store.data().is_child {
            check(&itinerary, ended, asked, stack);
            forks::succeed();
        }
        ended
    });
    check(&itinerary, ended, asked, stack);
    settle(place, guest, asked, ended);
}
