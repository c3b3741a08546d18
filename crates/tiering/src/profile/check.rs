//! Which keys there are, and which values they take.

use std::fmt::Display;
use std::ops::RangeInclusive;

use toml::{Table, Value};

use super::{ProfileError, TieringProfile};

/// All sections and their keys.
pub(super) const SECTIONS: &[(&str, &[&str])] = &[
    (
        "baseline",
        &[
            "smallest-grant-in-operators",
            "largest-grant-in-operators",
            "grant-while-compiling-in-operators",
        ],
    ),
    (
        "tier-up",
        &[
            "threshold-in-operators",
            "threshold-in-calls",
            "compile-base-in-microseconds",
            "compile-per-operator-in-nanoseconds",
            "baseline-operators-per-microsecond",
            "eagerness",
            "eagerness-rise-with-backlog",
            "least-eagerness",
            "loop-probe-in-polls",
            "retries",
        ],
    ),
    ("workers", &["count", "nice"]),
    (
        "optimizer",
        &[
            "pipeline",
            "pipeline-for-large-units",
            "large-unit-operators",
            "max-function-operators",
            "max-osr-chain-bytes",
            "cpu",
            "vector-bits",
        ],
    ),
    (
        "inlining",
        &["max-operators", "max-operators-per-unit", "recursion-depth"],
    ),
];

/// That there are no other keys, with a hint at what may have been meant.
pub(super) fn keys(table: &Table) -> Result<(), ProfileError> {
    for (section, contents) in table {
        let known = SECTIONS.iter().find(|(name, _)| name == section);
        let Some((_, known)) = known else {
            let names: Vec<_> = SECTIONS.iter().map(|(name, _)| *name).collect();
            return Err(ProfileError::unknown(section.clone(), section, &names));
        };
        // Anything else than a section is for the reader to complain about, who knows the line.
        let Value::Table(contents) = contents else {
            continue;
        };
        for key in contents.keys() {
            if !known.contains(&key.as_str()) {
                return Err(ProfileError::unknown(
                    format!("{section}.{key}"),
                    key,
                    known,
                ));
            }
        }
    }
    Ok(())
}

/// The largest grant: budgets are 32 bits, and have room for what is taken at once on top.
const MAX_GRANT: u32 = 1 << 30;
/// As many as TOML's integers have.
const MAX_THRESHOLD: u64 = i64::MAX.cast_unsigned();

/// That every number is in its range.
pub(super) fn ranges(profile: &TieringProfile) -> Result<(), ProfileError> {
    let TieringProfile {
        baseline,
        tier_up,
        workers,
        optimizer,
        inlining,
    } = profile;

    let smallest = baseline.smallest_grant_in_operators;
    let largest = baseline.largest_grant_in_operators;
    let while_compiling = baseline.grant_while_compiling_in_operators;
    within(
        "baseline.smallest-grant-in-operators",
        smallest,
        1..=MAX_GRANT,
    )?;
    within(
        "baseline.largest-grant-in-operators",
        largest,
        smallest..=MAX_GRANT,
    )?;
    within(
        "baseline.grant-while-compiling-in-operators",
        while_compiling,
        1..=MAX_GRANT,
    )?;

    if tier_up.threshold_in_operators.is_some() && tier_up.threshold_in_calls.is_some() {
        return Err(ProfileError::Conflict {
            one: "tier-up.threshold-in-operators",
            other: "tier-up.threshold-in-calls",
        });
    }
    if let Some(threshold) = tier_up.threshold_in_operators {
        within(
            "tier-up.threshold-in-operators",
            threshold,
            1..=MAX_THRESHOLD,
        )?;
    }
    if let Some(threshold) = tier_up.threshold_in_calls {
        within("tier-up.threshold-in-calls", threshold, 1..=MAX_THRESHOLD)?;
    }
    let base = tier_up.compile_base_in_microseconds;
    within("tier-up.compile-base-in-microseconds", base, 0..=60_000_000)?;
    let per_operator = tier_up.compile_per_operator_in_nanoseconds;
    within(
        "tier-up.compile-per-operator-in-nanoseconds",
        per_operator,
        0..=1_000_000_000,
    )?;
    let speed = tier_up.baseline_operators_per_microsecond;
    within(
        "tier-up.baseline-operators-per-microsecond",
        speed,
        1..=1_000_000,
    )?;
    within("tier-up.eagerness", tier_up.eagerness, 0.0..=100.0)?;
    let rise = tier_up.eagerness_rise_with_backlog;
    within("tier-up.eagerness-rise-with-backlog", rise, 0.0..=100.0)?;
    let least = tier_up.least_eagerness;
    within("tier-up.least-eagerness", least, tier_up.eagerness..=100.0)?;
    let probe = tier_up.loop_probe_in_polls;
    within("tier-up.loop-probe-in-polls", probe, 0..=1_000_000)?;
    within("tier-up.retries", tier_up.retries, 0..=16)?;

    if let Some(count) = workers.count {
        within("workers.count", count, 1..=1024)?;
    }
    within("workers.nice", workers.nice, 0..=19)?;

    for (key, pipeline) in [
        ("optimizer.pipeline", &optimizer.pipeline),
        (
            "optimizer.pipeline-for-large-units",
            &optimizer.pipeline_for_large_units,
        ),
        ("optimizer.cpu", &optimizer.cpu),
    ] {
        if pipeline.trim().is_empty() {
            return Err(out_of_range(key, "empty", "a name".to_owned()));
        }
    }
    if ![128, 256, 512].contains(&optimizer.vector_bits) {
        let allowed = "128, 256 or 512".to_owned();
        return Err(out_of_range(
            "optimizer.vector-bits",
            optimizer.vector_bits,
            allowed,
        ));
    }
    within("inlining.recursion-depth", inlining.recursion_depth, 0..=16)
}

fn within<T: PartialOrd + Display>(
    key: &'static str,
    value: T,
    allowed: RangeInclusive<T>,
) -> Result<(), ProfileError> {
    if allowed.contains(&value) {
        return Ok(());
    }
    let allowed = format!("from {} to {}", allowed.start(), allowed.end());
    Err(out_of_range(key, value, allowed))
}

#[cold]
fn out_of_range(key: &'static str, value: impl Display, allowed: String) -> ProfileError {
    ProfileError::OutOfRange {
        key,
        value: value.to_string(),
        allowed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        TieringProfile::from_toml(text).expect_err(text).to_string()
    }

    #[test]
    fn the_list_of_keys_is_that_of_the_profile() {
        let mut profile = TieringProfile::default();
        profile.tier_up.threshold_in_operators = Some(1);
        profile.tier_up.threshold_in_calls = Some(1);
        profile.workers.count = Some(1);
        let table: Table = profile.to_toml().parse().expect("TOML");
        let listed = |table: &Table| {
            let section = |(name, contents): (&String, &Value)| {
                let mut keys: Vec<_> = contents.as_table()?.keys().cloned().collect();
                keys.sort();
                Some((name.clone(), keys))
            };
            table.iter().filter_map(section).collect::<Vec<_>>()
        };
        let mut expected: Vec<_> = SECTIONS
            .iter()
            .map(|(name, keys)| {
                let mut keys: Vec<_> = keys.iter().map(|key| (*key).to_owned()).collect();
                keys.sort();
                ((*name).to_owned(), keys)
            })
            .collect();
        expected.sort();
        let mut found = listed(&table);
        found.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn messages_name_the_key_and_what_may_have_been_meant() {
        assert_eq!(
            problem("[tierup]\neagerness = 1"),
            "the tiering profile has no key `tierup`; did you mean `tier-up`?"
        );
        assert_eq!(
            problem("[workers]\nthreads = 1"),
            "the tiering profile has no key `workers.threads`; there are `count`, `nice`"
        );
        let message = problem("[tier-up]\nthreshold-in-operator = 1");
        assert!(
            message.ends_with("did you mean `threshold-in-operators`?"),
            "{message}"
        );
    }

    #[test]
    fn messages_name_the_value_and_its_range() {
        for (text, expected) in [
            (
                "[tier-up]\neagerness = -0.5",
                "`tier-up.eagerness` of the tiering profile is -0.5, but must be from 0 to 100",
            ),
            (
                "[tier-up]\neagerness = nan",
                "`tier-up.eagerness` of the tiering profile is NaN, but must be from 0 to 100",
            ),
            (
                "[tier-up]\neagerness = 2",
                "`tier-up.least-eagerness` of the tiering profile is 1, but must be from 2 to 100",
            ),
            (
                "[workers]\ncount = 0",
                "`workers.count` of the tiering profile is 0, but must be from 1 to 1024",
            ),
            (
                "[optimizer]\nvector-bits = 64",
                "`optimizer.vector-bits` of the tiering profile is 64, but must be 128, 256 or 512",
            ),
            (
                "[optimizer]\ncpu = ' '",
                "`optimizer.cpu` of the tiering profile is empty, but must be a name",
            ),
            (
                "[tier-up]\nthreshold-in-calls = 1\nthreshold-in-operators = 1",
                "the tiering profile sets both `tier-up.threshold-in-operators` and `tier-up.threshold-in-calls`: one of them is enough",
            ),
        ] {
            assert_eq!(problem(text), expected, "{text}");
        }
    }

    #[test]
    fn values_of_the_wrong_kind_are_shown_with_their_line() {
        for text in [
            "[workers]\ncount = 'many'",
            "[workers]\ncount = -1",
            "workers = 3",
            "[workers",
        ] {
            let message = problem(text);
            assert!(message.contains("line "), "{message}");
        }
    }
}
