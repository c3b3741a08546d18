//! A profile as text: without comments, with those of the default's file, and the difference of two.

use toml::{Table, Value};

use super::keys::{KEYS, Key};
use super::{BuiltInProfile, ProfileError, TieringProfile, check};

impl TieringProfile {
    /// The profile as a file has it, without comments.
    ///
    /// # Panics
    /// When a number is so large that [`validate`](Self::validate) would refuse it.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("numbers and strings in one level of tables")
    }

    /// The profile as a file, every key with a comment that has its effect, its unit and its range.
    ///
    /// # Errors
    /// When a number is out of its range.
    pub fn to_commented_toml(&self) -> Result<String, ProfileError> {
        self.validate()?;
        let table = self.to_table()?;
        let mut section = "";
        let mut text = String::new();
        // The head is about the default.
        let lines = BuiltInProfile::ALL[0].text.lines();
        let lines = lines.skip_while(|line| !line.is_empty()).skip(1);
        for line in lines {
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']');
            }
            let key = KEYS
                .iter()
                .filter(|key| key.section() == section)
                .find(|key| sets(line, key));
            match key.and_then(|key| Some((key, check::value(&table, key)?))) {
                Some((key, value)) => text += &format!("{} = {value}", key.last_name()),
                None => text += line,
            }
            text.push('\n');
        }
        Ok(text)
    }

    /// The keys, with their sections, whose values differ from those of `other`, with their values here as
    /// TOML has them, `None` for keys that are not given here.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<(&'static str, Option<String>)> {
        let tables = (self.to_table(), other.to_table());
        let (Ok(here), Ok(there)) = tables else {
            return Vec::new();
        };
        let differing = KEYS.iter().filter_map(|key| {
            let (here, there) = (check::value(&here, key), check::value(&there, key));
            (here != there).then(|| (key.name, here.map(Value::to_string)))
        });
        differing.collect()
    }

    pub(super) fn to_table(&self) -> Result<Table, ProfileError> {
        Table::try_from(self).map_err(|error| ProfileError::Syntax(error.to_string()))
    }
}

/// Whether a line of a file gives a key its value, or shows how to in a comment.
fn sets(line: &str, key: &Key) -> bool {
    let line = line.strip_prefix("# ").unwrap_or(line);
    let rest = line.strip_prefix(key.last_name());
    rest.is_some_and(|rest| rest.starts_with(" = "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BALANCED: &str = BuiltInProfile::ALL[0].text;

    #[test]
    fn the_commented_file_is_the_default() {
        let read = TieringProfile::from_toml(BALANCED);
        assert_eq!(read, Ok(TieringProfile::default()));
        let text = TieringProfile::default().to_commented_toml().unwrap();
        assert!(BALANCED.ends_with(&text));
        assert!(!text.contains("The defaults."));
    }

    #[test]
    fn the_commented_file_has_every_key_with_its_range() {
        let mut section = "";
        let mut comment = String::new();
        let mut keys = KEYS.iter();
        for line in BALANCED.lines() {
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']');
            } else if line.is_empty() {
                comment.clear();
            } else if line.starts_with('#') && !line.contains(" = ") {
                comment += line.trim_start_matches('#');
            } else {
                let key = keys.next().unwrap_or_else(|| panic!("{line}"));
                assert_eq!(section, key.section(), "{line}");
                assert!(sets(line, key), "{line}");
                let range = format!("Range: {}.", key.range);
                assert!(comment.contains(&range), "{line}: {range}\n{comment}");
            }
        }
        assert_eq!(keys.next().map(|key| key.name), None);
    }

    fn unusual() -> TieringProfile {
        let mut profile = TieringProfile::default();
        profile.workers.count = Some(3);
        profile.tier_up.threshold_in_operators = Some(u64::from(u32::MAX));
        profile.tier_up.eagerness = 0.25;
        profile.optimizer.cpu = "x86-64-v3".to_owned();
        profile
    }

    #[test]
    fn a_profile_survives_being_written() {
        let profile = unusual();
        assert_eq!(TieringProfile::from_toml(&profile.to_toml()), Ok(profile));
        let profile = unusual();
        let text = profile.to_commented_toml().unwrap();
        assert_eq!(TieringProfile::from_toml(&text), Ok(profile));
        assert_eq!(text.lines().count() + 6, BALANCED.lines().count());
    }

    #[test]
    fn differences_are_named_with_their_values() {
        let usual = TieringProfile::default();
        assert_eq!(usual.differences(&usual), []);
        let mut profile = usual.clone();
        profile.workers.count = Some(3);
        profile.optimizer.cpu = "x86-64-v3".to_owned();
        let values = [
            ("workers.count", Some("3".to_owned())),
            ("optimizer.cpu", Some("\"x86-64-v3\"".to_owned())),
        ];
        assert_eq!(profile.differences(&usual), values);
        let gone = [
            ("workers.count", None),
            ("optimizer.cpu", Some("\"native\"".to_owned())),
        ];
        assert_eq!(usual.differences(&profile), gone);
    }
}
