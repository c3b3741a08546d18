//! `cargo xtask fuzz --files`: guests go through paths while the host renames and links at full speed, on several file
//! systems. What they may meet is in `tests/tests/wasi/escapes.rs`.

use std::path::Path;
use std::process::Command;

use crate::failure::Failure;
use crate::{files, process};

/// On each file system.
const SECONDS: u32 = 600;

/// The races, in one mode of the engine: paths are the same in all.
const FILTER: &str = "auto::race";

/// Mounts an overlay for one command in a namespace of its own: `$1` is the folder for it, and all that follows the command.
const OVERLAY: &str = "cd \"$1\" && shift && mkdir -p lower upper work merged && \
    mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged && \
    TMPDIR=\"$PWD/merged\" && export TMPDIR && cd - >/dev/null && exec \"$@\"";

pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let seconds = match arguments {
        [] => SECONDS,
        [seconds] => seconds
            .parse()
            .map_err(|_| Failure::Usage(format!("`{seconds}` is not a number of whole seconds")))?,
        _ => {
            return Err(Failure::Usage(
                "`--files` takes nothing but a number of seconds".to_owned(),
            ));
        }
    };
    process::run(process::cargo().args(TEST).arg("--no-run"))?;
    let folder = process::target().join("races");
    std::fs::create_dir_all(&folder).map_err(files::failed("making", &folder))?;
    println!("in {}, for {seconds} s", folder.display());
    race(process::cargo().env("TMPDIR", &folder), seconds)?;
    let shared = Path::new("/dev/shm");
    if shared.is_dir() {
        println!("in {} (tmpfs), for {seconds} s", shared.display());
        race(process::cargo().env("TMPDIR", shared), seconds)?;
    }
    overlay(&folder, seconds)
}

/// `cargo`'s arguments for the tests of WASI. It is the system that is at work here, so they are built as for testing.
const TEST: [&str; 4] = ["test", "--workspace", "--test", "wasi"];

fn race(cargo: &mut Command, seconds: u32) -> Result<(), Failure> {
    process::run(
        cargo
            .args(TEST)
            .args(["--", "--nocapture", FILTER])
            .env("UPSHIFT_RACE_SECONDS", seconds.to_string()),
    )
}

/// Where mounting is not permitted, it is left out, which is told.
fn overlay(folder: &Path, seconds: u32) -> Result<(), Failure> {
    let in_overlay = |words: &[&str]| {
        let mut command = process::program("unshare");
        command
            .args(["--mount", "--map-root-user", "sh", "-c", OVERLAY, "sh"])
            .arg(folder)
            .args(words);
        command
    };
    if process::quiet_output(&mut in_overlay(&["true"])).is_none() {
        println!("SKIPPED: overlayfs, for it can't be mounted here");
        return Ok(());
    }
    println!("in an overlay, for {seconds} s");
    let cargo = process::cargo();
    let cargo = cargo.get_program().to_string_lossy();
    race(&mut in_overlay(&[&cargo]), seconds)
}
