//! The cost of a compile besides its operators, and the bounds that tiers have on it. A few bytes of WebAssembly can stand for
//! a thousand values that are handed over, or for as many locals that are alive at each of a thousand joins, and code
//! generators take time and memory for each of them.
//!
//! The walk counts while it emits, and ends at the first bound that is exceeded, so that a refused function has cost no more
//! than the bound.

use std::fmt;

/// The measure of a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CostMeasure {
    /// Operators of the function.
    Operators,
    /// Operators in a row that neither branch nor are branched to. Schedulers and allocators look at a block as a whole.
    BlockOperators,
    /// Arguments of branches: the sum over all of them, each label of a branch table being one. In an entry at a loop a branch
    /// has the whole operand stack as arguments.
    PassedValues,
    /// Parameters and results of calls, and returned values: the sum over all of them.
    CallValues,
    /// For each call, and for each function that returns them, the square of the number of its parameters and results: the time
    /// of instruction selectors that look at all of them for each of them.
    CallPairs,
    /// For each branch table the square of the number of its labels: the time of passes that go along a chain of cases
    /// for each case.
    TablePairs,
    /// Conditional branches: each `br_if` and `if`, each label of a branch table, and each division that may trap. The time of passes
    /// that go through all branches on one value for each use of it, and through all blocks for each change of one.
    Branches,
    /// Loops. Passes change one after the other, and go each time through all facts about the function's blocks.
    Loops,
    /// For each loop the number of loops that it is in, itself included: each change of one concerns those around it.
    LoopLevels,
    /// For each loop the locals that are alive at its header, times the loops that it is in: passes hand changed values on from
    /// one to the one around it.
    NestedLocals,
    /// Loads and stores in a row that neither branch nor are branched to. Vectorizers compare each with each.
    BlockAccesses,
    /// Operands on the stack at the headers of loops, and in tiers that keep locals as values the locals that are alive
    /// there: the sum over all loops. Polls store them.
    LoopValues,
    /// Locals that are alive where control joins, at the ends of blocks and at the headers of loops: the sum over all of
    /// these. They become parameters of blocks in tiers that keep locals as values.
    JoinedLocals,
}

impl fmt::Display for CostMeasure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Operators => "operators",
            Self::BlockOperators => "operators in one block",
            Self::PassedValues => "values passed by branches",
            Self::CallValues => "parameters and results of calls",
            Self::CallPairs => "pairs of values of one call",
            Self::TablePairs => "pairs of labels of one branch table",
            Self::Branches => "conditional branches",
            Self::Loops => "loops",
            Self::NestedLocals => "locals alive in nested loops",
            Self::LoopLevels => "loops, each counted with those around it,",
            Self::BlockAccesses => "loads and stores in one block",
            Self::LoopValues => "values kept at loops",
            Self::JoinedLocals => "locals alive at joins",
        })
    }
}

/// The bounds of a tier on the walk's counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CostLimits {
    /// On [`CostMeasure::Operators`], of which those of one copy of the body count.
    pub operators: usize,
    /// On [`CostMeasure::BlockOperators`].
    pub block_operators: usize,
    /// On [`CostMeasure::PassedValues`].
    pub passed_values: usize,
    /// On [`CostMeasure::CallValues`].
    pub call_values: usize,
    /// On [`CostMeasure::CallPairs`].
    pub call_pairs: usize,
    /// On [`CostMeasure::TablePairs`].
    pub table_pairs: usize,
    /// On [`CostMeasure::Branches`].
    pub branches: usize,
    /// On [`CostMeasure::Loops`].
    pub loops: usize,
    /// On [`CostMeasure::LoopLevels`].
    pub loop_levels: usize,
    /// On [`CostMeasure::NestedLocals`], for [`LoopLocals`](crate::LoopLocals) and [`Costs::check`].
    pub nested_locals: usize,
    /// On [`CostMeasure::BlockAccesses`].
    pub block_accesses: usize,
    /// On [`CostMeasure::LoopValues`], of which the walk counts operands.
    pub loop_values: usize,
    /// On [`CostMeasure::JoinedLocals`], for [`LoopLocals`](crate::LoopLocals).
    pub joined_locals: usize,
}

impl CostLimits {
    /// No bounds.
    pub const NONE: Self = Self {
        operators: usize::MAX,
        block_operators: usize::MAX,
        passed_values: usize::MAX,
        call_values: usize::MAX,
        call_pairs: usize::MAX,
        table_pairs: usize::MAX,
        branches: usize::MAX,
        loops: usize::MAX,
        loop_levels: usize::MAX,
        nested_locals: usize::MAX,
        block_accesses: usize::MAX,
        loop_values: usize::MAX,
        joined_locals: usize::MAX,
    };
}

/// A bound that a function exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{amount} {measure} are more than the limit of {limit}")]
pub struct Excess {
    /// The measure that exceeds its bound.
    pub measure: CostMeasure,
    /// How much there is, as far as was counted.
    pub amount: usize,
    /// The bound.
    pub limit: usize,
}

impl Excess {
    /// An error if the amount is above the limit.
    ///
    /// # Errors
    /// That error.
    pub fn check(measure: CostMeasure, amount: usize, limit: usize) -> Result<(), Self> {
        if amount > limit {
            return Err(Self {
                measure,
                amount,
                limit,
            });
        }
        Ok(())
    }
}

/// The cost of code, as the walk counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    /// [`CostMeasure::BlockOperators`] of the longest block.
    pub block_operators: usize,
    /// [`CostMeasure::PassedValues`].
    pub passed_values: usize,
    /// [`CostMeasure::CallValues`].
    pub call_values: usize,
    /// [`CostMeasure::CallPairs`].
    pub call_pairs: usize,
    /// [`CostMeasure::TablePairs`].
    pub table_pairs: usize,
    /// [`CostMeasure::Branches`].
    pub branches: usize,
    /// [`CostMeasure::Loops`].
    pub loops: usize,
    /// [`CostMeasure::LoopLevels`].
    pub loop_levels: usize,
    /// [`CostMeasure::NestedLocals`]: nothing before it is filled in from [`LoopLocals`](crate::LoopLocals).
    pub nested_locals: usize,
    /// [`CostMeasure::BlockAccesses`] of the block that has most.
    pub block_accesses: usize,
    /// [`CostMeasure::LoopValues`], operands only.
    pub loop_values: usize,
}

impl Costs {
    /// The cost of two functions together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let add = usize::saturating_add;
        Self {
            block_operators: self.block_operators.max(other.block_operators),
            passed_values: add(self.passed_values, other.passed_values),
            call_values: add(self.call_values, other.call_values),
            call_pairs: add(self.call_pairs, other.call_pairs),
            table_pairs: add(self.table_pairs, other.table_pairs),
            branches: add(self.branches, other.branches),
            loops: add(self.loops, other.loops),
            loop_levels: add(self.loop_levels, other.loop_levels),
            nested_locals: add(self.nested_locals, other.nested_locals),
            block_accesses: self.block_accesses.max(other.block_accesses),
            loop_values: add(self.loop_values, other.loop_values),
        }
    }

    /// An error if one of the amounts is above its limit.
    ///
    /// # Errors
    /// The first.
    pub fn check(&self, limits: &CostLimits) -> Result<(), Excess> {
        use CostMeasure as Measure;
        let (check, of) = (Excess::check, limits);
        check(
            Measure::BlockOperators,
            self.block_operators,
            of.block_operators,
        )?;
        check(Measure::PassedValues, self.passed_values, of.passed_values)?;
        check(Measure::CallValues, self.call_values, of.call_values)?;
        check(Measure::CallPairs, self.call_pairs, of.call_pairs)?;
        check(Measure::TablePairs, self.table_pairs, of.table_pairs)?;
        check(Measure::Branches, self.branches, of.branches)?;
        check(Measure::Loops, self.loops, of.loops)?;
        check(Measure::LoopLevels, self.loop_levels, of.loop_levels)?;
        check(Measure::NestedLocals, self.nested_locals, of.nested_locals)?;
        check(
            Measure::BlockAccesses,
            self.block_accesses,
            of.block_accesses,
        )?;
        check(Measure::LoopValues, self.loop_values, of.loop_values)
    }
}

/// The counts of a walk so far, and their bounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    limits: CostLimits,
    so_far: Costs,
    in_copy: usize,
    in_block: usize,
    accesses_in_block: usize,
}

impl Cost {
    pub fn within(limits: CostLimits) -> Self {
        Self {
            limits,
            so_far: Costs::default(),
            in_copy: 0,
            in_block: 0,
            accesses_in_block: 0,
        }
    }

    /// All of it.
    pub fn so_far(&self) -> Costs {
        self.so_far
    }

    /// A copy of the body begins.
    pub fn begin_copy(&mut self) {
        self.in_copy = 0;
        self.begin_block();
    }

    /// A block begins.
    pub fn begin_block(&mut self) {
        self.in_block = 0;
        self.accesses_in_block = 0;
    }

    /// An operator is emitted.
    pub fn count(&mut self) -> Result<(), Excess> {
        self.in_copy += 1;
        Excess::check(CostMeasure::Operators, self.in_copy, self.limits.operators)?;
        self.in_block += 1;
        let longest = &mut self.so_far.block_operators;
        *longest = self.in_block.max(*longest);
        let limit = self.limits.block_operators;
        Excess::check(CostMeasure::BlockOperators, self.in_block, limit)
    }

    /// Memory is loaded from or stored to.
    pub fn access(&mut self) -> Result<(), Excess> {
        self.accesses_in_block += 1;
        let most = &mut self.so_far.block_accesses;
        *most = self.accesses_in_block.max(*most);
        let limit = self.limits.block_accesses;
        Excess::check(CostMeasure::BlockAccesses, self.accesses_in_block, limit)
    }

    /// So many ways come of conditional branches.
    pub fn branch(&mut self, ways: usize) -> Result<(), Excess> {
        add(&mut self.so_far.branches, ways);
        let limit = self.limits.branches;
        Excess::check(CostMeasure::Branches, self.so_far.branches, limit)
    }

    /// A loop begins, inside so many others.
    pub fn begin_loop(&mut self, around: usize) -> Result<(), Excess> {
        add(&mut self.so_far.loops, 1);
        Excess::check(CostMeasure::Loops, self.so_far.loops, self.limits.loops)?;
        add(&mut self.so_far.loop_levels, around.saturating_add(1));
        let limit = self.limits.loop_levels;
        Excess::check(CostMeasure::LoopLevels, self.so_far.loop_levels, limit)
    }

    /// A branch hands over so many values.
    pub fn pass(&mut self, values: usize) -> Result<(), Excess> {
        add(&mut self.so_far.passed_values, values);
        let limit = self.limits.passed_values;
        Excess::check(CostMeasure::PassedValues, self.so_far.passed_values, limit)
    }

    /// So many values are returned.
    pub fn return_values(&mut self, values: usize) -> Result<(), Excess> {
        add(&mut self.so_far.call_values, values);
        let limit = self.limits.call_values;
        Excess::check(CostMeasure::CallValues, self.so_far.call_values, limit)
    }

    /// A call has so many parameters and results.
    pub fn call(&mut self, values: usize) -> Result<(), Excess> {
        self.return_values(values)?;
        add(&mut self.so_far.call_pairs, values.saturating_mul(values));
        let limit = self.limits.call_pairs;
        Excess::check(CostMeasure::CallPairs, self.so_far.call_pairs, limit)
    }

    /// A branch table has so many labels.
    pub fn branch_table(&mut self, labels: usize) -> Result<(), Excess> {
        add(&mut self.so_far.table_pairs, labels.saturating_mul(labels));
        let limit = self.limits.table_pairs;
        Excess::check(CostMeasure::TablePairs, self.so_far.table_pairs, limit)
    }

    /// A loop's poll keeps so many values.
    pub fn keep_at_loop(&mut self, values: usize) -> Result<(), Excess> {
        add(&mut self.so_far.loop_values, values);
        let limit = self.limits.loop_values;
        Excess::check(CostMeasure::LoopValues, self.so_far.loop_values, limit)
    }
}

fn add(sum: &mut usize, more: usize) {
    *sum = sum.saturating_add(more);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_at_a_limit_is_within_it_and_one_more_is_not() {
        let mut cost = Cost::within(CostLimits {
            block_operators: 2,
            passed_values: 10,
            ..CostLimits::NONE
        });
        assert_eq!([cost.pass(4), cost.pass(6)], [Ok(()); 2]);
        assert_eq!(
            cost.pass(1).map_err(|excess| excess.to_string()),
            Err("11 values passed by branches are more than the limit of 10".to_owned())
        );
        assert_eq!([cost.count(), cost.count()], [Ok(()); 2]);
        cost.begin_block();
        assert_eq!([cost.count(), cost.count()], [Ok(()); 2]);
        assert_eq!(
            cost.count().map_err(|excess| excess.measure),
            Err(CostMeasure::BlockOperators)
        );
        assert_eq!(cost.keep_at_loop(usize::MAX), Ok(()));
    }

    #[test]
    fn operators_count_in_blocks_and_in_all() {
        let mut cost = Cost::within(CostLimits {
            operators: 5,
            block_operators: 3,
            ..CostLimits::NONE
        });
        assert_eq!([(); 3].map(|()| cost.count()), [Ok(()); 3]);
        cost.begin_block();
        assert_eq!([cost.count(), cost.count()], [Ok(()); 2]);
        let excess = cost
            .count()
            .map_err(|excess| (excess.measure, excess.amount));
        assert_eq!(excess, Err((CostMeasure::Operators, 6)));
    }

    #[test]
    fn wide_calls_and_tables_count_by_their_squares() {
        let mut cost = Cost::within(CostLimits {
            call_pairs: 25,
            table_pairs: 25,
            ..CostLimits::NONE
        });
        assert_eq!([cost.call(3), cost.branch_table(3)], [Ok(()); 2]);
        assert_eq!([cost.call(4), cost.branch_table(4)], [Ok(()); 2]);
        let measures = [cost.call(1), cost.branch_table(1)].map(|result| {
            let excess = result.unwrap_err();
            assert_eq!(excess.amount, 26);
            excess.measure
        });
        assert_eq!(measures, [CostMeasure::CallPairs, CostMeasure::TablePairs]);
        assert_eq!(cost.call(usize::MAX).unwrap_err().amount, usize::MAX);
    }

    #[test]
    fn loops_count_with_those_around_them() {
        let mut cost = Cost::within(CostLimits {
            branches: 4,
            loop_levels: 6,
            ..CostLimits::NONE
        });
        assert_eq!([0, 1, 2].map(|around| cost.begin_loop(around)), [Ok(()); 3]);
        let excess = cost.begin_loop(0).unwrap_err();
        assert_eq!(
            (excess.measure, excess.amount),
            (CostMeasure::LoopLevels, 7)
        );
        assert_eq!([cost.branch(3), cost.branch(1)], [Ok(()); 2]);
        let excess = cost.branch(1).unwrap_err();
        assert_eq!((excess.measure, excess.amount), (CostMeasure::Branches, 5));
    }

    #[test]
    fn of_two_functions_the_longer_block_counts_and_the_sum_of_what_adds_up() {
        let costs = |count: usize| {
            let mut cost = Cost::within(CostLimits::NONE);
            for _ in 0..count {
                let counted = [
                    cost.count(),
                    cost.access(),
                    cost.branch(1),
                    cost.begin_loop(1),
                ];
                assert_eq!(counted, [Ok(()); 4]);
            }
            cost.so_far()
        };
        let both = costs(2).and(costs(3));
        assert_eq!((both.block_operators, both.block_accesses), (3, 3));
        assert_eq!((both.branches, both.loop_levels), (5, 10));
        let limits = CostLimits {
            loop_levels: 9,
            ..CostLimits::NONE
        };
        let excess = both.check(&limits).unwrap_err();
        assert_eq!(excess.measure, CostMeasure::LoopLevels);
        assert_eq!(both.check(&CostLimits::NONE), Ok(()));
    }
}
