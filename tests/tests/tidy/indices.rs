//! Indices are of the type of their index space, so that no function's number is taken for a table's, and no position among
//! defined functions for an index that counts imports.

use proc_macro2::{Spacing, TokenStream, TokenTree};

use crate::{File, files, is_code_proper, none, tokens};

/// What parameters, fields and variables are called that are indices.
const INDICES: &[&str] = &[
    "func",
    "function",
    "callee",
    "caller",
    "defined",
    "table",
    "memory",
    "global",
    "local",
    "type_index",
    "segment",
    "slot",
    "loop_number",
    "loop_entry",
    "call_cell",
];

/// Those that are plain numbers all the same: the file, how many, and why.
const PLAIN: &[(&str, usize, &str)] = &[
    (
        "crates/cli/src/error.rs",
        1,
        "a number as the user wrote it",
    ),
    (
        "crates/cli/src/report/mod.rs",
        1,
        "from an event, for people",
    ),
    (
        "crates/cli/src/report/page.rs",
        2,
        "from statistics, for people",
    ),
    ("crates/cli/src/summary.rs", 1, "from samples, for people"),
    (
        "crates/tiering/src/event.rs",
        2,
        "events are the embedding API's",
    ),
    (
        "crates/tiering/src/stats.rs",
        2,
        "statistics are the embedding API's",
    ),
    ("crates/upshift/src/error/kind.rs", 1, "the embedding API's"),
    ("crates/upshift/src/module.rs", 1, "the embedding API's"),
    ("crates/upshift/src/watch.rs", 4, "the embedding API's"),
    ("tiers/llvm/src/guesses.rs", 1, "a test's short form"),
];

/// Whether a type, after its references, is a plain number, or perhaps one.
fn is_plain_number(ty: &[TokenTree]) -> bool {
    let mut ty = ty.iter().skip_while(|token| match token {
        TokenTree::Punct(sign) => matches!(sign.as_char(), '&' | '<'),
        TokenTree::Ident(word) => word == "mut" || word == "Option",
        _ => false,
    });
    let is_number =
        matches!(ty.next(), Some(TokenTree::Ident(word)) if word == "u32" || word == "usize");
    // `u32::MAX` is a value.
    let is_path = matches!(ty.next(), Some(TokenTree::Punct(sign)) if sign.as_char() == ':');
    is_number && !is_path
}

/// The names of indices that are declared as plain numbers.
fn plain(tokens: TokenStream, found: &mut Vec<String>) {
    let tokens = Vec::from_iter(tokens);
    for (place, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(word) if INDICES.iter().any(|index| word == index) => {
                if let Some(TokenTree::Punct(sign)) = tokens.get(place + 1)
                    && (sign.as_char(), sign.spacing()) == (':', Spacing::Alone)
                    && is_plain_number(&tokens[place + 2..])
                {
                    found.push(word.to_string());
                }
            }
            TokenTree::Group(group) => plain(group.stream(), found),
            _ => {}
        }
    }
}

fn plain_in(file: &File) -> Vec<String> {
    let mut found = Vec::new();
    plain(tokens(file), &mut found);
    found
}

#[test]
fn plain_indices_are_found_where_they_are_declared() {
    let text = "fn f(function: u32, table: &mut usize, memory: MemoryIndex, global: Option<u32>) {
        let local: u32 = 0; T { slot: u32::MAX, segment: 3 }; |callee: &u32| other::table::u32 } // func: u32";
    let file = File {
        path: String::new(),
        text: text.to_owned(),
    };
    assert_eq!(
        plain_in(&file),
        ["function", "table", "global", "local", "callee"]
    );
}

#[test]
fn indices_have_the_type_of_their_index_space() {
    let mut wrong = Vec::new();
    for file in files(".rs").iter().filter(|file| is_code_proper(file)) {
        let found = plain_in(file);
        let allowed = PLAIN.iter().find(|(path, ..)| *path == file.path);
        let allowed = allowed.map_or(0, |&(_, count, _)| count);
        if found.len() != allowed {
            let names = found.join(", ");
            wrong.push(format!(
                "{}: {allowed} may be plain numbers: {names}",
                file.path
            ));
        }
    }
    none(&wrong);
}
