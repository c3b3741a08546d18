//! The contents of one LLVM module: the functions asked for, the small callees worth inlining, and copies of
//! functions that call themselves, one for each level that is unrolled.

use std::collections::{HashMap, HashSet};

use crate::guesses::guesses;
use crate::tables::Tables;
use inkwell::values::FunctionValue;
use smallvec::SmallVec;
use upshift_module::{DefinedFuncIndex, FuncIndex, Module, PrimaryMap};
use upshift_runtime::sync::OnceLock;
use upshift_translate::{BodySummary, CallProfile, EntryPoint, OptimizerOptions, TranslateError};

/// Summaries of a module's bodies, each read when first asked for.
pub(crate) struct Summaries {
    of: PrimaryMap<DefinedFuncIndex, OnceLock<BodySummary>>,
}

impl Summaries {
    pub fn new(module: &Module) -> Self {
        Self {
            of: module.bodies.values().map(|_| OnceLock::new()).collect(),
        }
    }

    /// The summary of a defined function.
    pub fn get(
        &self,
        module: &Module,
        defined: DefinedFuncIndex,
    ) -> Result<&BodySummary, TranslateError> {
        let Some(place) = self.of.get(defined) else {
            // The error that says there is no such function.
            return Err(BodySummary::new(module, defined)
                .err()
                .unwrap_or_else(|| unreachable!("one summary for each body")));
        };
        if let Some(summary) = place.get() {
            return Ok(summary);
        }
        let summary = BodySummary::new(module, defined)?;
        Ok(place.get_or_init(|| summary))
    }
}

/// A function in a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// The function.
    pub defined: DefinedFuncIndex,
    /// Where it is entered; only a unit's only root is entered at a loop.
    pub entry: EntryPoint,
    /// Whether it is there to be inlined.
    pub inlining: Inlining,
    /// The member that its calls of itself go to, if that is in the unit.
    pub calls_itself_as: Option<usize>,
    /// Whether it makes calls, so that it must look after its stack.
    pub makes_calls: bool,
    /// Whether likely targets of its calls through tables are called directly. Not in a function that is itself there as
    /// such a target: a tree's methods would all be inlined into one another.
    pub guesses: bool,
}

/// The advice to LLVM about inlining a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inlining {
    /// Nothing.
    AsItSeesFit,
    /// That it is probably worth it.
    Hinted,
    /// That it is to be done, whatever LLVM thinks of it.
    Always,
}

/// The input of a plan.
#[derive(Clone, Copy)]
pub(crate) struct Knowledge<'a> {
    pub module: &'a Module,
    pub summaries: &'a Summaries,
    pub tables: &'a Tables,
    pub calls: &'a CallProfile,
    pub options: &'a OptimizerOptions,
}

/// The functions of a unit. First come its roots, the functions asked for, in that order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub members: Vec<Member>,
    /// Operators of all of them.
    pub operators: usize,
    /// 64-bit multiplications of all of them.
    pub multiplications: usize,
    /// Whether any of them has operators on vectors.
    pub uses_vectors: bool,
    /// For each root the functions of the unit that it calls, or that those call that may be inlined.
    pub along: Vec<Vec<DefinedFuncIndex>>,
    /// Where members are that others call.
    callable: HashMap<DefinedFuncIndex, usize>,
}

impl Plan {
    /// Chooses the functions to compile along with one that is entered at a loop or at its start.
    pub fn of_one(
        knowledge: Knowledge<'_>,
        defined: DefinedFuncIndex,
        entry: EntryPoint,
    ) -> Result<Self, TranslateError> {
        let mut plan = Self::default();
        plan.add_root(knowledge, defined, entry, Inlining::AsItSeesFit)?;
        plan.complete(knowledge, knowledge.options.max_inlined_operators_per_unit)?;
        Ok(plan)
    }

    /// Chooses the functions to compile along with several, none of them twice. They call one another directly,
    /// and may be inlined into one another.
    pub fn of_several(
        knowledge: Knowledge<'_>,
        roots: &[DefinedFuncIndex],
    ) -> Result<Self, TranslateError> {
        let mut plan = Self::default();
        for &defined in roots {
            let summary = knowledge.summaries.get(knowledge.module, defined)?;
            let is_small = summary.operators <= knowledge.options.max_inlined_operators;
            let calls_itself = calls_itself(knowledge.module, defined, summary);
            let inlining = if is_small && !calls_itself {
                Inlining::Hinted
            } else {
                Inlining::AsItSeesFit
            };
            plan.add_root(knowledge, defined, EntryPoint::Function, inlining)?;
        }
        // Callees are shared, so there is need of less of them for each.
        let room = knowledge.options.max_inlined_operators_per_unit;
        plan.complete(knowledge, room.max(plan.operators / 2))?;
        Ok(plan)
    }

    /// How many functions were asked for.
    pub fn roots(&self) -> usize {
        self.along.len()
    }

    /// The member that calls of a function go to, other than from itself.
    pub fn find(&self, defined: DefinedFuncIndex) -> Option<usize> {
        self.callable.get(&defined).copied()
    }

    fn add_root(
        &mut self,
        knowledge: Knowledge<'_>,
        defined: DefinedFuncIndex,
        entry: EntryPoint,
        inlining: Inlining,
    ) -> Result<(), TranslateError> {
        let summary = knowledge.summaries.get(knowledge.module, defined)?;
        let place = self.add(defined, entry, inlining, true, summary);
        let is_function = entry == EntryPoint::Function;
        self.members[place].calls_itself_as = is_function.then_some(place);
        self.along.push(Vec::new());
        Ok(())
    }

    fn add(
        &mut self,
        defined: DefinedFuncIndex,
        entry: EntryPoint,
        inlining: Inlining,
        guesses: bool,
        summary: &BodySummary,
    ) -> usize {
        let place = self.members.len();
        if entry == EntryPoint::Function {
            self.callable.insert(defined, place);
        }
        self.operators += summary.operators;
        self.multiplications += summary.multiplications;
        self.uses_vectors |= summary.uses_vectors;
        self.members.push(Member {
            defined,
            entry,
            inlining,
            calls_itself_as: Some(place),
            makes_calls: summary.makes_calls(),
            guesses,
        });
        place
    }

    /// Adds callees to the roots.
    fn complete(
        &mut self,
        knowledge: Knowledge<'_>,
        mut room: usize,
    ) -> Result<(), TranslateError> {
        for root in 0..self.roots() {
            self.unroll_recursion(knowledge, root)?;
        }
        for root in 0..self.roots() {
            self.add_callees(knowledge, root, &mut room)?;
        }
        Ok(())
    }

    /// Copies of a root for the levels of its calls of itself that are inlined. The last one calls the root.
    fn unroll_recursion(
        &mut self,
        knowledge: Knowledge<'_>,
        root: usize,
    ) -> Result<(), TranslateError> {
        let Knowledge {
            module, options, ..
        } = knowledge;
        let first = self.members[root];
        let summary = knowledge.summaries.get(module, first.defined)?;
        if first.entry != EntryPoint::Function
            || !calls_itself(module, first.defined, summary)
            || summary.operators > options.max_inlined_operators
        {
            return Ok(());
        }
        let index = module.function_index(first.defined);
        let calls = summary.calls.iter().filter(|&&callee| callee == index);
        let calls = calls.count();
        // Each level has as many bodies as the one before has calls.
        let mut bodies = 1;
        let mut added = 0;
        let mut caller = root;
        for _ in 0..options.recursion_depth {
            bodies *= calls;
            added += bodies * summary.operators;
            if added > options.max_inlined_operators_per_unit {
                break;
            }
            let level = self.members.len();
            self.members[caller].calls_itself_as = Some(level);
            self.members.push(Member {
                inlining: Inlining::Always,
                calls_itself_as: Some(root),
                ..first
            });
            self.along[root].push(first.defined);
            self.operators += bodies * summary.operators;
            caller = level;
        }
        Ok(())
    }

    /// Small callees of a root, and of those, that don't call themselves, breadth first, as long as there is room.
    fn add_callees(
        &mut self,
        knowledge: Knowledge<'_>,
        root: usize,
        room: &mut usize,
    ) -> Result<(), TranslateError> {
        let Knowledge {
            module,
            summaries,
            options,
            ..
        } = knowledge;
        let mut reached = vec![root];
        let mut seen = HashSet::new();
        let mut next = 0;
        while let Some(&caller) = reached.get(next) {
            next += 1;
            let member = self.members[caller];
            for Callee {
                function,
                may_guess,
            } in likely_callees(knowledge, member)?
            {
                let Some(callee) = module.defined_function(function) else {
                    continue;
                };
                if !seen.insert(callee) {
                    continue;
                }
                let place = match self.find(callee) {
                    Some(place) if place == root => continue,
                    Some(place) => place,
                    None => {
                        let summary = summaries.get(module, callee)?;
                        // A function that calls itself is unrolled into itself where it is compiled on its own.
                        if calls_itself(module, callee, summary)
                            || summary.operators > options.max_inlined_operators.min(*room)
                        {
                            continue;
                        }
                        *room -= summary.operators;
                        let guesses = may_guess && member.guesses;
                        let (entry, hinted) = (EntryPoint::Function, Inlining::Hinted);
                        self.add(callee, entry, hinted, guesses, summary)
                    }
                };
                if self.members[place].inlining == Inlining::Hinted {
                    reached.push(place);
                }
                self.along[root].push(callee);
            }
        }
        Ok(())
    }
}

/// A function that a member calls.
struct Callee {
    function: FuncIndex,
    /// Whether guesses are made in it.
    may_guess: bool,
}

/// The functions that a member calls.
fn likely_callees(knowledge: Knowledge<'_>, member: Member) -> Result<Vec<Callee>, TranslateError> {
    let Knowledge {
        module, summaries, ..
    } = knowledge;
    let summary = summaries.get(module, member.defined)?;
    let certain = |function| Callee {
        function,
        may_guess: true,
    };
    let mut callees: Vec<_> = summary.calls.iter().copied().map(certain).collect();
    for &call in &summary.indirect_calls {
        let guesses = if member.guesses {
            let samples = knowledge.calls.samples(call.offset);
            guesses(module, &samples, knowledge.options, call)
        } else {
            SmallVec::new()
        };
        let known = knowledge
            .tables
            .targets(module, summaries, call.table, call.type_index);
        let direct = known.as_ref().map_or(&[][..], |targets| {
            targets.direct(&guesses, knowledge.options)
        });
        if direct.is_empty() {
            callees.extend(guesses.iter().map(|guess| Callee {
                function: guess.function,
                may_guess: false,
            }));
        } else {
            callees.extend(direct.iter().map(|target| certain(target.function)));
        }
    }
    Ok(callees)
}

fn calls_itself(module: &Module, defined: DefinedFuncIndex, summary: &BodySummary) -> bool {
    let index = module.function_index(defined);
    summary.calls.contains(&index)
}

/// Where the calls of one member go within the unit.
pub(crate) struct Callees<'u, 'ctx> {
    pub plan: &'u Plan,
    pub functions: &'u SmallVec<[FunctionValue<'ctx>; 8]>,
    /// Whose calls.
    pub member: usize,
}

impl<'ctx> Callees<'_, 'ctx> {
    /// Whether likely targets of calls through tables are called directly.
    pub fn guesses(&self) -> bool {
        self.plan.members[self.member].guesses
    }

    /// The function of the unit that a call goes to; none if it goes through the slot.
    pub fn get(&self, defined: DefinedFuncIndex) -> Option<FunctionValue<'ctx>> {
        let member = &self.plan.members[self.member];
        let target = if member.defined == defined && member.entry == EntryPoint::Function {
            member.calls_itself_as
        } else {
            self.plan.find(defined)
        };
        target.map(|member| self.functions[member])
    }
}
