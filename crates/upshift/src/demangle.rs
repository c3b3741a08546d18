//! Names that Rust or C++ mangled, readable again. A module chooses the names of its functions itself, so neither
//! the time nor the text has more than a bound.

use std::borrow::Cow;
use std::fmt::{self, Write};

use cpp_demangle::{DemangleOptions, ParseOptions, Symbol};

/// Longer names stay as they are: reading them takes longer than they are long.
const LONGEST_MANGLED: usize = 2048;

/// Bytes of a readable name. A mangled one that refers to parts of itself may stand for any number of them.
const LONGEST_READABLE: usize = 1024;

/// How deep the grammar's rules may be in one another, in a C++ name. The reader tries alternatives one after the other, so
/// the time doubles with depth: 300 bytes of any two parts of the grammar in turn take less than a millisecond
/// with this, and hours without. A template in a template is some seven deep.
const DEEPEST: u32 = 48;

/// A readable form of a name that a compiler mangled; other names as they are. A form that is too long is cut.
pub(crate) fn demangle(name: &str) -> Cow<'_, str> {
    if name.len() > LONGEST_MANGLED {
        return Cow::Borrowed(name);
    }
    let mut readable = Bounded::default();
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        // The alternate form leaves out the hash.
        let written = write!(readable, "{rust:#}");
        return readable
            .finish(written)
            .map_or(Cow::Borrowed(name), Cow::Owned);
    }
    // Anything may look like an Itanium type name (`i` is `int`); only functions start with this.
    if name.starts_with("_Z")
        && let Ok(symbol) =
            Symbol::new_with_options(name, &ParseOptions::default().recursion_limit(DEEPEST))
    {
        let written = symbol.structured_demangle(&mut readable, &DemangleOptions::new());
        if let Some(readable) = readable.finish(written) {
            return Cow::Owned(readable);
        }
    }
    Cow::Borrowed(name)
}

/// Takes so much text and refuses more, which ends the writer.
#[derive(Default)]
struct Bounded {
    text: String,
    is_full: bool,
}

impl Bounded {
    /// The text, unless it ended for another reason than its length.
    fn finish(mut self, written: fmt::Result) -> Option<String> {
        if self.is_full {
            self.text.push('…');
            return Some(self.text);
        }
        written.ok().map(|()| self.text)
    }
}

impl Write for Bounded {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        if self.is_full {
            return Err(fmt::Error);
        }
        let room = LONGEST_READABLE - self.text.len();
        self.text.push_str(&more[..more.floor_char_boundary(room)]);
        self.is_full |= more.len() > room;
        if self.is_full {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rust_and_cpp_are_demangled_and_others_kept() {
        assert_eq!(demangle("_ZN3foo3bar17h05af221e174051e9E"), "foo::bar");
        assert_eq!(demangle("_RNvC6_123foo3bar"), "123foo::bar");
        assert_eq!(demangle("_ZN5stack4pushEi"), "stack::push(int)");
        assert_eq!(demangle("main"), "main");
        assert_eq!(demangle("i"), "i");
        assert_eq!(demangle("_Z"), "_Z");
        let map = "_ZNSt3mapINSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEESt6vectorISt10unique_ptrIiSt14default_deleteIiEESaISA_EESt4lessIS5_ESaISt4pairIKS5_SC_EEE5eraseERSG_";
        assert!(demangle(map).starts_with("std::map<std::__cxx11::basic_string"));
    }

    #[test]
    fn readable_names_are_bounded() {
        // Each parameter is a pair of the one before, twice: 2^10 names.
        let mut name = "_Z1fSt4pairIiiE".to_owned();
        for part in ["0", "2", "4", "6", "8", "A", "C", "E", "G"] {
            name.push_str(&format!("St4pairIS{part}_S{part}_E"));
        }
        let text = demangle(&name);
        assert!(text.starts_with("f(std::pair<int, int>, "), "{text}");
        assert!(text.ends_with('…') && text.len() <= LONGEST_READABLE + '…'.len_utf8());
        // A name that is long in itself.
        let long = format!("_Z{}{}v", 1500, "x".repeat(1500));
        let text = demangle(&long);
        assert_eq!(text, format!("{}…", "x".repeat(LONGEST_READABLE)));
        let longer = format!("_Z{}{}v", 2500, "x".repeat(2500));
        assert_eq!(demangle(&longer), longer);
        // Characters stay whole.
        let mut text = Bounded::default();
        let written = write!(text, "x{}", "é".repeat(LONGEST_READABLE));
        assert!(written.is_err() && text.write_str("y").is_err());
        let text = text.finish(written);
        assert_eq!(text.unwrap(), format!("x{}…", "é".repeat(511)));
        // A name that is too deep stays as it is.
        let deep = format!("_Z1f{}i", "P".repeat(200));
        assert_eq!(demangle(&deep), deep);
    }
}
