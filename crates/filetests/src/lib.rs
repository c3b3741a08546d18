//! Tests whose input and expected output are one file: a folder of inputs, each with what becomes of it behind it, in comments.
//! The file stays a valid input as a whole. What an input is and what becomes of it is the business of the test that
//! calls [`check`].
//!
//! ```text
//! ; A step of a word behind an accessed address becomes a displacement.
//! define i32 @f(ptr %vmctx, i32 %x) {
//! ...
//! ; ---- after
//! ; define i32 @f(ptr %vmctx, i32 %x) {
//! ; ...
//! ```
//!
//! With `UPSHIFT_BLESS=1` in the environment the expected outputs are written anew instead of compared; the difference is
//! then what `git diff` shows.

mod difference;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

pub use difference::difference;

/// Has expected outputs written anew.
pub const BLESS: &str = "UPSHIFT_BLESS";

/// Whether outputs are written anew: the variable is `1`.
#[must_use]
pub fn blesses() -> bool {
    env::var_os(BLESS).is_some_and(|value| value == "1")
}

/// What a line begins with that begins a section, behind the comment's sign.
const MARKER: &str = " ---- ";

/// A part of an expected output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// What stands behind the dashes.
    pub name: String,
    /// Its lines, none where the name says all.
    pub text: String,
}

impl Section {
    /// A section with a text.
    pub fn new(name: &str, text: &str) -> Self {
        Self {
            name: name.to_owned(),
            text: text.trim_matches('\n').to_owned(),
        }
    }
}

/// Compares what becomes of each input of a folder with what stands behind it. An input is a file with this ending; comments
/// begin with `;` in one that ends in `ll`, with `;;` elsewhere.
///
/// # Panics
/// When an output is another one than expected, with the differences of all files; when a file does not begin with a comment
/// that says in a sentence what it shows; and when there is no file.
pub fn check(folder: &Path, ending: &str, outcome: impl Fn(&str) -> Vec<Section>) {
    let blesses = blesses();
    let comment = if ending == "ll" { ";" } else { ";;" };
    let mut failures = String::new();
    for path in files(folder, ending) {
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let Parts {
            input,
            sections: expected,
        } = parts(&text, comment);
        let name = path.display();
        if !says_what_it_shows(input, comment) {
            let _ = writeln!(failures, "{name}: the first line is no sentence");
        }
        let found = outcome(input);
        if found == expected {
            continue;
        }
        if blesses {
            let whole = format!("{}\n{}", input.trim_end(), written(&found, comment));
            fs::write(&path, whole).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        } else {
            let (expected, found) = (written(&expected, ""), written(&found, ""));
            let _ = writeln!(failures, "{name}:\n{}", difference(&expected, &found));
        }
    }
    assert!(
        failures.is_empty(),
        "{failures}\nWhere the new outputs (+) are right, {BLESS}=1 has them written into the files."
    );
}

/// The files of a folder with this ending, in the order of their names.
///
/// # Panics
/// When there is none.
pub fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|it| it == ending))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no file in {folder:?} ends in {ending}");
    paths
}

fn says_what_it_shows(input: &str, comment: &str) -> bool {
    let comments = input.lines().map_while(|line| line.strip_prefix(comment));
    comments.last().is_some_and(|line| line.ends_with('.'))
}

/// A file's parts.
pub struct Parts<'t> {
    /// What is given.
    pub input: &'t str,
    /// What is expected.
    pub sections: Vec<Section>,
}

/// An input, and the sections behind it.
pub fn parts<'t>(text: &'t str, comment: &str) -> Parts<'t> {
    let marker = format!("{comment}{MARKER}");
    let mut input = text.len();
    let mut sections: Vec<Section> = Vec::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end();
        if let Some(name) = content.strip_prefix(&marker) {
            input = input.min(offset);
            sections.push(Section::new(name, ""));
        } else if let Some(section) = sections.last_mut() {
            let content = content.strip_prefix(comment).unwrap_or(content);
            section.text += content.strip_prefix(' ').unwrap_or(content);
            section.text.push('\n');
        }
        offset += line.len();
    }
    let trimmed = sections.iter().map(|it| Section::new(&it.name, &it.text));
    Parts {
        input: &text[..input],
        sections: trimmed.collect(),
    }
}

fn written(sections: &[Section], comment: &str) -> String {
    let mut text = String::new();
    for section in sections {
        let _ = writeln!(text, "\n{comment}{MARKER}{}", section.name);
        for line in section.text.lines() {
            let space = if line.is_empty() { "" } else { " " };
            let _ = writeln!(text, "{comment}{space}{line}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let sections = [
            Section::new("after", "define void @f() {\n\n  ret void\n}\n"),
            Section::new("unchanged", ""),
        ];
        let text = format!("; Says it.\ninput\n{}", written(&sections, ";"));
        let Parts {
            input,
            sections: read,
        } = parts(&text, ";");
        assert_eq!(input, "; Says it.\ninput\n\n");
        assert_eq!(read, sections);
        assert!(text.contains("\n; ---- after\n; define void @f() {\n;\n;   ret void\n; }\n"));
    }

    #[test]
    fn a_file_begins_with_a_sentence() {
        assert!(says_what_it_shows("; One\n; sentence.\ndefine", ";"));
        assert!(!says_what_it_shows("; A heading\ndefine", ";"));
        assert!(!says_what_it_shows("define", ";"));
    }
}
