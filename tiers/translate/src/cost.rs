//! What a compile costs besides its operators, and the bounds that tiers have on it. A few bytes of WebAssembly can stand for
//! a thousand values that are handed over, or for as many locals that are alive at each of a thousand joins, and code
//! generators take time and memory for each of them.
//!
//! The walk counts while it emits, and ends at the first bound that is exceeded, so that what is refused has cost no more
//! than the bound.

use std::fmt;

/// What a bound is on.
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
    /// Parameters and results of calls, and what is returned: the sum over all of them.
    CallValues,
    /// For each call, and for each function that returns them, the square of the number of its parameters and results: what
    /// instruction selectors take that look at all of them for each of them.
    CallPairs,
    /// For each branch table the square of the number of its labels: what passes take that go along a chain of cases
    /// for each case.
    TablePairs,
    /// Operands on the stack at the headers of loops, and in tiers that keep locals as values the locals that are alive
    /// there: the sum over all loops. What polls store.
    LoopValues,
    /// Locals that are alive where control joins, at the ends of blocks and at the headers of loops: the sum over all of
    /// these. What becomes parameters of blocks in tiers that keep locals as values.
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
            Self::LoopValues => "values kept at loops",
            Self::JoinedLocals => "locals alive at joins",
        })
    }
}

/// The bounds of a tier on what the walk counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CostLimits {
    /// On [`CostMeasure::Operators`], of which the walk counts those that can be reached.
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
        loop_values: usize::MAX,
        joined_locals: usize::MAX,
    };
}

/// A bound that a function exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{amount} {measure} are more than the limit of {limit}")]
pub struct Excess {
    /// What there is too much of.
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

/// What a walk has counted so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    limits: CostLimits,
    /// Operators in front of the block that is counted.
    before_block: usize,
    in_block: usize,
    passed: usize,
    call_values: usize,
    call_pairs: usize,
    table_pairs: usize,
    at_loops: usize,
}

impl Cost {
    pub fn within(limits: CostLimits) -> Self {
        Self {
            limits,
            before_block: 0,
            in_block: 0,
            passed: 0,
            call_values: 0,
            call_pairs: 0,
            table_pairs: 0,
            at_loops: 0,
        }
    }

    /// A block begins.
    pub fn begin_block(&mut self) {
        self.before_block += self.in_block;
        self.in_block = 0;
    }

    /// An operator is emitted.
    pub fn count(&mut self) -> Result<(), Excess> {
        self.in_block += 1;
        let limit = self.limits.block_operators;
        Excess::check(CostMeasure::BlockOperators, self.in_block, limit)?;
        let operators = self.before_block + self.in_block;
        Excess::check(CostMeasure::Operators, operators, self.limits.operators)
    }

    /// A branch hands over so many values.
    pub fn pass(&mut self, values: usize) -> Result<(), Excess> {
        self.passed = self.passed.saturating_add(values);
        let limit = self.limits.passed_values;
        Excess::check(CostMeasure::PassedValues, self.passed, limit)
    }

    /// So many values are returned.
    pub fn return_values(&mut self, values: usize) -> Result<(), Excess> {
        self.call_values = self.call_values.saturating_add(values);
        let limit = self.limits.call_values;
        Excess::check(CostMeasure::CallValues, self.call_values, limit)
    }

    /// A call has so many parameters and results.
    pub fn call(&mut self, values: usize) -> Result<(), Excess> {
        self.return_values(values)?;
        self.call_pairs = add_pairs(self.call_pairs, values);
        let limit = self.limits.call_pairs;
        Excess::check(CostMeasure::CallPairs, self.call_pairs, limit)
    }

    /// A branch table has so many labels.
    pub fn branch_table(&mut self, labels: usize) -> Result<(), Excess> {
        self.table_pairs = add_pairs(self.table_pairs, labels);
        let limit = self.limits.table_pairs;
        Excess::check(CostMeasure::TablePairs, self.table_pairs, limit)
    }

    /// A loop's poll keeps so many values.
    pub fn keep_at_loop(&mut self, values: usize) -> Result<(), Excess> {
        self.at_loops = self.at_loops.saturating_add(values);
        let limit = self.limits.loop_values;
        Excess::check(CostMeasure::LoopValues, self.at_loops, limit)
    }
}

fn add_pairs(sum: usize, values: usize) -> usize {
    sum.saturating_add(values.saturating_mul(values))
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
        assert_eq!(add_pairs(7, usize::MAX), usize::MAX);
    }
}
