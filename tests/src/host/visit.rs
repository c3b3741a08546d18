//! The guest's host function: takes the steps of an itinerary, and what a store has for it.

use std::panic::resume_unwind;
use std::ptr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use corosensei::Yielder;
use corosensei::stack::{DefaultStack, Stack};
use upshift::{
    AsContextMut, Caller, Error, ForeignStack, Instance, InterruptHandle, Result, Store, TrapCode,
};
use upshift_module::threads;

use super::forks::{self, ChildProcess};
use super::itinerary::{Child, Itinerary, Leaf, Step};
use super::worker::{Place, Way};
use super::{guest, signals};

/// The other side of the coroutine that a call is in.
pub(super) type Pauser = Yielder<(), ()>;

/// The text of the host function's error.
pub(super) const FAILURE: &str = "a host function's error";
/// What the host function panics with.
pub(super) const PANIC: &str = "a host function's panic";

/// What a store has for its host function.
pub(super) struct Host {
    /// Where what happens is written down.
    pub(super) place: Place,
    /// The engine and its module.
    pub(super) way: &'static Way,
    /// The store's.
    pub(super) requests: Option<InterruptHandle>,
    instance: Option<Instance>,
    itinerary: Option<Arc<Itinerary>>,
    /// The number of the next visit.
    at: usize,
    /// Interruptions that the host function took for values.
    pub(super) swallowed: u32,
    /// Children to be waited for.
    pub(super) children: Vec<ChildProcess>,
    /// This is a child that goes on.
    pub(super) is_child: bool,
    /// Null where nothing can be suspended.
    pub(super) pauser: *const Pauser,
}

// SAFETY: the coroutine of the pointer moves together with the store, or is not suspended elsewhere.
unsafe impl Send for Host {}

/// A store with an instance.
pub(super) struct Guest {
    pub(super) store: Store<Host>,
    pub(super) instance: Instance,
}

impl Guest {
    /// A new one.
    pub(super) fn new(place: Place, way: &'static Way) -> Self {
        let mut store = Store::new(
            &way.engine,
            Host {
                place,
                way,
                requests: None,
                instance: None,
                itinerary: None,
                at: 0,
                swallowed: 0,
                children: Vec::new(),
                is_child: false,
                pauser: ptr::null(),
            },
        );
        let instance = way.guest.instantiate(&mut store);
        let instance = instance.expect("the guest's import is defined");
        let requests = store.interrupt_handle();
        let host = store.data_mut();
        host.requests = Some(requests);
        host.instance = Some(instance);
        Self { store, instance }
    }

    /// Makes ready for an itinerary.
    pub(super) fn prepare(&mut self, place: Place, itinerary: &Arc<Itinerary>) {
        let host = self.store.data_mut();
        host.place = place;
        host.itinerary = Some(Arc::clone(itinerary));
        host.at = 0;
        host.swallowed = 0;
        host.pauser = ptr::null();
    }

    /// Calls an export.
    pub(super) fn call(&mut self, name: &str, argument: u32) -> Result<u32> {
        guest::call(&mut self.store, self.instance, name, argument)
    }

    /// Goes through the itinerary.
    pub(super) fn relay(&mut self) -> Result<u32> {
        let start = self.store.data().itinerary.as_ref().map(|it| it.start);
        self.call("relay", start.expect("it is prepared"))
    }
}

/// The host function.
pub(super) fn visit(mut caller: Caller<'_, Host>, x: u32) -> Result<u32> {
    let host = caller.data_mut();
    let itinerary = host.itinerary.clone();
    let itinerary = itinerary.expect("the store is prepared");
    let at = host.at;
    host.at += 1;
    match itinerary.steps.get(at) {
        Some(&step) => take(&mut caller, step, &itinerary, x),
        None => end(&mut caller, itinerary.leaf, x),
    }
}

fn instance(caller: &Caller<'_, Host>) -> Instance {
    caller.data().instance.expect("the store has its instance")
}

fn take(caller: &mut Caller<'_, Host>, step: Step, itinerary: &Itinerary, x: u32) -> Result<u32> {
    let counts = &caller.data().place.world.counts;
    match step {
        Step::Call => {}
        Step::Wait(microseconds) => thread::sleep(Duration::from_micros(microseconds)),
        Step::Pause => {
            if let Some(pauser) = pauser(caller) {
                counts.pauses.add(1);
                pauser.suspend(());
            }
        }
        Step::ParentStack => {
            if let Some(pauser) = pauser(caller) {
                counts.parent_stacks.add(1);
                return elsewhere(caller, |caller| on_parent_stack(caller, pauser, x));
            }
        }
        Step::Thread { stack, is_masked } => {
            counts.scoped_threads.add(1);
            return elsewhere(caller, |caller| on_thread(caller, stack, is_masked, x));
        }
        Step::Stack { size } => {
            counts.stacks.add(1);
            return elsewhere(caller, |caller| on_stack(caller, size, x));
        }
        Step::Fork(child) => fork(caller, child, itinerary),
    }
    let instance = instance(caller);
    guest::call(caller, instance, "relay", x)
}

/// The other side of the coroutine around a call, if this is its stack.
fn pauser<'a>(caller: &Caller<'_, Host>) -> Option<&'a Pauser> {
    // SAFETY: it is not null only where code runs on the stack of the coroutine whose other side it is, which lives for
    // longer than the call.
    unsafe { caller.data().pauser.as_ref() }
}

fn on_parent_stack(caller: &mut Caller<'_, Host>, pauser: &Pauser, x: u32) -> Result<u32> {
    let instance = instance(caller);
    let mut context = caller.as_context_mut();
    pauser.on_parent_stack(move || guest::call(&mut context, instance, "relay", x))
}

/// Does what is on another stack, where the coroutine around it can't be suspended.
fn elsewhere<'a>(
    caller: &mut Caller<'a, Host>,
    work: impl FnOnce(&mut Caller<'a, Host>) -> Result<u32>,
) -> Result<u32> {
    let pauser = std::mem::replace(&mut caller.data_mut().pauser, ptr::null());
    let result = work(caller);
    caller.data_mut().pauser = pauser;
    result
}

fn on_thread(caller: &mut Caller<'_, Host>, stack: usize, is_masked: bool, x: u32) -> Result<u32> {
    let instance = instance(caller);
    let mut context = caller.as_context_mut();
    let nested = move || {
        if is_masked {
            signals::block_all();
        }
        guest::call(&mut context, instance, "relay", x)
    };
    // A child of a fork may come here.
    threads::on_another(stack, nested).expect("a thread")
}

fn on_stack(caller: &mut Caller<'_, Host>, size: usize, x: u32) -> Result<u32> {
    let instance = instance(caller);
    let stack = DefaultStack::new(size).expect("memory for a stack");
    let bounds = usable(&stack);
    corosensei::on_stack(stack, move || {
        // SAFETY: these are the bounds of the stack that this runs on.
        let _stated = unsafe { ForeignStack::new(bounds) };
        guest::call(caller, instance, "relay", x)
    })
}

/// The addresses of a coroutine's stack without its guard page.
pub(super) fn usable(stack: &impl Stack) -> std::ops::Range<usize> {
    stack.limit().get() + 4096..stack.base().get()
}

fn fork(caller: &mut Caller<'_, Host>, child: Child, itinerary: &Itinerary) {
    let Host { place, way, .. } = *caller.data();
    if let Some(process) = forks::fork(place) {
        caller.data_mut().children.push(process);
        return;
    }
    let place = place.of_child();
    let host = caller.data_mut();
    host.place = place;
    // They are the parent's.
    host.children.drain(..).for_each(ChildProcess::forget);
    match child {
        Child::EndsThere => {
            let steps = &itinerary.steps[..host.at];
            let has_moved = steps.iter().any(|step| matches!(step, Step::Thread { .. }));
            if !has_moved {
                let instance = instance(caller);
                forks::with_the_parents(place, caller, instance);
            }
            forks::ends_there(place, way)
        }
        Child::GoesOn => {
            host.is_child = true;
            let waits = matches!(itinerary.leaf, Leaf::Spin { .. });
            if waits {
                // Who would have interrupted it stayed with the parent.
                let handle = caller.interrupt_handle();
                let timer = move || {
                    thread::sleep(Duration::from_millis(3));
                    handle.interrupt();
                };
                threads::spawn(c"timer", 1 << 20, timer).expect("a thread");
            }
        }
    }
}

/// The last visit.
fn end(caller: &mut Caller<'_, Host>, leaf: Leaf, x: u32) -> Result<u32> {
    let instance = instance(caller);
    match leaf {
        Leaf::Nothing => Ok(leaf.value(x)),
        Leaf::Compute(computation, n) => {
            let given = guest::call(caller, instance, computation.name, n)?;
            Ok(x ^ given)
        }
        Leaf::Trap(name, _) => guest::call(caller, instance, name, x),
        Leaf::Spin { name, is_swallowed } => {
            let result = guest::call(caller.as_context_mut(), instance, name, x);
            match &result {
                Err(error) if is_swallowed && is_interruption(error) => {
                    caller.data_mut().swallowed += 1;
                    Ok(leaf.value(x))
                }
                _ => result,
            }
        }
        Leaf::Fail => Err(Error::msg(FAILURE)),
        // Without a word of the panic hook.
        Leaf::Panic => resume_unwind(Box::new(PANIC)),
    }
}

/// Whether a guest was interrupted.
pub(super) fn is_interruption(error: &Error) -> bool {
    error.as_trap().map(upshift::Trap::code) == Some(TrapCode::Interrupted)
}
