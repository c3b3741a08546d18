//! Errors of a profile, in words for its author.

use super::BuiltInProfile;

/// Why a profile can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// Not TOML, or a value of the wrong kind. The message shows the line.
    #[error("the tiering profile can't be read: {0}")]
    Syntax(String),
    /// A file can't be read.
    #[error("cannot read {file}: {error}")]
    Read {
        /// Which.
        file: String,
        /// The system's error.
        error: String,
    },
    /// An error in a file.
    #[error("{file}: {error}")]
    InFile {
        /// Which.
        file: String,
        /// The error in it.
        error: Box<ProfileError>,
    },
    /// A profile that does not come with Upshift.
    #[error(
        "there is no profile `{name}`{}\nOne of your own is given by the path of its file.",
        hint(.similar, .known)
    )]
    UnknownProfile {
        /// The name that was asked for.
        name: String,
        /// The name that is most like it.
        similar: Option<&'static str>,
        /// All names that there are.
        known: Vec<&'static str>,
    },
    /// A key, or a section, that there is not.
    #[error("the tiering profile has no key `{key}`{}", hint(.similar, .known))]
    UnknownKey {
        /// The key in question, with its section.
        key: String,
        /// The name that is most like it.
        similar: Option<&'static str>,
        /// All names that are possible there.
        known: Vec<&'static str>,
    },
    /// A value out of its range.
    #[error("`{key}` of the tiering profile is {value}, but must be {allowed}")]
    OutOfRange {
        /// The key, with its section.
        key: &'static str,
        /// Its value.
        value: String,
        /// The range of values.
        allowed: String,
    },
    /// Two keys that exclude each other.
    #[error("the tiering profile sets both `{one}` and `{other}`: one of them is enough")]
    Conflict {
        /// One.
        one: &'static str,
        /// The other.
        other: &'static str,
    },
}

impl ProfileError {
    #[cold]
    pub(super) fn syntax(error: toml::de::Error) -> Self {
        Self::Syntax(error.to_string().trim_end().to_owned())
    }

    #[cold]
    pub(super) fn unknown(key: String, name: &str, known: &[&'static str]) -> Self {
        Self::UnknownKey {
            key,
            similar: similar(name, known),
            known: known.to_vec(),
        }
    }

    #[cold]
    pub(super) fn no_profile(name: &str) -> Self {
        let known: Vec<_> = BuiltInProfile::ALL.iter().map(|it| it.name).collect();
        Self::UnknownProfile {
            name: name.to_owned(),
            similar: similar(name, &known),
            known,
        }
    }
}

fn similar(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let likeness = |known: &&'static str| (strsim::jaro_winkler(name, known), *known);
    let nearest = known.iter().map(likeness);
    let nearest = nearest.max_by(|a, b| a.0.total_cmp(&b.0));
    nearest
        .filter(|(likeness, _)| *likeness > 0.8)
        .map(|(_, known)| known)
}

fn hint(similar: &Option<&'static str>, known: &[&'static str]) -> String {
    match similar {
        Some(similar) => format!("; did you mean `{similar}`?"),
        None => format!("; there are `{}`", known.join("`, `")),
    }
}
