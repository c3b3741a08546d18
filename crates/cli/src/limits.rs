//! `--timeout`, `--max-memory`, `--max-code-memory` and `--max-stack`: how they are written. They are enforced by the
//! store, the engine and, for time, [`Deadline`](crate::deadline::Deadline).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use upshift::ResourceLimits;
use upshift_module::to_f64;

/// What a program may use at most.
#[derive(Args, Debug)]
#[command(next_help_heading = "Limits (a program that reaches one ends with status 134)")]
pub struct Limits {
    /// Stop the program once the command has run for so long, such as 500ms, 2s, 1.5m or 1h.
    #[arg(long, value_name = "DURATION")]
    pub timeout: Option<TimeLimit>,

    /// Let memories and tables hold no more than this together, such as 64MiB; `memory.grow` fails beyond. Not
    /// counted is what the command itself needs: code, and the compilers.
    #[arg(long, value_name = "SIZE")]
    pub max_memory: Option<SizeLimit>,

    /// Let the program's machine code take no more than this, such as 64MiB. Beyond half of it nothing is compiled again to
    /// be faster; a function whose first code finds no room ends the program.
    #[arg(long, value_name = "SIZE")]
    pub max_code_memory: Option<SizeLimit>,

    /// Let calls take no more stack than this, such as 512KiB or 1GiB.
    #[arg(long, value_name = "SIZE", default_value = "4MiB")]
    pub max_stack: SizeLimit,
}

impl Limits {
    /// The bounds of a store.
    pub(crate) fn resources(&self) -> ResourceLimits {
        ResourceLimits {
            total_bytes: self.max_memory.as_ref().map(|limit| limit.bytes),
            ..ResourceLimits::default()
        }
    }
}

/// A duration, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeLimit {
    /// How long.
    pub duration: Duration,
    text: String,
}

/// A number of bytes, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SizeLimit {
    /// How many.
    pub bytes: usize,
    text: String,
}

impl fmt::Display for TimeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for SizeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for TimeLimit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANTED: &str = "wanted is a number above zero with its unit: 500ms, 2s, 1.5m, 1h";
        let (number, unit) = split(text).ok_or(WANTED)?;
        let seconds = match unit {
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            _ => return Err(WANTED),
        };
        let duration = Duration::try_from_secs_f64(number * seconds).map_err(|_| WANTED)?;
        if duration.is_zero() {
            return Err(WANTED);
        }
        let text = text.to_owned();
        Ok(Self { duration, text })
    }
}

impl FromStr for SizeLimit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANTED: &str =
            "wanted is a number of bytes, KiB, MiB or GiB: 65536, 512KiB, 64MiB, 1.5GiB";
        let (number, unit) = split(text).ok_or(WANTED)?;
        let unit: u64 = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kib" => 1 << 10,
            "m" | "mib" => 1 << 20,
            "g" | "gib" => 1 << 30,
            "t" | "tib" => 1 << 40,
            _ => return Err(WANTED),
        };
        let bytes = number * to_f64(unit);
        // Above 2^53, numbers are not exact, and no machine has as much.
        if bytes >= 9e15 || bytes.fract() != 0.0 {
            return Err(WANTED);
        }
        let text = text.to_owned();
        // A whole number in range, as was seen above.
        Ok(Self {
            bytes: bytes as usize,
            text,
        })
    }
}

/// A decimal number without a sign, and the text behind it.
fn split(text: &str) -> Option<(f64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("2s", 2000),
            ("0.25s", 250),
            ("1.5m", 90_000),
            ("1h", 3_600_000),
            ("1000us", 1),
        ] {
            let limit: TimeLimit = text.parse().unwrap();
            assert_eq!(limit.duration, Duration::from_millis(milliseconds));
            assert_eq!(limit.to_string(), text);
        }
        for wrong in [
            "",
            "5",
            "s",
            "0s",
            "-1s",
            "1 s",
            "1d",
            "1..5s",
            "nans",
            "infs",
            "1e400s",
            "99999999999999999999h",
        ] {
            assert!(wrong.parse::<TimeLimit>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_bytes_or_have_binary_units() {
        for (text, bytes) in [
            ("0", 0),
            ("65536", 65536),
            ("64MiB", 64 << 20),
            ("64mib", 64 << 20),
            ("512K", 512 << 10),
            ("1.5GiB", 3 << 29),
            ("2T", 2 << 40),
        ] {
            let limit: SizeLimit = text.parse().unwrap();
            assert_eq!((limit.bytes, limit.to_string().as_str()), (bytes, text));
        }
        for wrong in [
            "",
            "MiB",
            "-1",
            "64MB",
            "0.3",
            "1 GiB",
            "9999999TiB",
            "1e9",
            "0x10",
            "nan",
        ] {
            assert!(wrong.parse::<SizeLimit>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn memories_and_tables_are_limited_together() {
        let limits = |max_memory: Option<&str>| Limits {
            timeout: None,
            max_code_memory: None,
            max_memory: max_memory.map(|text| text.parse().unwrap()),
            max_stack: "1MiB".parse().unwrap(),
        };
        let resources = limits(Some("64KiB")).resources();
        assert_eq!(resources.total_bytes, Some(64 << 10));
        assert_eq!(limits(None).resources(), ResourceLimits::default());
    }
}
