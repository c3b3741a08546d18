//! The profiles that come with Upshift: the files in `profiles`, in the program.

use super::{ProfileError, TieringProfile};

/// A profile that comes with Upshift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltInProfile {
    /// The name of the profile.
    pub name: &'static str,
    /// Its file, with comments.
    pub text: &'static str,
}

macro_rules! profiles {
    ($($name:literal)*) => {
        &[$(BuiltInProfile {
            name: $name,
            text: include_str!(concat!("../../../../profiles/", $name, ".toml")),
        },)*]
    };
}

impl BuiltInProfile {
    /// All of them, the default first.
    pub const ALL: &[Self] = profiles!("balanced" "latency" "throughput" "shared" "cranelift" "baseline-only" "llvm-only");

    /// The one of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|profile| profile.name == name)
    }

    /// The purpose in a line: the first of its file.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        let first = self.text.lines().next().unwrap_or_default();
        first.trim_start_matches("# ")
    }

    /// The profile.
    ///
    /// # Panics
    /// Never: the files are checked by tests.
    #[must_use]
    pub fn profile(&self) -> TieringProfile {
        TieringProfile::from_toml(self.text).expect("a file of this crate")
    }
}

impl TieringProfile {
    /// A profile that comes with Upshift, by name.
    ///
    /// ```
    /// use upshift_tiering::TieringProfile;
    ///
    /// let shared = TieringProfile::named("shared")?;
    /// assert_eq!(shared.workers.count, Some(1));
    /// let error = TieringProfile::named("throughtput").unwrap_err();
    /// assert!(error.to_string().contains("did you mean `throughput`?"));
    /// # Ok::<(), upshift_tiering::ProfileError>(())
    /// ```
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn named(name: &str) -> Result<Self, ProfileError> {
        BuiltInProfile::find(name)
            .map(BuiltInProfile::profile)
            .ok_or_else(|| ProfileError::no_profile(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_profile_and_says_what_it_is_for() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../profiles");
        let files = std::fs::read_dir(folder).unwrap().count();
        assert_eq!(files, BuiltInProfile::ALL.len());
        for profile in BuiltInProfile::ALL {
            let read = TieringProfile::from_toml(profile.text);
            assert_eq!(read, Ok(profile.profile()), "{}", profile.name);
            assert!(profile.text.starts_with("# "), "{}", profile.name);
            assert!(profile.summary().ends_with('.'), "{}", profile.name);
        }
    }

    #[test]
    fn each_differs_from_the_others() {
        for (index, one) in BuiltInProfile::ALL.iter().enumerate() {
            for other in &BuiltInProfile::ALL[..index] {
                assert_ne!(
                    one.profile(),
                    other.profile(),
                    "{} {}",
                    one.name,
                    other.name
                );
            }
        }
    }

    /// So that a file does not claim to change a key that it leaves alone.
    #[test]
    fn all_but_the_default_have_only_keys_that_differ_from_it() {
        let usual = TieringProfile::default();
        for profile in &BuiltInProfile::ALL[1..] {
            let named = profile.text.lines().filter(|line| line.contains(" = "));
            let named = named.filter(|line| !line.starts_with('#')).count();
            let differing = profile.profile().differences(&usual).len();
            assert_eq!(named, differing, "{}", profile.name);
        }
    }
}
