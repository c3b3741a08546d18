//! Texts from outside, such as the names of a module, as parts of messages: with any contents, they stay on their line
//! and do nothing to a terminal.

use std::fmt::{self, Write};

/// Characters of a text that are shown at most.
const LONGEST: usize = 512;

/// A text from outside on one line: control characters, line ends, marks of direction and other characters without a shape of their
/// own are escaped as in Rust's `'\u{202e}'`, and of a long text the end is left out.
///
/// ```
/// use upshift_module::Printable;
///
/// assert_eq!(Printable("café 中文").to_string(), "café 中文");
/// assert_eq!(Printable("a\n\u{1b}[31m\u{202e}b").to_string(), "a\\n\\u{1b}[31m\\u{202e}b");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.0.chars();
        for c in chars.by_ref().take(LONGEST) {
            write_char(c, f)?;
        }
        match chars.next() {
            Some(_) => f.write_char('…'),
            None => Ok(()),
        }
    }
}

/// A message of several lines with texts from outside in it, such as lines of a source: [`Printable`] line by line, but of
/// any length. Indentation by tabs stays.
#[derive(Clone, Copy, Debug)]
pub struct PrintableLines<'a>(pub &'a str);

impl fmt::Display for PrintableLines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\n' | '\t' => f.write_char(c),
            c => write_char(c, f),
        })
    }
}

fn write_char(c: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // Quotation marks and backslashes too, and most characters that there are.
    if c.is_ascii_graphic() {
        return f.write_char(c);
    }
    // Characters that `str` escapes anywhere but at its start: there, a mark on top of nothing would be.
    let mut bytes = [b'x'; 5];
    let behind = c.encode_utf8(&mut bytes[1..]).len();
    match std::str::from_utf8(&bytes[..=behind]) {
        Ok(text) => text
            .escape_debug()
            .skip(1)
            .try_for_each(|c| f.write_char(c)),
        Err(_) => f.write_char(char::REPLACEMENT_CHARACTER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_escaped_and_what_has_a_shape_is_not() {
        for (text, shown) in [
            ("f<'a>(\"x\\y\")", "f<'a>(\"x\\y\")"),
            ("e\u{301} ü 中文 🦀", "e\u{301} ü 中文 🦀"),
            ("\0\u{7}\u{7f}\u{9b}", "\\0\\u{7}\\u{7f}\\u{9b}"),
            ("\r\n\t", "\\r\\n\\t"),
            ("\u{2028}\u{2029}\u{85}", "\\u{2028}\\u{2029}\\u{85}"),
            ("\u{200e}\u{200f}\u{61c}", "\\u{200e}\\u{200f}\\u{61c}"),
            (
                "\u{202a}\u{202e}\u{2066}\u{2069}",
                "\\u{202a}\\u{202e}\\u{2066}\\u{2069}",
            ),
            (
                "\u{feff}\u{200b}\u{e0001}\u{fff9}",
                "\\u{feff}\\u{200b}\\u{e0001}\\u{fff9}",
            ),
        ] {
            assert_eq!(Printable(text).to_string(), shown);
        }
        assert_eq!(
            PrintableLines("a\n\tb\r\u{1b}").to_string(),
            "a\n\tb\\r\\u{1b}"
        );
    }

    #[test]
    fn a_long_text_is_cut() {
        let whole = "é".repeat(LONGEST);
        assert_eq!(Printable(&whole).to_string(), whole);
        let shown = Printable(&"é".repeat(10_000_000)).to_string();
        assert_eq!(shown, whole + "…");
        assert_eq!(
            PrintableLines(&"é".repeat(1000))
                .to_string()
                .chars()
                .count(),
            1000
        );
    }
}
