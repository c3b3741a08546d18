//! `cargo xtask wasi-tests`: compiles tests/wasi, the guests that test WASI.
//!
//! What they are and how they are run is in `tests/tests/wasi`; how they are compiled is only here.

use std::path::{Path, PathBuf};

use crate::committed::{Committed, build_folder};
use crate::failure::Failure;
use crate::{files, process, setup};

pub const DETAILS: &str = "\
Compiles tests/wasi/*.c, all of them or the named ones, and writes the .wasm files beside them.
  --check    write nothing; fail if a committed .wasm is not what its source compiles to
A new program is NAME.c, which includes test.h, and an entry in tests/tests/wasi.";

/// The committed files must be reproducible, so it is this version and no other.
const CLANG: &str = "clang-22";

const FLAGS: &[&str] = &[
    // Newer names of the target look in folders that Debian's wasi-libc does not have.
    "--target=wasm32-wasi",
    "--sysroot=/usr",
    "-Wno-deprecated",
    // What this CPU has is within WebAssembly 2.0.
    "-mcpu=generic",
    "-Os",
    // With statement expressions.
    "-std=gnu17",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wl,--strip-all",
];

/// Programs of preview 0 can't have anything of wasi-libc, which imports preview 1.
const WITHOUT_LIBC: &[&str] = &["unstable"];

pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let all = programs()?;
    let (check, names) = parse(arguments, &all)?;
    setup::provide_for("wasi-tests")?;
    let folder = build_folder("wasi-tests")?;
    let mut committed = Committed::new(check);
    for name in &names {
        let source = Path::new(FOLDER).join(format!("{name}.c"));
        let built = folder.join(format!("{name}.wasm"));
        let mut clang = process::program(CLANG);
        clang.args(FLAGS);
        if WITHOUT_LIBC.contains(&name.as_str()) {
            clang.args(["-ffreestanding", "-nostdlib"]);
        }
        process::run(clang.arg(source).arg("-o").arg(&built))?;
        let beside = path().join(format!("{name}.wasm"));
        committed.take(name, &built, &beside)?;
    }
    committed.finish(CLANG, "cargo xtask wasi-tests")
}

/// The sources, relative to the root: so no path of this machine can get into a binary.
const FOLDER: &str = "tests/wasi";

fn path() -> PathBuf {
    process::root().join(FOLDER)
}

/// The names of all programs.
fn programs() -> Result<Vec<String>, Failure> {
    let folder = path();
    let failure = files::failed("reading", &folder);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(&failure)? {
        let path = entry.map_err(&failure)?.path();
        if path.extension().is_some_and(|extension| extension == "c") {
            names.extend(
                path.file_stem()
                    .map(|stem| stem.to_string_lossy().into_owned()),
            );
        }
    }
    names.sort();
    Ok(names)
}

/// Whether only to check, and which programs.
fn parse(arguments: &[String], all: &[String]) -> Result<(bool, Vec<String>), Failure> {
    let mut check = false;
    let mut names = Vec::new();
    for argument in arguments {
        if argument == "--check" {
            check = true;
        } else if all.contains(argument) {
            names.push(argument.clone());
        } else {
            return Err(Failure::Usage(format!(
                "`{argument}` is neither an option of `cargo xtask wasi-tests` nor a program in {FOLDER}"
            )));
        }
    }
    if names.is_empty() {
        names = all.to_vec();
    }
    Ok((check, names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_selects_one_program_and_an_unknown_one_is_a_user_error() {
        let all = programs().unwrap();
        assert!(all.len() > 20, "{all:?}");
        let (check, names) = parse(&["--check".to_owned(), "open".to_owned()], &all).unwrap();
        assert!(check);
        assert_eq!(names, ["open"]);
        assert_eq!(parse(&[], &all).unwrap(), (false, all.clone()));
        assert!(matches!(
            parse(&["opne".to_owned()], &all),
            Err(Failure::Usage(_))
        ));
    }

    #[test]
    fn every_program_is_compiled() {
        for name in programs().unwrap() {
            let built = path().join(format!("{name}.wasm"));
            assert!(
                built.exists(),
                "{}: `cargo xtask wasi-tests`",
                built.display()
            );
        }
    }
}
