//! Exports told to a user who named one that isn't there: all of them, and the likely ones.

use upshift::{ExternType, Module};
use upshift_module::Printable;

/// A text that goes on from "... has no export": a suggestion, and the functions that can be called.
pub(crate) fn describe(module: &Module, wanted: Option<&str>) -> String {
    const LISTED: usize = 40;
    let functions: Vec<_> = module
        .exports()
        .filter_map(|export| match export.ty() {
            ExternType::Func(ty) => Some((printable(export.name()), ty)),
            _ => None,
        })
        .collect();
    if functions.is_empty() {
        return "; it exports no functions".to_owned();
    }
    let names = functions.iter().map(|(name, _)| name.as_str());
    let mut text = match wanted.and_then(|wanted| nearest(wanted, names)) {
        Some(name) => format!("; did you mean `{name}`?"),
        None => String::new(),
    };
    text.push_str("\nIt exports these functions:");
    for (name, ty) in functions.iter().take(LISTED) {
        text.push_str(&format!("\n  {name} {ty}"));
    }
    if let Some(more @ 1..) = functions.len().checked_sub(LISTED) {
        text.push_str(&format!(
            "\n  … and {more} more (`upshift inspect` lists all)"
        ));
    }
    text
}

/// A name of the module as it can be shown, for it may come from anywhere.
pub(crate) fn printable(name: &str) -> String {
    Printable(name).to_string()
}

/// The name most like `wanted`, if any is like it at all.
pub(crate) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const LIKE: f64 = 0.8;
    // Comparing takes as long as one is long, times the other.
    const LONGEST: usize = 256;
    let wanted = wanted.to_lowercase();
    names
        .filter(|name| name.len() <= LONGEST && wanted.len() <= LONGEST)
        .map(|name| (strsim::jaro_winkler(&wanted, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness >= LIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_reach_the_terminal_raw() {
        assert_eq!(
            printable("é\u{1b}[31m\n\u{202e}"),
            "é\\u{1b}[31m\\n\\u{202e}"
        );
    }

    #[test]
    fn the_nearest_name_is_suggested_and_an_unlike_one_is_not() {
        let names = ["fibonacci", "factorial", "memory_size"];
        let nearest = |wanted| nearest(wanted, names.into_iter());
        assert_eq!(nearest("fibonaci"), Some("fibonacci"));
        assert_eq!(nearest("Factorial"), Some("factorial"));
        assert_eq!(nearest("xyz"), None);
    }
}
