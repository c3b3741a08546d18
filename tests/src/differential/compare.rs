//! One module on all engines in step: the same calls in the same order, compared after each.

use std::fmt;

use super::detour::Detour;
use super::machine::{Machine, Outcome};
use super::subject::Function;
use super::{Counts, Generated, Generator, Mode, Random, Subject, TrapKind, Value, reference};

/// How often every exported function is called, each time with other arguments.
const ROUNDS: usize = 2;
/// What wasmi is called in messages.
const REFERENCE: &str = "wasmi";

/// Engines that run the same modules: wasmi, and Upshift in some modes.
///
/// For each module, in this order, and after every step for every mode:
/// 1. All accept it, and see as many exports.
/// 2. Instantiating it ends in the same way; with a start function, that is a call.
/// 3. Every exported function is called with the same arguments, and ends in the same way: with the same values,
///    bit for bit, the same trap, or the same error of the same host function.
/// 4. All exported globals, sizes and bytes of memories, and elements of tables are the same.
///
/// Everything is exported. After a stack overflow nothing is compared, since engines overflow at different
/// depths; the functions that follow find a new instance. So they do after `unreachable`, which may be the end of
/// the fuel, and after the error of a host function. After other traps the instance is used again.
///
/// Where wasmi's program accesses a memory out of bounds, a mode that is not [precise](Mode::precise) may do
/// anything but fail: whatever follows is not compared with it, and new instances follow for all.
///
/// wasmi has errors too. Where there is a difference, all is done once more with the module written down in another
/// way for wasmi, which should be the same to it. Only what differs from wasmi in both ways is a difference;
/// [`Counts::wasmi_erred`] says how often wasmi disagreed with itself.
pub struct Comparison {
    subjects: Vec<Subject>,
    /// Theirs, in the same order.
    modes: Vec<Mode>,
    turns: Turns,
}

/// Which modes run a module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Turns {
    /// All of them.
    #[default]
    All,
    /// [The first one that always does](Mode::ALWAYS), and another one, drawn by the seed.
    Drawn,
}

impl Turns {
    /// The places of those modes that run the module of a seed.
    fn choose(self, seed: u64, modes: &[Mode]) -> Vec<usize> {
        let mut others: Vec<usize> = (0..modes.len()).collect();
        if self == Self::All || modes.len() <= 2 {
            return others;
        }
        let always = modes.iter().position(|mode| mode.name == Mode::ALWAYS);
        let always = others.remove(always.unwrap_or(0));
        // Not the sequences that modules and arguments are made from.
        let mut random = Random::new(seed ^ 0x6d6f_6465_735f_696e);
        vec![always, random.choose(&others)]
    }
}

/// The engines do not agree.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The seed of the module and of all arguments.
    pub seed: u64,
    /// The mode of Upshift.
    pub mode: &'static str,
    /// What was done.
    pub place: Place,
    /// What wasmi did.
    pub expected: String,
    /// What Upshift did.
    pub given: String,
    /// The module.
    pub wasm: Vec<u8>,
}

/// Where engines were compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Validation and compilation.
    Load,
    /// Instantiation, and the start function.
    Instantiate,
    /// A call of an exported function.
    Call {
        /// The function's name.
        function: String,
        /// What it was given.
        arguments: Vec<Value>,
        /// How many calls the instance had had before.
        calls_before: usize,
    },
}

/// What happens during a comparison, for someone who watches.
#[derive(Debug)]
pub enum Event<'a> {
    /// A module has been generated.
    Generated(&'a Generated),
    /// The engines did something and agree; outcomes are wasmi's and those of the modes, in order.
    Agreed(&'a Place, &'a [Outcome]),
    /// They don't, and all begins again with the module written down in another way for wasmi.
    Again(&'a Difference),
}

impl Comparison {
    /// Makes an engine for each mode.
    ///
    /// # Errors
    /// When this machine can't run Upshift.
    pub fn new(modes: &[Mode], turns: Turns) -> upshift::Result<Self> {
        let subjects = modes.iter().map(|&mode| Subject::new(mode));
        Ok(Self {
            subjects: subjects.collect::<Result<_, _>>()?,
            modes: modes.to_vec(),
            turns,
        })
    }

    /// Generates the module of a seed and runs it on all engines. Needs a
    /// [large stack](super::with_large_stack).
    ///
    /// # Errors
    /// The first difference.
    pub fn seed(
        &self,
        generator: Generator,
        seed: u64,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Counts, Box<Difference>> {
        let Some(generated) = generator.generate(seed) else {
            return Ok(Counts {
                not_generated: 1,
                ..Counts::default()
            });
        };
        watch(Event::Generated(&generated));
        self.module(seed, &generated.wasm, watch)
    }

    /// Runs a module on all engines, with arguments that depend on the seed.
    ///
    /// # Errors
    /// The first difference.
    pub fn module(
        &self,
        seed: u64,
        wasm: &[u8],
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Counts, Box<Difference>> {
        let [trusted, other] = Detour::ALL;
        let difference = match self.module_by(trusted, seed, wasm, watch) {
            Ok(counts) => return Ok(counts),
            Err(difference) => difference,
        };
        watch(Event::Again(&difference));
        match self.module_by(other, seed, wasm, watch) {
            Ok(mut counts) => {
                counts.wasmi_erred += 1;
                Ok(counts)
            }
            Err(_) => Err(difference),
        }
    }

    fn module_by(
        &self,
        detour: Detour,
        seed: u64,
        wasm: &[u8],
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Counts, Box<Difference>> {
        let differ = |mode, place, expected: String, given: String| {
            Box::new(Difference {
                seed,
                mode,
                place,
                expected,
                given,
                wasm: wasm.to_vec(),
            })
        };
        let accepted = || "accepted".to_owned();
        let mut loaded = Vec::new();
        for place in self.turns.choose(seed, &self.modes) {
            let subject = &self.subjects[place];
            let made = subject.load(wasm).map_err(|error| {
                let refused = format!("refused: {error}");
                differ(subject.name(), Place::Load, accepted(), refused)
            });
            loaded.push((subject, made?));
        }
        let Some((first, (exports, _))) = loaded.first() else {
            return Ok(Counts::default());
        };
        let exports = exports.clone();
        let reference = reference::load(wasm, &exports, detour).map_err(|error| {
            differ(
                first.name(),
                Place::Load,
                format!("refused: {error}"),
                accepted(),
            )
        })?;
        let mut machines = vec![Member {
            name: REFERENCE,
            precise: true,
            machine: reference,
        }];
        machines.extend(loaded.into_iter().map(|(subject, (_, machine))| Member {
            name: subject.name(),
            precise: subject.is_precise(),
            machine,
        }));
        let mut step = InStep {
            machines,
            counts: Counts {
                modules: 1,
                ..Counts::default()
            },
            watch,
        };
        // Not the sequence that the module was made from.
        let mut random = Random::new(seed ^ 0x6172_6775_6d65_6e74);
        match step.run(&exports.functions, &mut random) {
            Ok(()) => Ok(step.counts),
            Err(found) => Err(differ(found.mode, found.place, found.expected, found.given)),
        }
    }
}

/// Machines that do the same things, the reference first.
struct InStep<'a, 'w> {
    machines: Vec<Member<'a>>,
    counts: Counts,
    watch: &'w mut dyn FnMut(Event<'_>),
}

struct Member<'a> {
    name: &'static str,
    precise: bool,
    machine: Box<dyn Machine + 'a>,
}

struct Found {
    mode: &'static str,
    place: Place,
    expected: String,
    given: String,
}

impl InStep<'_, '_> {
    fn run(&mut self, functions: &[Function], random: &mut Random) -> Result<(), Box<Found>> {
        if !self.instantiate()? {
            return Ok(());
        }
        let names: Vec<String> = functions.iter().map(|f| f.name.clone()).collect();
        let mut calls_before = 0;
        for function in std::iter::repeat_n(functions, ROUNDS).flatten() {
            let arguments = function.ty.params();
            let arguments: Vec<Value> = arguments
                .map(|ty| Value::random(ty, random, &names))
                .collect();
            let outcomes = self.each(|machine| machine.call(&function.name, &arguments));
            let place = Place::Call {
                function: function.name.clone(),
                arguments,
                calls_before,
            };
            calls_before += 1;
            let used_up = if outcomes.contains(&Outcome::StackOverflow) {
                self.counts.overflow(&outcomes);
                true
            } else {
                self.agree(place, &outcomes)?;
                self.counts.call(&outcomes[0]);
                match outcomes[0] {
                    Outcome::Trapped(TrapKind::Unreachable) | Outcome::HostFailed(_) => true,
                    Outcome::Trapped(TrapKind::MemoryOutOfBounds) => {
                        self.machines.iter().any(|member| !member.precise)
                    }
                    _ => false,
                }
            };
            if used_up {
                calls_before = 0;
                if !self.instantiate()? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// New instances. Returns whether there are any: instantiation can trap.
    fn instantiate(&mut self) -> Result<bool, Box<Found>> {
        let outcomes = self.each(|machine| machine.instantiate());
        if outcomes.contains(&Outcome::StackOverflow) {
            self.counts.overflow(&outcomes);
            return Ok(false);
        }
        self.agree(Place::Instantiate, &outcomes)?;
        self.counts.instantiation(&outcomes[0]);
        Ok(matches!(outcomes[0], Outcome::Returned(_)))
    }

    fn each(&mut self, mut act: impl FnMut(&mut dyn Machine) -> Outcome) -> Vec<Outcome> {
        let machines = self.machines.iter_mut();
        machines.map(|member| act(&mut *member.machine)).collect()
    }

    /// Compares outcomes, and what instances look like now.
    fn agree(&mut self, place: Place, outcomes: &[Outcome]) -> Result<(), Box<Found>> {
        let expected = &outcomes[0];
        let differ = |mode, expected: String, given: String| {
            Box::new(Found {
                mode,
                place: place.clone(),
                expected,
                given,
            })
        };
        let out_of_bounds = *expected == Outcome::Trapped(TrapKind::MemoryOutOfBounds);
        let mut reference = None;
        for (member, outcome) in self.machines.iter_mut().zip(outcomes) {
            let defined = member.precise || !out_of_bounds;
            if matches!(outcome, Outcome::Failed(_)) || (defined && outcome != expected) {
                return Err(differ(
                    member.name,
                    expected.to_string(),
                    outcome.to_string(),
                ));
            }
            if !defined {
                continue;
            }
            let state = member.machine.state();
            let reference = reference.get_or_insert_with(|| state.clone());
            if let Some(what) = reference.difference(&state) {
                return Err(differ(
                    member.name,
                    format!("{expected}, and left"),
                    format!("{expected}, but differs in {what}"),
                ));
            }
        }
        (self.watch)(Event::Agreed(&place, outcomes));
        Ok(())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load => f.write_str("load"),
            Self::Instantiate => f.write_str("instantiate"),
            Self::Call {
                function,
                arguments,
                calls_before,
            } => {
                write!(f, "call {function:?} (after {calls_before} calls) with (")?;
                for (i, argument) in arguments.iter().enumerate() {
                    let separator = if i == 0 { "" } else { ", " };
                    write!(f, "{separator}{argument}")?;
                }
                f.write_str(")")
            }
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {}, mode {}: {}\n  {REFERENCE}: {}\n  upshift: {}",
            self.seed, self.mode, self.place, self.expected, self.given
        )
    }
}

impl std::error::Error for Difference {}

#[cfg(test)]
mod tests {
    use upshift::{FuncType, ValType};

    use super::super::{MODES, MemoryState, State};
    use super::*;

    /// Returns and holds what it was told to.
    struct Fake {
        outcomes: Vec<Outcome>,
        memory: u8,
    }

    impl Machine for Fake {
        fn instantiate(&mut self) -> Outcome {
            Outcome::Returned(vec![])
        }

        fn call(&mut self, _: &str, _: &[Value]) -> Outcome {
            self.outcomes.remove(0)
        }

        fn state(&mut self) -> State {
            State {
                memories: vec![MemoryState::new(&[self.memory])],
                ..State::default()
            }
        }
    }

    fn compare(a: (&[Outcome], u8), b: (&[Outcome], u8)) -> Result<Counts, Box<Found>> {
        compare_with(true, a, b)
    }

    /// Like `compare`, where the second one may be imprecise.
    fn compare_with(
        precise: bool,
        a: (&[Outcome], u8),
        b: (&[Outcome], u8),
    ) -> Result<Counts, Box<Found>> {
        let fake = |(outcomes, memory): (&[Outcome], u8)| Fake {
            outcomes: outcomes.to_vec(),
            memory,
        };
        let mut step = InStep {
            machines: vec![
                Member {
                    name: "a",
                    precise: true,
                    machine: Box::new(fake(a)),
                },
                Member {
                    name: "b",
                    precise,
                    machine: Box::new(fake(b)),
                },
            ],
            counts: Counts::default(),
            watch: &mut |_| {},
        };
        let functions = [Function {
            name: "f".to_owned(),
            ty: FuncType::new([ValType::I32], []),
        }];
        step.run(&functions, &mut Random::new(0))?;
        Ok(step.counts)
    }

    fn one(value: u32) -> Outcome {
        Outcome::Returned(vec![Value::I32(value)])
    }

    #[test]
    fn other_values_traps_and_memories_are_differences() {
        let trap = |kind| Outcome::Trapped(kind);
        let same = [one(1), trap(TrapKind::NullElement)];
        assert_eq!(
            compare((&same, 1), (&same, 1))
                .ok()
                .unwrap()
                .compared_calls(),
            2
        );

        let found = compare((&same, 1), (&[one(1), one(1)], 1)).err().unwrap();
        assert_eq!(
            (found.mode, &*found.expected),
            ("b", "trapped: call of null")
        );
        let other = [one(1), trap(TrapKind::TypeMismatch)];
        assert!(compare((&same, 1), (&other, 1)).is_err());
        assert!(compare((&same, 1), (&same, 2)).is_err());
        let failed = [one(1), Outcome::Failed("no memory".to_owned())];
        assert!(compare((&failed, 1), (&failed, 1)).is_err());
    }

    #[test]
    fn modes_take_turns_beside_the_one_that_always_runs() {
        let mut ran = vec![0; MODES.len()];
        for seed in 0..1000 {
            let chosen = Turns::Drawn.choose(seed, MODES);
            assert_eq!(chosen, Turns::Drawn.choose(seed, MODES));
            assert_eq!(chosen.len(), 2);
            assert_ne!(chosen[0], chosen[1]);
            for place in chosen {
                ran[place] += 1;
            }
        }
        for (mode, times) in MODES.iter().zip(ran) {
            assert!(times > 50, "{mode:?} ran {times} times");
            if mode.name == Mode::ALWAYS {
                assert_eq!(times, 1000);
            }
        }
        let all: Vec<usize> = (0..MODES.len()).collect();
        assert_eq!(Turns::All.choose(0, MODES), all);
    }

    #[test]
    fn nothing_is_compared_after_a_stack_overflow() {
        let overflow = [Outcome::StackOverflow, one(1)];
        let counts = compare((&overflow, 1), (&[one(2), one(1)], 1))
            .ok()
            .unwrap();
        assert_eq!(
            (counts.compared_calls(), counts.overflows["in some"]),
            (1, 1)
        );
    }

    #[test]
    fn an_imprecise_mode_may_differ_after_an_access_out_of_bounds_only() {
        let out_of_bounds = [Outcome::Trapped(TrapKind::MemoryOutOfBounds), one(1)];
        let goes_on = [one(7), one(1)];
        assert!(compare_with(true, (&out_of_bounds, 1), (&goes_on, 1)).is_err());
        assert!(compare_with(false, (&goes_on, 1), (&out_of_bounds, 1)).is_err());
        let failed = [Outcome::Failed("no memory".to_owned()), one(1)];
        assert!(compare_with(false, (&out_of_bounds, 1), (&failed, 1)).is_err());
        assert!(compare_with(false, (&out_of_bounds, 1), (&goes_on, 1)).is_ok());
        // The instances that follow are compared again.
        assert!(compare_with(false, (&out_of_bounds, 1), (&[one(7), one(2)], 1)).is_err());
        assert!(compare_with(false, (&out_of_bounds, 1), (&goes_on, 2)).is_err());
    }

    #[test]
    fn arguments_and_place_are_told() {
        let found = compare((&[one(1), one(2)], 0), (&[one(1), one(3)], 0))
            .err()
            .unwrap();
        let Place::Call {
            function,
            arguments,
            calls_before,
        } = &found.place
        else {
            panic!("{}", found.place);
        };
        assert_eq!((&**function, arguments.len(), *calls_before), ("f", 1, 1));
    }
}
