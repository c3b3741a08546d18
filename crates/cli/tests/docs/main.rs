//! Parts of the documentation that are made from definitions: the options of the commands, and the keys of profiles.
//!
//! `UPSHIFT_BLESS=1 cargo test -p upshift-cli --test docs` writes them anew.

mod flags;
mod keys;

use std::fs;
use std::path::Path;

use upshift_filetests::{BLESS, blesses, difference};

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");

fn page(name: &str) -> String {
    let path = Path::new(DOCS).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Compares a page with what it is to be, or writes it.
#[track_caller]
fn check(name: &str, expected: &str) {
    if blesses() {
        let path = Path::new(DOCS).join(name);
        fs::write(&path, expected).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        return;
    }
    let found = page(name);
    assert!(
        found == expected,
        "docs/{name} is not what its definition says; {BLESS}=1 writes it anew\n{}",
        difference(&found, expected)
    );
}
