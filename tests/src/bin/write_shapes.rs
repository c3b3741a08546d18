//! `write-shapes FOLDER [NAME...]`: writes hostile modules, each as large as it is measured, to files of their names.
//! `write-shapes FOLDER --random FIRST COUNT`: writes the random modules of so many seeds, each to `SEED.wasm`.
//!
//! A file of the same name that ends in `.large` stands beside modules whose first function the middle tier refuses for its length.

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use upshift::TieringProfile;
use upshift_tests::shapes::{SHAPES, Shape, random};
use wasmparser::{Parser, Payload};

const USAGE: &str = "usage: write-shapes FOLDER [NAME... | --random FIRST COUNT]";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), String> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *words {
        [] => Err(USAGE.to_owned()),
        [folder, "--random", first, count] => {
            let number = |text: &str| {
                let parsed = text.parse();
                parsed.map_err(|_| format!("`{text}` is no number; {USAGE}"))
            };
            write_random(folder, number(first)?, number(count)?)
        }
        [folder, ref names @ ..] => write_named(folder, names),
    }
}

fn write_random(folder: &str, first: u64, count: u64) -> Result<(), String> {
    for seed in first..first.saturating_add(count) {
        if let Some(module) = random(seed) {
            write(folder, &seed.to_string(), &module)?;
        }
    }
    Ok(())
}

/// How many operators the first defined function has.
fn operators_of_first(module: &[u8]) -> wasmparser::Result<usize> {
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::CodeSectionEntry(body) = payload? {
            return Ok(body.get_operators_reader()?.into_iter().count());
        }
    }
    Ok(0)
}

fn write_named(folder: &str, names: &[&str]) -> Result<(), String> {
    let mut shapes: Vec<&Shape> = Vec::new();
    for name in names {
        let shape = Shape::named(name);
        shapes.push(shape.ok_or_else(|| format!("there is no shape `{name}`"))?);
    }
    if names.is_empty() {
        shapes.extend(SHAPES);
    }
    for shape in shapes {
        write(folder, shape.name, &shape.module(shape.size))?;
    }
    Ok(())
}

fn write(folder: &str, name: &str, module: &[u8]) -> Result<(), String> {
    let write = |end: &str, bytes: &[u8]| {
        let path = Path::new(folder).join(format!("{name}.{end}"));
        fs::write(&path, bytes).map_err(|error| format!("writing {}: {error}", path.display()))
    };
    let most = TieringProfile::default().middle.max_function_operators;
    if operators_of_first(module).is_ok_and(|operators| operators > most) {
        write("large", &[])?;
    }
    write("wasm", module)
}
