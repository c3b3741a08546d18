//! Conversions by `as`, which lose bits without a word. `From`, `TryFrom`, `cast_signed` and `cast_unsigned` say what they do.

use proc_macro2::{TokenStream, TokenTree};

use crate::{files, is_code_proper, none, tokens};

/// Casts between numbers and pointers that the code proper of `crates` and `tiers` has for a thousand lines, at most.
const MOST: f64 = 1.5;

const NUMBERS: &[&str] = &[
    "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "f32",
    "f64",
];

/// Casts in a stream of tokens, where comments and texts are none.
fn count(tokens: TokenStream) -> usize {
    let mut casts = 0;
    let mut after_as = false;
    for token in tokens {
        match &token {
            TokenTree::Ident(word) if after_as && NUMBERS.iter().any(|number| word == number) => {
                casts += 1
            }
            TokenTree::Punct(sign) if after_as && sign.as_char() == '*' => casts += 1,
            TokenTree::Group(group) => casts += count(group.stream()),
            _ => {}
        }
        after_as = matches!(&token, TokenTree::Ident(word) if word == "as");
    }
    casts
}

#[test]
fn casts_are_counted_in_code_only() {
    let text = "// x as u8\nuse a as b; fn f(x: u8) -> [u32; 2] { let _ = \"as u8\"; [x as u32, <u8 as Into<u32>>::into(x)] }\n\
                fn p(x: &u8) -> *const u8 { x as *const u8 }";
    assert_eq!(count(text.parse().unwrap()), 2);
}

#[test]
fn casts_are_rare() {
    let (mut lines, mut casts) = (0, 0);
    for file in files(".rs").iter().filter(|file| is_code_proper(file)) {
        casts += count(tokens(file));
        lines += file.text.lines().count();
    }
    let rate = 1000.0 * casts as f64 / lines as f64;
    let wrong =
        format!("{casts} casts in {lines} lines: {rate:.2} for a thousand, and {MOST} at most");
    none(&Vec::from_iter((rate > MOST).then_some(wrong)));
}
