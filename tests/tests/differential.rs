//! The differential comparison on fixed seeds: what `cargo xtask fuzz` does at length.

use std::ops::Range;

use upshift_tests::differential::{Comparison, Counts, Generator, MODES, Turns, with_large_stack};

/// Runs seeds on all engines, and checks that enough of what they did means something.
fn compare(generator: Generator, seeds: Range<u64>) {
    let counts = with_large_stack(|| {
        let turns = if generator.is_quick() {
            Turns::Drawn
        } else {
            Turns::All
        };
        let comparison = Comparison::new(MODES, turns).unwrap();
        seeds.clone().fold(Counts::default(), |counts, seed| {
            match comparison.seed(generator, seed, &mut |_| {}) {
                Ok(more) => counts.plus(&more),
                Err(difference) => panic!("{difference}"),
            }
        })
    })
    .unwrap();
    println!("{counts}");
    assert_eq!(
        counts.modules + counts.not_generated,
        seeds.end - seeds.start
    );
    assert!(counts.not_generated * 10 < counts.modules, "{counts}");
    counts.check().unwrap();
}

// Some tests, so that they run side by side.

#[test]
fn engines_agree_on_seeds_0_to_249() {
    compare(Generator::Any, 0..250);
}

#[test]
fn engines_agree_on_seeds_250_to_499() {
    compare(Generator::Any, 250..500);
}

#[test]
fn engines_agree_on_seeds_500_to_749() {
    compare(Generator::Any, 500..750);
}

#[test]
fn engines_agree_on_seeds_750_to_999() {
    compare(Generator::Any, 750..1000);
}

#[test]
fn engines_agree_on_loops_of_seeds_0_to_199() {
    compare(Generator::Loops, 0..200);
}

#[test]
fn engines_agree_on_loops_of_seeds_200_to_399() {
    compare(Generator::Loops, 200..400);
}

#[test]
fn engines_agree_on_narrow_integers_of_seeds_0_to_199() {
    compare(Generator::Narrow, 0..200);
}

#[test]
fn engines_agree_on_vectors_of_seeds_0_to_199() {
    compare(Generator::Vectors, 0..200);
}

#[test]
fn engines_agree_that_nans_of_seeds_0_to_199_are_quiet() {
    compare(Generator::Quiet, 0..200);
}
