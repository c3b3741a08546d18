//! What every source file keeps to.

use crate::{files, none};

/// Lines of a file, at most. What is longer has two subjects.
const LONGEST_FILE: usize = 720;
/// Columns of a comment's line, at most. The formatter sees to code.
const LONGEST_COMMENT: usize = 135;

#[test]
fn every_file_says_what_its_subject_is() {
    let is_bare = |text: &str| !text.starts_with("//!") && !text.starts_with("#!");
    let sources = files(".rs");
    let bare = sources.iter().filter(|file| is_bare(&file.text));
    // A module's tests are about that module.
    let bare =
        bare.filter(|file| !file.path.ends_with("tests.rs") && !file.path.contains("/tests_of_"));
    none(&bare.map(|file| file.path.clone()).collect::<Vec<_>>());
}

#[test]
fn files_and_comments_have_a_length_that_can_be_read() {
    let mut wrong = Vec::new();
    for file in files(".rs") {
        let lines = file.text.lines().count();
        if lines > LONGEST_FILE {
            wrong.push(format!("{}: {lines} lines", file.path));
        }
        for (line, number) in file.text.lines().zip(1..) {
            let columns = line.chars().count();
            if line.trim_start().starts_with("//") && columns > LONGEST_COMMENT {
                wrong.push(format!("{}:{number}: {columns} columns", file.path));
            }
        }
    }
    none(&wrong);
}

#[test]
fn nothing_is_left_for_later_in_the_code() {
    // In two parts, so that this file does not have them.
    let words = [
        ("to", "do!"),
        ("unimple", "mented!"),
        ("dbg", "!("),
        ("TO", "DO"),
        ("FIX", "ME"),
        ("XX", "X:"),
    ];
    let words = words.map(|(start, end)| format!("{start}{end}"));
    let mut wrong = Vec::new();
    for file in files(".rs") {
        for (line, number) in file.text.lines().zip(1..) {
            if let Some(word) = words.iter().find(|&word| line.contains(word.as_str())) {
                wrong.push(format!("{}:{number}: {word}", file.path));
            }
        }
    }
    none(&wrong);
}
