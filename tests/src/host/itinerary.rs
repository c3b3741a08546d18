//! What one call of a guest goes through: at each visit of its host function a step, and in the end what its innermost
//! call does.

use upshift::TrapCode;

use super::guest::{self, COMPUTATIONS, Computation};
use crate::differential::Random;

/// What the host function does before it calls the guest again.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// Nothing: the call is on the same stack.
    Call,
    /// Lends the store to a thread with so many bytes of stack, which may block all signals.
    Thread {
        /// Bytes.
        stack: usize,
        /// All signals are blocked.
        is_masked: bool,
    },
    /// Switches to another stack of so many bytes.
    Stack {
        /// Bytes.
        size: usize,
    },
    /// Goes back to the stack that the coroutine was resumed on, if there is one, and leaves the coroutine as it is.
    ParentStack,
    /// Suspends the coroutine that all this is in, if there is one.
    Pause,
    /// Takes so many microseconds.
    Wait(u64),
    /// Forks. The parent goes on.
    Fork(Child),
}

/// What a child of a fork does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Child {
    /// Calls in the midst of the parent's call, and ends.
    EndsThere,
    /// Goes on with the parent's call, as the parent does.
    GoesOn,
}

/// What the innermost call does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Leaf {
    /// There is none: the host function returns.
    Nothing,
    /// Ends with a value.
    Compute(Computation, u32),
    /// Traps: an export, and what it says.
    Trap(&'static str, TrapCode),
    /// Runs until somebody interrupts it.
    Spin {
        /// The export.
        name: &'static str,
        /// The host function takes the interruption for a value.
        is_swallowed: bool,
    },
    /// The host function returns an error.
    Fail,
    /// The host function panics.
    Panic,
}

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// With a value.
    Value(u32),
    /// With a trap.
    Trap(TrapCode),
    /// With the host function's error.
    Error,
    /// With the host function's panic.
    Panic,
}

/// Traps, and what they are.
pub(super) const TRAPS: [(&str, TrapCode); 9] = [
    ("deep", TrapCode::StackOverflow),
    ("bounds", TrapCode::MemoryOutOfBounds),
    ("bounds_in_bulk", TrapCode::MemoryOutOfBounds),
    ("divide", TrapCode::IntegerDivideByZero),
    ("overflow", TrapCode::IntegerOverflow),
    ("unreachable", TrapCode::Unreachable),
    ("no_element", TrapCode::UndefinedElement),
    ("null_element", TrapCode::UninitializedElement),
    ("wrong_type", TrapCode::IndirectCallTypeMismatch),
];

/// Loops without an end.
pub(super) const SPINS: [&str; 3] = ["spin", "spin_in_calls", "spin_in_bulk"];

/// Stacks of threads and coroutines within a call.
const STACKS: [usize; 4] = [256 << 10, 512 << 10, 1 << 20, 2 << 20];

/// Steps and a leaf, and what goes in.
#[derive(Clone, Debug)]
pub(super) struct Itinerary {
    /// A visit each.
    pub(super) steps: Vec<Step>,
    /// The last visit.
    pub(super) leaf: Leaf,
    /// The argument of the outermost call.
    pub(super) start: u32,
}

/// What an itinerary may have in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Permitted {
    /// At most so many steps.
    pub(super) steps: usize,
    /// It runs in a coroutine that can be suspended.
    pub(super) pauses: bool,
    /// A child may go on.
    pub(super) children_go_on: bool,
    /// An interruption will come.
    pub(super) spins: bool,
}

impl Itinerary {
    /// Draws one.
    pub(super) fn draw(random: &mut Random, permitted: Permitted) -> Self {
        let count = random.below(permitted.steps + 1);
        let mut steps = Vec::with_capacity(count);
        let forks_at = random
            .once_in(12)
            .then(|| random.below(permitted.steps.max(1)));
        for number in 0..count {
            let is_on_own_thread = !steps.iter().any(|step| matches!(step, Step::Thread { .. }));
            steps.push(if forks_at == Some(number) {
                let goes_on = permitted.children_go_on && is_on_own_thread && random.once_in(2);
                Step::Fork(if goes_on {
                    Child::GoesOn
                } else {
                    Child::EndsThere
                })
            } else {
                Step::draw(random, permitted.pauses)
            });
        }
        Self {
            steps,
            leaf: Leaf::draw(random, permitted.spins),
            start: random.next_u64() as u32,
        }
    }

    /// How the outermost call ends if nobody interrupts it but a leaf that waits for it.
    pub(super) fn outcome(&self) -> Outcome {
        match self.leaf {
            Leaf::Trap(_, code) => Outcome::Trap(code),
            Leaf::Spin {
                is_swallowed: false,
                ..
            } => Outcome::Trap(TrapCode::Interrupted),
            Leaf::Fail => Outcome::Error,
            Leaf::Panic => Outcome::Panic,
            Leaf::Nothing | Leaf::Compute(..) | Leaf::Spin { .. } => {
                Outcome::Value(self.relayed(0, self.start))
            }
        }
    }

    fn relayed(&self, step: usize, x: u32) -> u32 {
        guest::relay(x, |x| {
            if step < self.steps.len() {
                self.relayed(step + 1, x)
            } else {
                self.leaf.value(x)
            }
        })
    }
}

impl Step {
    fn draw(random: &mut Random, pauses: bool) -> Self {
        match random.below(if pauses { 17 } else { 10 }) {
            0..5 => Self::Call,
            5..7 => Self::Thread {
                stack: random.choose(&STACKS),
                is_masked: random.once_in(2),
            },
            7..9 => Self::Stack {
                size: random.choose(&STACKS),
            },
            9 => Self::Wait(random.below(500) as u64),
            10 => Self::ParentStack,
            _ => Self::Pause,
        }
    }
}

impl Leaf {
    fn draw(random: &mut Random, spins: bool) -> Self {
        if spins && random.once_in(2) {
            return Self::Spin {
                name: random.choose(&SPINS),
                is_swallowed: random.once_in(4),
            };
        }
        match random.below(20) {
            0..2 => Self::Nothing,
            2..10 => Self::compute(random),
            10..18 => {
                let (name, code) = random.choose(&TRAPS);
                Self::Trap(name, code)
            }
            18 => Self::Fail,
            _ => Self::Panic,
        }
    }

    /// One that ends with a value.
    pub(super) fn compute(random: &mut Random) -> Self {
        let computation = random.choose(&COMPUTATIONS);
        let below = if random.once_in(30) {
            computation.seldom_below
        } else {
            computation.below
        };
        Self::Compute(computation, random.below(below) as u32)
    }

    /// What the last visit gives for `x`, where it gives a value.
    pub(super) fn value(&self, x: u32) -> u32 {
        match self {
            Self::Compute(computation, n) => x ^ (computation.gives)(*n),
            _ => !x,
        }
    }
}
