//! The words of a command line, one after the other: options, their values, and names.

use std::path::PathBuf;
use std::slice;
use std::str::FromStr;

use crate::failure::Failure;

/// What is left of a command line.
pub struct Words<'a> {
    /// The command that the words are for.
    command: &'static str,
    rest: slice::Iter<'a, String>,
    /// The word that was taken last.
    current: &'a str,
}

impl<'a> Words<'a> {
    /// The words that follow `command`.
    pub fn new(command: &'static str, arguments: &'a [String]) -> Self {
        Self {
            command,
            rest: arguments.iter(),
            current: command,
        }
    }

    /// The next word.
    pub fn take(&mut self) -> Option<&'a str> {
        let word = self.rest.next()?;
        self.current = word;
        Some(word)
    }

    /// The value of the option that was taken last.
    pub fn value(&mut self) -> Result<&'a str, Failure> {
        let option = self.current;
        let value = self.rest.next().map(String::as_str);
        value.ok_or_else(|| Failure::Usage(format!("`{option}` wants a value")))
    }

    /// The same as a number.
    pub fn positive<N: FromStr + Default + PartialEq>(&mut self) -> Result<N, Failure> {
        self.value().and_then(positive)
    }

    /// The same as a file's name.
    pub fn path(&mut self) -> Result<PathBuf, Failure> {
        self.value().map(PathBuf::from)
    }

    /// The same as a list with commas, each part being read by `read`.
    pub fn list<T>(
        &mut self,
        read: impl FnMut(&'a str) -> Result<T, Failure>,
    ) -> Result<Vec<T>, Failure> {
        self.value()?.split(',').map(read).collect()
    }

    /// The error of a word that is no option of the command.
    pub fn unknown(&self) -> Failure {
        let (word, command) = (self.current, self.command);
        Failure::Usage(format!(
            "no option `{word}`; see `cargo xtask help {command}`"
        ))
    }
}

/// A number that is not zero.
pub fn positive<N: FromStr + Default + PartialEq>(text: &str) -> Result<N, Failure> {
    match text.parse::<N>() {
        Ok(number) if number != N::default() => Ok(number),
        _ => Err(Failure::Usage(format!("`{text}` is not a positive number"))),
    }
}

/// The one of `all` that has this name. `what` is what they are, for the error.
pub fn find<T>(
    what: &str,
    all: &'static [T],
    name_of: impl Fn(&'static T) -> &'static str,
    name: &str,
) -> Result<&'static T, Failure> {
    all.iter().find(|one| name_of(one) == name).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(&name_of).collect();
        let names = names.join(", ");
        Failure::Usage(format!("no {what} `{name}`; there are: {names}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_take_their_values_and_say_what_is_wrong_with_them() {
        let words = "--rounds 3 name --sizes 1,2 --rounds 0 --fast --json".split(' ');
        let words: Vec<String> = words.map(str::to_owned).collect();
        let mut words = Words::new("compare", &words);
        assert_eq!(words.take(), Some("--rounds"));
        assert_eq!(words.positive::<usize>().unwrap(), 3);
        assert_eq!(words.take(), Some("name"));
        assert_eq!(words.take(), Some("--sizes"));
        assert_eq!(words.list(positive::<u32>).unwrap(), [1, 2]);
        assert_eq!(words.take(), Some("--rounds"));
        let failure = words.positive::<usize>().unwrap_err();
        assert_eq!(failure.to_string(), "`0` is not a positive number");
        assert_eq!(words.take(), Some("--fast"));
        let failure = words.unknown().to_string();
        assert_eq!(
            failure,
            "no option `--fast`; see `cargo xtask help compare`"
        );
        assert_eq!(words.take(), Some("--json"));
        let failure = words.path().unwrap_err().to_string();
        assert_eq!(failure, "`--json` wants a value");
        assert_eq!(words.take(), None);
    }
}
