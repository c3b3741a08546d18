//! What functions return together has named fields. A pair of two things that nobody takes for one another may stay one.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::{File, files, is_code_proper, none, tokens};

/// Functions of `crates` and `tiers` whose result has a tuple, at most.
const MOST: usize = 52;
/// Members that a tuple of a result has, at most.
const MOST_MEMBERS: usize = 2;

/// Functions that may return larger ones, and why.
const LARGER: &[(&str, &str, &str)] = &[(
    "crates/upshift/src/linker.rs",
    "iter",
    "the embedding API's",
)];

/// A function whose result has a tuple.
struct Found {
    function: String,
    members: usize,
}

fn is_sign(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(sign)) if sign.as_char() == wanted)
}

/// How many members the largest tuple has that a type has in it; 0 without one.
fn largest_tuple(ty: &[TokenTree]) -> usize {
    let mut largest = 0;
    for (place, token) in ty.iter().enumerate() {
        let TokenTree::Group(group) = token else {
            continue;
        };
        let inside = Vec::from_iter(group.stream());
        // What follows a name are the parameters of a function's type.
        let follows_name = place > 0 && matches!(ty[place - 1], TokenTree::Ident(_));
        if group.delimiter() == Delimiter::Parenthesis && !follows_name {
            largest = largest.max(members(&inside));
        }
        largest = largest.max(largest_tuple(&inside));
    }
    largest
}

/// How many members these are, if they are a tuple's.
fn members(inside: &[TokenTree]) -> usize {
    let (mut depth, mut commas) = (0_i32, 0);
    for (place, token) in inside.iter().enumerate() {
        let is_arrow = place > 0 && is_sign(inside.get(place - 1), '-');
        if is_sign(Some(token), '<') {
            depth += 1;
        } else if is_sign(Some(token), '>') && !is_arrow {
            depth -= 1;
        } else if is_sign(Some(token), ',') && depth == 0 && place + 1 < inside.len() {
            commas += 1;
        }
    }
    if commas == 0 { 0 } else { commas + 1 }
}

/// The type behind the arrow of a function whose parameters are the first in parentheses from here on.
fn result(rest: &[TokenTree]) -> &[TokenTree] {
    let is_group = |token: &TokenTree, wanted| matches!(token, TokenTree::Group(group) if group.delimiter() == wanted);
    // Parameters of the function's generics may be functions themselves.
    let mut depth = 0_i32;
    let params = rest.iter().enumerate().position(|(place, token)| {
        if is_sign(Some(token), '<') {
            depth += 1;
        } else if is_sign(Some(token), '>') && !(place > 0 && is_sign(rest.get(place - 1), '-')) {
            depth -= 1;
        }
        depth == 0 && is_group(token, Delimiter::Parenthesis)
    });
    let Some(params) = params else { return &[] };
    let behind = &rest[params + 1..];
    if !is_sign(behind.first(), '-') {
        return &[];
    }
    let end = behind.iter().position(|token| {
        is_group(token, Delimiter::Brace)
            || is_sign(Some(token), ';')
            || matches!(token, TokenTree::Ident(word) if word == "where")
    });
    &behind[..end.unwrap_or(behind.len())]
}

fn find(tokens: TokenStream, found: &mut Vec<Found>) {
    let tokens = Vec::from_iter(tokens);
    for (place, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(word) if word == "fn" => {
                if let Some(TokenTree::Ident(name)) = tokens.get(place + 1) {
                    let members = largest_tuple(result(&tokens[place + 2..]));
                    let function = name.to_string();
                    found.extend((members > 0).then_some(Found { function, members }));
                }
            }
            TokenTree::Group(group) => find(group.stream(), found),
            _ => {}
        }
    }
}

fn found_in(file: &File) -> Vec<Found> {
    let mut found = Vec::new();
    find(tokens(file), &mut found);
    found
}

#[test]
fn tuples_are_found_in_results_only() {
    let text = "fn a() -> (u8, u8) { (1, 2) } fn b(x: (u8, u8)) -> u8 { 1 } fn c() -> Option<(u8, (u8, u8, u8),)> {}
        fn d<F: Fn(u8, u8) -> u8>(f: F) -> impl Fn(u8, u8) -> u8 {} fn e() -> (HashMap<u8, u8>) {} fn f() {}
        trait T { fn g(&self) -> Result<(), E>; fn h() -> [(u8, u8); 2] where Self: Sized; }";
    let file = File {
        path: String::new(),
        text: text.to_owned(),
    };
    let found: Vec<_> = found_in(&file)
        .into_iter()
        .map(|found| (found.function, found.members))
        .collect();
    let expected = [("a", 2), ("c", 3), ("h", 2)];
    assert_eq!(
        found,
        expected.map(|(name, members)| (name.to_owned(), members))
    );
}

#[test]
fn few_functions_return_tuples() {
    let (mut count, mut wrong) = (0, Vec::new());
    for file in files(".rs").iter().filter(|file| is_code_proper(file)) {
        let found = found_in(file);
        count += found.len();
        let may_be = |found: &&Found| {
            let mut larger = LARGER.iter();
            larger.any(|&(path, name, _)| (path, name) == (&*file.path, &*found.function))
        };
        let large = found.iter().filter(|found| found.members > MOST_MEMBERS);
        let large = large.filter(|found| !may_be(found));
        wrong.extend(large.map(|found| format!("{}: {}", file.path, found.function)));
    }
    if count > MOST {
        wrong.push(format!("{count} functions return tuples, {MOST} at most"));
    }
    none(&wrong);
}
