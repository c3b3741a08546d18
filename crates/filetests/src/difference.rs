//! The difference of two texts, line by line.

use std::fmt::Write;

/// Lines around a difference that are shown.
const CONTEXT: usize = 2;

/// The lines that differ, `-` before those of the first text and `+` before those of the second, with a few common
/// ones around them.
#[must_use]
pub fn difference(first: &str, second: &str) -> String {
    let (first, second) = (
        Vec::from_iter(first.lines()),
        Vec::from_iter(second.lines()),
    );
    let marked = marked(&first, &second);
    let is_near = |place: usize| {
        let from = place.saturating_sub(CONTEXT);
        let to = (place + CONTEXT + 1).min(marked.len());
        marked[from..to].iter().any(|line| line.mark != ' ')
    };
    let mut text = String::new();
    for (place, line) in marked.iter().enumerate() {
        if is_near(place) {
            let _ = writeln!(text, "{} {}", line.mark, line.text);
        }
    }
    text
}

struct Marked<'a> {
    mark: char,
    text: &'a str,
}

/// All lines of both texts. Common ones are as many as can be.
fn marked<'a>(first: &[&'a str], second: &[&'a str]) -> Vec<Marked<'a>> {
    // The most common lines from these two places on.
    let mut common = vec![vec![0_usize; second.len() + 1]; first.len() + 1];
    for i in (0..first.len()).rev() {
        for j in (0..second.len()).rev() {
            common[i][j] = if first[i] == second[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut marked = Vec::new();
    while i < first.len() || j < second.len() {
        let (mark, text) = if i < first.len() && j < second.len() && first[i] == second[j] {
            (i, j) = (i + 1, j + 1);
            (' ', first[i - 1])
        } else if j == second.len() || i < first.len() && common[i + 1][j] >= common[i][j + 1] {
            i += 1;
            ('-', first[i - 1])
        } else {
            j += 1;
            ('+', second[j - 1])
        };
        marked.push(Marked { mark, text });
    }
    marked
}

#[test]
fn a_difference_has_its_lines_and_a_few_around() {
    let first = "a\nb\nc\nd\ne\nf\ng\nh";
    assert_eq!(difference(first, first), "");
    let second = "a\nb\nc\nd\nx\nf\ng\nh\ni";
    let expected = "  c\n  d\n- e\n+ x\n  f\n  g\n  h\n+ i\n";
    assert_eq!(difference(first, second), expected);
}
