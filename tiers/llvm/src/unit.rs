//! What goes into one LLVM module: the function asked for, the small callees worth inlining, and copies of
//! a function that calls itself, one for each level that is unrolled.

use std::sync::OnceLock;

use crate::guesses::guesses;
use crate::tables::Tables;
use inkwell::values::FunctionValue;
use smallvec::SmallVec;
use upshift_module::Module;
use upshift_translate::{BodySummary, CallProfile, EntryPoint, OptimizerOptions, TranslateError};

/// Summaries of a module's bodies, each read when first asked for.
pub(crate) struct Summaries {
    of: Box<[OnceLock<BodySummary>]>,
}

impl Summaries {
    pub fn new(module: &Module) -> Self {
        Self {
            of: module.bodies.iter().map(|_| OnceLock::new()).collect(),
        }
    }

    /// The summary of a defined function.
    pub fn get(&self, module: &Module, defined: u32) -> Result<&BodySummary, TranslateError> {
        let Some(place) = self.of.get(defined as usize) else {
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
    /// The function, imports not counted.
    pub defined: u32,
    /// Where it is entered; only the first member of a unit is entered at a loop.
    pub entry: EntryPoint,
    /// Whether it is there to be inlined, whatever LLVM thinks of it.
    pub always_inline: bool,
    /// The member that its calls of itself go to, if that is in the unit.
    pub calls_itself_as: Option<usize>,
    /// Whether it makes calls, so that it must look after its stack.
    pub makes_calls: bool,
    /// Whether likely targets of its calls through tables are called directly. Not in what is itself there as
    /// such a target: a tree's methods would all be inlined into one another.
    pub guesses: bool,
}

/// The functions of a unit. The first is the one asked for.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub members: Vec<Member>,
    /// Operators of all of them.
    pub operators: usize,
    /// 64-bit multiplications of all of them.
    pub multiplications: usize,
    /// Whether any of them has operators on vectors.
    pub uses_vectors: bool,
    /// How often the first one's body is translated: once for each copy of a loop's chain.
    pub first_operators: usize,
}

impl Plan {
    /// Chooses what to compile along with a function.
    pub fn new(
        module: &Module,
        summaries: &Summaries,
        tables: &Tables,
        calls: &CallProfile,
        options: &OptimizerOptions,
        defined: u32,
        entry: EntryPoint,
    ) -> Result<Self, TranslateError> {
        let first = summaries.get(module, defined)?;
        let mut plan = Self {
            members: vec![Member {
                defined,
                entry,
                always_inline: false,
                calls_itself_as: None,
                makes_calls: first.makes_calls(),
                guesses: true,
            }],
            operators: first.operators,
            multiplications: first.multiplications,
            uses_vectors: first.uses_vectors,
            first_operators: first.operators,
        };
        if entry == EntryPoint::Function {
            plan.unroll_recursion(module, first, options);
        }
        plan.add_callees(module, summaries, tables, calls, options)?;
        Ok(plan)
    }

    /// Copies of the first member for the levels of its calls of itself that are inlined. The last one
    /// calls the first.
    fn unroll_recursion(
        &mut self,
        module: &Module,
        summary: &BodySummary,
        options: &OptimizerOptions,
    ) {
        let first = self.members[0];
        let index = module.imported.functions + first.defined;
        let calls = summary
            .calls
            .iter()
            .filter(|&&callee| callee == index)
            .count();
        if calls == 0 {
            return;
        }
        self.members[0].calls_itself_as = Some(0);
        if summary.operators > options.max_inlined_operators {
            return;
        }
        // Each level has as many bodies as the one before has calls.
        let mut bodies = 1;
        let mut added = 0;
        for _ in 0..options.recursion_depth {
            bodies *= calls;
            added += bodies * summary.operators;
            if added > options.max_inlined_operators_per_unit {
                break;
            }
            let level = self.members.len();
            self.members[level - 1].calls_itself_as = Some(level);
            self.members.push(Member {
                always_inline: true,
                calls_itself_as: Some(0),
                ..first
            });
            self.operators += bodies * summary.operators;
        }
    }

    /// Small callees of members that don't call themselves, breadth first, as long as there is room.
    fn add_callees(
        &mut self,
        module: &Module,
        summaries: &Summaries,
        tables: &Tables,
        calls: &CallProfile,
        options: &OptimizerOptions,
    ) -> Result<(), TranslateError> {
        let mut room = options.max_inlined_operators_per_unit;
        let mut next = 0;
        while let Some(&member) = self.members.get(next) {
            next += 1;
            let summary = summaries.get(module, member.defined)?;
            let mut callees: Vec<_> = summary.calls.iter().map(|&callee| (callee, true)).collect();
            for &call in &summary.indirect_calls {
                let targets = tables.targets(module, summaries, call.table, call.type_index);
                if let Some(few) = targets.filter(|targets| targets.are_few()) {
                    callees.extend(few.fitting.iter().map(|&(_, function)| (function, true)));
                } else if member.guesses {
                    let samples = calls.samples(call.offset);
                    let guesses = guesses(module, &samples, options, call);
                    callees.extend(guesses.iter().map(|guess| (guess.function, false)));
                }
            }
            for (callee, guesses) in callees {
                let Some(callee) = module.defined_function(callee) else {
                    continue;
                };
                let is_first = callee == self.members[0].defined
                    && self.members[0].entry == EntryPoint::Function;
                if is_first || self.find(callee).is_some() {
                    continue;
                }
                let summary = summaries.get(module, callee)?;
                // What calls itself is unrolled into itself where it is compiled on its own.
                let index = module.imported.functions + callee;
                if summary.calls.contains(&index)
                    || summary.operators > options.max_inlined_operators.min(room)
                {
                    continue;
                }
                room -= summary.operators;
                self.operators += summary.operators;
                self.multiplications += summary.multiplications;
                self.uses_vectors |= summary.uses_vectors;
                let place = self.members.len();
                self.members.push(Member {
                    defined: callee,
                    entry: EntryPoint::Function,
                    always_inline: false,
                    calls_itself_as: Some(place),
                    makes_calls: summary.makes_calls(),
                    guesses: guesses && member.guesses,
                });
            }
        }
        Ok(())
    }

    /// The member that calls of a function go to, other than from itself.
    pub fn find(&self, defined: u32) -> Option<usize> {
        self.members
            .iter()
            .position(|member| member.defined == defined && member.entry == EntryPoint::Function)
    }
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
    pub fn get(&self, defined: u32) -> Option<FunctionValue<'ctx>> {
        let member = &self.plan.members[self.member];
        let target = if member.defined == defined && member.entry == EntryPoint::Function {
            member.calls_itself_as
        } else {
            self.plan.find(defined)
        };
        target.map(|member| self.functions[member])
    }
}
