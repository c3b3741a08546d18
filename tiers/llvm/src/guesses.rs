//! The likely targets of a call through a table, from samples of the baseline. A guess is
//! compared with before it is called, so a wrong one costs that and nothing else.
//!
//! The text of a module and what its calls become stand in `tests/passes/guesses`. Where function 1 was seen,
//!
//! ```text
//! %r = call i32 %slot(...)                    ; behind comparisons of bounds, null and signature
//! ```
//!
//! becomes
//!
//! ```text
//! %seen = icmp eq ptr %reference, %entry.of.1         ; an address in the context
//! br i1 %seen, label %direct, label %other
//! ; in the direct one
//! %r = add i32 %x, 10                         ; function 1, inlined
//! ```
//!
//! Condition: a reference is the address of an entry of an instance's context, one for each function and instance; equal
//! addresses are the same function of the same instance, so the comparison implies slot, instance and signature.

use smallvec::SmallVec;
use upshift_module::{FuncIndex, Module};
use upshift_translate::{CallSamples, CallTarget, IndirectCall, OptimizerOptions};

/// When fewer than one call in so many is left, they are not worth a guess.
const REST: u32 = 10;

/// A function that a call through a table probably reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Guess {
    /// The function. It is one of the module's own, and of the call's type.
    pub function: FuncIndex,
    /// How often it was seen there.
    pub hits: u32,
    /// How often others were that are not guessed before it.
    pub misses: u32,
}

/// The guesses for a call, the likeliest first.
pub(crate) fn guesses(
    module: &Module,
    samples: &CallSamples,
    options: &OptimizerOptions,
    call: IndirectCall,
) -> SmallVec<[Guess; 4]> {
    let mut guesses = SmallVec::new();
    if samples.total < options.least_call_samples.max(1) {
        return guesses;
    }
    let ty = &module.types[call.type_index];
    let fits = |function: FuncIndex| {
        let is_own = module.defined_function(function).is_some();
        let of = module.functions.get(function);
        is_own && of.is_some_and(|&of| &module.types[of] == ty)
    };
    let mut left = samples.total;
    for target in samples.targets.iter().take(options.max_call_targets) {
        let &CallTarget {
            function,
            count: hits,
        } = target;
        if u64::from(left) * u64::from(REST) < u64::from(samples.total) {
            break;
        }
        let needed = u64::from(options.least_call_share_in_percent) * u64::from(left);
        if u64::from(hits) * 100 < needed {
            break;
        }
        left = left.saturating_sub(hits);
        if fits(function) {
            guesses.push(Guess {
                function,
                hits,
                misses: left,
            });
        }
    }
    guesses
}

/// Whether the guesses are nearly all of the calls.
pub(crate) fn are_nearly_all(guesses: &[Guess]) -> bool {
    let (Some(first), Some(last)) = (guesses.first(), guesses.last()) else {
        return false;
    };
    let all = u64::from(first.hits) + u64::from(first.misses);
    u64::from(last.misses) * u64::from(REST) < all
}

#[cfg(test)]
mod tests {
    use super::*;
    use upshift_module::{Features, ModuleOffset, TableIndex, TypeIndex};

    fn functions(targets: &[(u32, u32)], total: u32, options: &OptimizerOptions) -> Vec<Guess> {
        let text = "(module (type (func)) (import \"\" \"\" (func)) (table 1 funcref)
            (func) (func (type 0)) (func (param i32)) (func) (func) (func))";
        let module = Module::parse(text.as_bytes(), &Features::default()).expect("valid");
        let target = |&(function, count): &(u32, u32)| CallTarget {
            function: FuncIndex::from_u32(function),
            count,
        };
        let targets = targets.iter().map(target).collect();
        let call = IndirectCall {
            offset: ModuleOffset::new(0),
            table: TableIndex::from_u32(0),
            type_index: TypeIndex::from_u32(0),
        };
        guesses(&module, &CallSamples { targets, total }, options, call).to_vec()
    }

    fn guess(function: u32, hits: u32, misses: u32) -> Guess {
        Guess {
            function: FuncIndex::from_u32(function),
            hits,
            misses,
        }
    }

    #[test]
    fn functions_are_guessed_as_long_as_they_have_their_share_of_what_is_left() {
        let options = OptimizerOptions::default();
        let seen = [(1, 60), (2, 20), (4, 10), (5, 3), (6, 1)];
        let expected = [
            guess(1, 60, 40),
            guess(2, 20, 20),
            guess(4, 10, 10),
            guess(5, 3, 7),
        ];
        assert_eq!(functions(&seen, 100, &options), expected);
        assert_eq!(functions(&seen, 200, &options), [guess(1, 60, 140)]);
        assert_eq!(functions(&seen, 1000, &options), []);
        let rare = [(1, 91), (2, 9)];
        assert_eq!(functions(&rare, 100, &options), [guess(1, 91, 9)]);
        let one = OptimizerOptions {
            max_call_targets: 1,
            ..options
        };
        assert_eq!(functions(&seen, 100, &one), expected[..1]);
    }

    #[test]
    fn what_does_not_fit_is_not_guessed() {
        let options = OptimizerOptions::default();
        // An import, one of another type, one that there is not.
        let seen = [(0, 30), (3, 30), (99, 30), (1, 10)];
        assert_eq!(functions(&seen, 100, &options), [guess(1, 10, 0)]);
    }

    #[test]
    fn few_samples_say_nothing() {
        let options = OptimizerOptions::default();
        assert_eq!(functions(&[(1, 7)], 7, &options), []);
        assert_eq!(functions(&[(1, 8)], 8, &options).len(), 1);
    }
}
