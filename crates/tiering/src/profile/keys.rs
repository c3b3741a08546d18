//! The keys, and the values that each takes by itself. Rules between keys are in `check`.

use std::fmt;

use toml::Value;

use super::ProfileError;

/// A key of a profile.
pub(super) struct Key {
    /// With its section: `workers.count`. Those without a section stand at the top.
    pub name: &'static str,
    pub range: Range,
}

/// The values that a key may be set to.
pub(super) enum Range {
    Integer {
        least: u64,
        most: u64,
    },
    OneOfIntegers(&'static [u64]),
    Number {
        least: f64,
        most: f64,
    },
    Bool,
    OneOf(&'static [&'static str]),
    /// Any text that is not empty; which it must be, only the code generator knows.
    Text(&'static str),
}

use Range::{Bool, Integer, Number, OneOf, OneOfIntegers, Text};

/// The largest grant: budgets are 32 bits, and have room for the work taken at once on top.
const MAX_GRANT: u64 = 1 << 30;
/// As many as TOML's integers have.
const MAX_THRESHOLD: u64 = i64::MAX.cast_unsigned();
/// More than any function has operators, or bytes.
const MAX_SIZE: u64 = 1_000_000_000;

macro_rules! keys {
    ($($name:literal: $range:expr,)*) => {
        &[$(Key { name: $name, range: $range },)*]
    };
}

/// All of them, in the order of sections.
pub(super) const KEYS: &[Key] = keys! {
    "mode": OneOf(&["auto", "baseline", "llvm"]),

    "baseline.compiler": OneOf(&["single-pass", "cranelift"]),
    "baseline.smallest-grant-in-operators": Integer { least: 1, most: MAX_GRANT },
    "baseline.largest-grant-in-operators": Integer { least: 1, most: MAX_GRANT },
    "baseline.grant-while-compiling-in-operators": Integer { least: 1, most: MAX_GRANT },
    "baseline.ahead-threads": Integer { least: 0, most: 64 },
    "baseline.ahead-after-functions": Integer { least: 0, most: MAX_SIZE },
    "baseline.ahead-max-branches": Integer { least: 0, most: MAX_SIZE },

    "tier-up.threshold-in-operators": Integer { least: 1, most: MAX_THRESHOLD },
    "tier-up.threshold-in-calls": Integer { least: 1, most: MAX_THRESHOLD },
    "tier-up.compile-base-in-microseconds": Integer { least: 0, most: 60_000_000 },
    "tier-up.compile-per-operator-in-nanoseconds": Integer { least: 0, most: 1_000_000_000 },
    "tier-up.baseline-operators-per-microsecond": Integer { least: 1, most: 1_000_000 },
    "tier-up.eagerness": Number { least: 0.0, most: 100.0 },
    "tier-up.eagerness-rise-with-backlog": Number { least: 0.0, most: 100.0 },
    "tier-up.least-eagerness": Number { least: 0.0, most: 100.0 },
    "tier-up.loop-probe-in-polls": Integer { least: 0, most: 1_000_000 },
    "tier-up.retries": Integer { least: 0, most: 16 },

    "middle.enabled": Bool,
    "middle.threshold-in-operators": Integer { least: 1, most: MAX_THRESHOLD },
    "middle.compile-base-in-microseconds": Integer { least: 0, most: 60_000_000 },
    "middle.compile-per-operator-in-nanoseconds": Integer { least: 0, most: 1_000_000_000 },
    "middle.eagerness": Number { least: 0.0, most: 100.0 },
    "middle.max-function-operators": Integer { least: 0, most: MAX_SIZE },
    "middle.max-passed-values": Integer { least: 0, most: MAX_SIZE },
    "middle.max-loop-values": Integer { least: 0, most: MAX_SIZE },
    "middle.max-joined-locals": Integer { least: 0, most: MAX_SIZE },

    "workers.count": Integer { least: 1, most: 1024 },
    "workers.relief-after-in-milliseconds": Integer { least: 0, most: 3_600_000 },
    "workers.nice": Integer { least: 0, most: 19 },

    "optimizer.pipeline": Text("passes in LLVM's notation"),
    "optimizer.pipeline-for-large-units": Text("passes in LLVM's notation"),
    "optimizer.pipeline-for-costly-units": Text("passes in LLVM's notation"),
    "optimizer.costly-branches": Integer { least: 0, most: MAX_SIZE },
    "optimizer.costly-loops": Integer { least: 0, most: MAX_SIZE },
    "optimizer.costly-loop-levels": Integer { least: 0, most: MAX_SIZE },
    "optimizer.costly-nested-locals": Integer { least: 0, most: MAX_SIZE },
    "optimizer.costly-block-accesses": Integer { least: 0, most: MAX_SIZE },
    "optimizer.large-unit-operators": Integer { least: 0, most: MAX_SIZE },
    "optimizer.max-function-operators": Integer { least: 0, most: MAX_SIZE },
    "optimizer.max-block-operators": Integer { least: 0, most: MAX_SIZE },
    "optimizer.max-passed-values": Integer { least: 0, most: MAX_SIZE },
    "optimizer.max-call-pairs": Integer { least: 0, most: MAX_SIZE },
    "optimizer.max-table-pairs": Integer { least: 0, most: MAX_SIZE },
    "optimizer.max-branches": Integer { least: 0, most: MAX_SIZE },
    "optimizer.max-loops": Integer { least: 0, most: MAX_SIZE },
    "optimizer.max-loop-levels": Integer { least: 0, most: MAX_SIZE },
    "optimizer.max-block-accesses": Integer { least: 0, most: MAX_SIZE },
    "optimizer.max-joined-locals": Integer { least: 0, most: MAX_SIZE },
    "optimizer.max-osr-chain-bytes": Integer { least: 0, most: MAX_SIZE },
    "optimizer.cpu": Text("`native` or a processor's name"),
    "optimizer.vector-bits": OneOfIntegers(&[128, 256, 512]),

    "inlining.max-operators": Integer { least: 0, most: MAX_SIZE },
    "inlining.max-operators-per-unit": Integer { least: 0, most: MAX_SIZE },
    "inlining.recursion-depth": Integer { least: 0, most: 16 },

    "speculation.max-call-targets": Integer { least: 0, most: 16 },
    "speculation.least-call-share-in-percent": Integer { least: 1, most: 100 },
    "speculation.least-call-samples": Integer { least: 1, most: 1_000_000 },
};

impl Key {
    /// The key of this name.
    ///
    /// # Errors
    /// When there is none, with the most similar name.
    pub fn find(name: &str) -> Result<&'static Self, ProfileError> {
        KEYS.iter().find(|key| key.name == name).ok_or_else(|| {
            // A name without its section, or with a wrong one, means the key of the same last name.
            let last = name.rsplit('.').next().unwrap_or(name);
            let same = KEYS.iter().find(|key| key.last_name() == last);
            match same {
                Some(same) => ProfileError::UnknownKey {
                    key: name.to_owned(),
                    similar: Some(same.name),
                    known: Vec::new(),
                },
                None => {
                    let names: Vec<_> = KEYS.iter().map(|key| key.name).collect();
                    ProfileError::unknown(name.to_owned(), name, &names)
                }
            }
        })
    }

    /// The section, empty for keys at the top.
    pub fn section(&self) -> &'static str {
        self.name.split_once('.').map_or("", |(section, _)| section)
    }

    /// The name without the section.
    pub fn last_name(&self) -> &'static str {
        self.name
            .split_once('.')
            .map_or(self.name, |(_, name)| name)
    }

    /// Whether the key may have this value.
    ///
    /// # Errors
    /// Names the key, the value and the range.
    pub fn check(&self, value: &Value) -> Result<(), ProfileError> {
        if self.range.contains(value) {
            return Ok(());
        }
        let value = match value {
            Value::String(text) if text.trim().is_empty() => "empty".to_owned(),
            Value::String(text) => text.clone(),
            Value::Float(number) if number.is_nan() => "not a number".to_owned(),
            other => other.to_string(),
        };
        Err(ProfileError::OutOfRange {
            key: self.name,
            value,
            allowed: self.range.to_string(),
        })
    }

    /// The value that a text on a command line stands for. Quotes are not needed.
    ///
    /// # Errors
    /// When the key may not have this value.
    pub fn parse(&self, text: &str) -> Result<Value, ProfileError> {
        let text = text.trim();
        let value = match self.range {
            OneOf(_) | Text(_) => Value::String(unquoted(text).to_owned()),
            Number { .. } => text
                .parse()
                .map(Value::Float)
                .unwrap_or(Value::String(text.to_owned())),
            // TOML's own notation, which has 1_000_000 and 0xff.
            Integer { .. } | OneOfIntegers(_) | Bool => format!("value = {text}")
                .parse::<toml::Table>()
                .ok()
                .filter(|table| table.len() == 1)
                .and_then(|mut table| table.remove("value"))
                .unwrap_or_else(|| Value::String(text.to_owned())),
        };
        self.check(&value).map(|()| value)
    }
}

fn unquoted(text: &str) -> &str {
    ['"', '\'']
        .iter()
        .find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(text)
}

impl Range {
    fn contains(&self, value: &Value) -> bool {
        match (self, value) {
            (Integer { least, most }, Value::Integer(value)) => {
                u64::try_from(*value).is_ok_and(|value| (*least..=*most).contains(&value))
            }
            (OneOfIntegers(all), Value::Integer(value)) => {
                u64::try_from(*value).is_ok_and(|value| all.contains(&value))
            }
            (Number { least, most }, Value::Float(value)) => (*least..=*most).contains(value),
            // TOML tells 1 from 1.0; people don't. The nearest number will do: bounds are far smaller than 2^53.
            (Number { least, most }, Value::Integer(value)) => {
                (*least..=*most).contains(&(*value as f64))
            }
            (Bool, Value::Boolean(_)) => true,
            (OneOf(all), Value::String(value)) => all.contains(&value.as_str()),
            (Text(_), Value::String(value)) => !value.trim().is_empty(),
            _ => false,
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Integer { least, most } if *most == MAX_THRESHOLD => write!(f, "{least} or more"),
            Integer { least, most } => write!(f, "from {least} to {most}"),
            Number { least, most } => write!(f, "from {least} to {most}"),
            OneOfIntegers(all) => {
                let all: Vec<_> = all.iter().map(u64::to_string).collect();
                f.write_str(&listed(&all))
            }
            Bool => f.write_str("true or false"),
            OneOf(all) => f.write_str(&listed(all)),
            Text(what) => f.write_str(what),
        }
    }
}

/// `a, b or c`.
fn listed(all: &[impl AsRef<str>]) -> String {
    let all: Vec<_> = all.iter().map(AsRef::as_ref).collect();
    match all.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(name: &str, text: &str) -> Result<String, String> {
        let key = Key::find(name).map_err(|error| error.to_string())?;
        match key.parse(text) {
            Ok(value) => Ok(value.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn values_on_a_command_line_need_no_quotes() {
        for (key, text, value) in [
            ("workers.count", "2", "2"),
            ("tier-up.threshold-in-operators", "1_000_000", "1000000"),
            ("tier-up.eagerness", "1", "1.0"),
            ("optimizer.pipeline", "default<O2>", "\"default<O2>\""),
            ("optimizer.pipeline", "'default<O2>'", "\"default<O2>\""),
            ("mode", "llvm", "\"llvm\""),
        ] {
            assert_eq!(parsed(key, text), Ok(value.to_owned()), "{key}={text}");
        }
    }

    #[test]
    fn wrong_values_are_answered_with_key_and_range() {
        for (key, text, message) in [
            (
                "workers.count",
                "many",
                "`workers.count` of the tiering profile is many, but must be from 1 to 1024",
            ),
            ("workers.count", "", "is empty, but must be from 1 to 1024"),
            ("workers.count", "1.5", "is 1.5, but"),
            ("workers.count", "1\nx = 2", "but must be from 1 to 1024"),
            (
                "tier-up.threshold-in-calls",
                "0",
                "is 0, but must be 1 or more",
            ),
            (
                "tier-up.eagerness",
                "nan",
                "is not a number, but must be from 0 to 100",
            ),
            (
                "optimizer.vector-bits",
                "64",
                "is 64, but must be 128, 256 or 512",
            ),
            ("mode", "jit", "is jit, but must be auto, baseline or llvm"),
        ] {
            let error = parsed(key, text).expect_err(text);
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn wrong_keys_are_answered_with_what_may_have_been_meant() {
        for (name, similar) in [
            ("eagerness", "tier-up.eagerness"),
            ("worker.count", "workers.count"),
            ("workers.cuont", "workers.count"),
            ("tier-up.threshold-in-call", "tier-up.threshold-in-calls"),
            ("optimiser.pipeline", "optimizer.pipeline"),
            ("mod", "mode"),
        ] {
            let error = parsed(name, "1").expect_err(name);
            let hint = format!("no key `{name}`; did you mean `{similar}`?");
            assert!(error.contains(&hint), "{error}");
        }
    }
}
