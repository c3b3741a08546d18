//! `write-shapes FOLDER [NAME...]`: writes hostile modules, each as large as it is measured, to files of their names.

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use upshift_tests::shapes::{SHAPES, Shape};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match write(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(arguments: &[String]) -> Result<(), String> {
    let Some((folder, names)) = arguments.split_first() else {
        return Err("usage: write-shapes FOLDER [NAME...]".to_owned());
    };
    let mut shapes: Vec<&Shape> = Vec::new();
    for name in names {
        let shape = Shape::named(name);
        shapes.push(shape.ok_or_else(|| format!("there is no shape `{name}`"))?);
    }
    if names.is_empty() {
        shapes.extend(SHAPES);
    }
    for shape in shapes {
        let path = Path::new(folder).join(format!("{}.wasm", shape.name));
        let module = shape.module(shape.size);
        fs::write(&path, module).map_err(|error| format!("writing {}: {error}", path.display()))?;
    }
    Ok(())
}
