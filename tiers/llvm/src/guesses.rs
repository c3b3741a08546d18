//! Which functions a call through a table probably reaches, after what was seen in the baseline. A guess is
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
use upshift_module::Module;
use upshift_translate::{CallSamples, IndirectCall, OptimizerOptions};

/// When fewer than one call in so many is left, they are not worth a guess.
const REST: u32 = 10;

/// A function that a call through a table probably reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Guess {
    /// The function, imports first. It is one of the module's own, and of the call's type.
    pub function: u32,
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
    let ty = &module.types[call.type_index as usize];
    let fits = |function: u32| {
        let is_own = module.defined_function(function).is_some();
        let of = module.functions.get(function as usize);
        is_own && of.is_some_and(|&of| &module.types[of as usize] == ty)
    };
    let mut left = samples.total;
    for &(function, hits) in samples.targets.iter().take(options.max_call_targets) {
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

/// Whether hardly anything else is called than what is guessed.
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
    use upshift_module::Features;

    const CALL: IndirectCall = IndirectCall {
        offset: 0,
        table: 0,
        type_index: 0,
    };

    fn functions(targets: &[(u32, u32)], total: u32, options: &OptimizerOptions) -> Vec<Guess> {
        let text = "(module (type (func)) (import \"\" \"\" (func)) (table 1 funcref)
            (func) (func (type 0)) (func (param i32)) (func) (func) (func))";
        let module = Module::parse(text.as_bytes(), &Features::default()).expect("valid");
        let targets = targets.to_vec();
        guesses(&module, &CallSamples { targets, total }, options, CALL).to_vec()
    }

    fn guess(function: u32, hits: u32, misses: u32) -> Guess {
        Guess {
            function,
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
