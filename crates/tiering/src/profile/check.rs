//! That a profile has only known keys, each in its range, and the rules between keys.

use toml::{Table, Value};

use super::keys::{KEYS, Key};
use super::{ProfileError, TieringProfile};

/// That there are no other keys, with a hint at the likely key.
pub(super) fn keys(table: &Table) -> Result<(), ProfileError> {
    for (name, contents) in table {
        if KEYS.iter().any(|key| key.name == name) {
            continue;
        }
        let known = in_section(name);
        if known.is_empty() {
            let mut names: Vec<_> = KEYS.iter().map(Key::section).collect();
            names.dedup();
            names.retain(|section| !section.is_empty());
            names.extend(in_section(""));
            return Err(ProfileError::unknown(name.clone(), name, &names));
        }
        // Anything else than a section is an error of the reader's, which knows the line.
        let Value::Table(contents) = contents else {
            continue;
        };
        for key in contents.keys() {
            if !known.contains(&key.as_str()) {
                return Err(ProfileError::unknown(format!("{name}.{key}"), key, &known));
            }
        }
    }
    Ok(())
}

/// The names of its keys, empty if there is no such section.
fn in_section(section: &str) -> Vec<&'static str> {
    let keys = KEYS.iter().filter(|key| key.section() == section);
    keys.map(Key::last_name).collect()
}

/// That every value is in its range.
pub(super) fn ranges(profile: &TieringProfile) -> Result<(), ProfileError> {
    let TieringProfile {
        baseline, tier_up, ..
    } = profile;
    let table = profile.to_table()?;
    for key in KEYS {
        if let Some(value) = value(&table, key) {
            key.check(value)?;
        }
    }

    if tier_up.threshold_in_operators.is_some() && tier_up.threshold_in_calls.is_some() {
        return Err(ProfileError::Conflict {
            one: "tier-up.threshold-in-operators",
            other: "tier-up.threshold-in-calls",
        });
    }
    let (smallest, largest) = (
        baseline.smallest_grant_in_operators,
        baseline.largest_grant_in_operators,
    );
    if largest < smallest {
        return Err(ProfileError::OutOfRange {
            key: "baseline.largest-grant-in-operators",
            value: largest.to_string(),
            allowed: format!("at least {smallest}, as much as the smallest grant"),
        });
    }
    let (eagerness, least) = (tier_up.eagerness, tier_up.least_eagerness);
    if least < eagerness {
        return Err(ProfileError::OutOfRange {
            key: "tier-up.least-eagerness",
            value: least.to_string(),
            allowed: format!("at least {eagerness}, as much as `tier-up.eagerness`"),
        });
    }
    Ok(())
}

/// The value that a profile as a table has for a key.
pub(super) fn value<'a>(table: &'a Table, key: &Key) -> Option<&'a Value> {
    match key.section() {
        "" => table.get(key.name),
        section => table.get(section)?.get(key.last_name()),
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
        profile.baseline.ahead_threads = Some(1);
        profile.middle.threshold_in_operators = Some(1);
        let mut found = Vec::new();
        for (name, value) in &profile.to_table().expect("TOML") {
            match value {
                Value::Table(section) => {
                    found.extend(section.keys().map(|key| format!("{name}.{key}")));
                }
                _ => found.push(name.clone()),
            }
        }
        found.sort();
        let mut expected: Vec<_> = KEYS.iter().map(|key| key.name.to_owned()).collect();
        expected.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn messages_name_the_key_and_what_may_have_been_meant() {
        assert_eq!(
            problem("[tierup]\neagerness = 1"),
            "the tiering profile has no key `tierup`; did you mean `tier-up`?"
        );
        assert_eq!(
            problem("tier = 'llvm'"),
            "the tiering profile has no key `tier`; did you mean `tier-up`?"
        );
        assert_eq!(
            problem("[workers]\nthreads = 1"),
            "the tiering profile has no key `workers.threads`; there are `count`, `relief-after-in-milliseconds`, `nice`"
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
                "`tier-up.eagerness` of the tiering profile is not a number, but must be from 0 to 100",
            ),
            (
                "[tier-up]\neagerness = 2",
                "`tier-up.least-eagerness` of the tiering profile is 1, but must be at least 2, as much as `tier-up.eagerness`",
            ),
            (
                "[baseline]\nlargest-grant-in-operators = 5",
                "`baseline.largest-grant-in-operators` of the tiering profile is 5, but must be at least 1024, as much as the smallest grant",
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
                "`optimizer.cpu` of the tiering profile is empty, but must be `native` or a processor's name",
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
            "mode = 'jit'",
            "[workers",
        ] {
            let message = problem(text);
            assert!(message.contains("line "), "{message}");
        }
    }

    #[test]
    fn numbers_that_no_file_can_hold_are_refused_too() {
        let mut profile = TieringProfile::default();
        profile.tier_up.threshold_in_operators = Some(u64::MAX);
        assert!(profile.validate().is_err());
    }
}
