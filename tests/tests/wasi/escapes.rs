//! Attempts to leave a preopen, alone and with a host that moves things meanwhile.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use upshift_tests::modes::Mode;
use upshift_wasi::Access;

use crate::guest::{GUEST_NAME, Guest, Program, Scene, Tested};
use crate::trial;

pub const PROGRAMS: &[&str] = &["escape", "moved", "proc", "race"];

/// How often a guest tries each way, and how many guests run at most until both outcomes were met.
const RACE_ROUNDS: u32 = 300;
const MOST_RACES: u32 = 100;

pub fn trials(mode: Mode) -> Vec<Trial> {
    vec![
        trial(mode, "escape", escape),
        trial(mode, "proc", proc),
        trial(mode, "race", race),
        trial(mode, "race_moved", moved),
    ]
}

pub fn escape(mode: Mode) -> Tested {
    // A link that ends like this says that it leads to a directory.
    for end in ["", "/", "//", "/."] {
        escape_with(mode, end)?;
    }
    Ok(())
}

fn escape_with(mode: Mode, end: &str) -> Tested {
    let scene = Scene::new()?;
    let (root, sandbox) = (scene.root(), scene.sandbox());
    symlink("../canary", sandbox.join("to_canary"))?;
    symlink(format!("../outside{end}"), sandbox.join("to_outside"))?;
    symlink(root.join("outside"), sandbox.join("absolute"))?;
    symlink("/proc/self", sandbox.join("to_proc"))?;
    let guest = scene.guest("escape")?.arg(root);
    guest.run(mode)?.check()?;
    scene.check_untouched()
}

fn proc(mode: Mode) -> Tested {
    let mut guest = Guest::new("proc")?;
    guest
        .ctx
        .preopened_dir("/proc", "/proc", Access::ReadWrite)?;
    guest.run(mode)?.check()
}

pub fn race(mode: Mode) -> Tested {
    let scene = Scene::new()?;
    let (door, other) = (scene.sandbox().join("door"), scene.sandbox().join("other"));
    fs::create_dir(&door)?;
    fs::write(door.join("file"), "inside")?;
    symlink("../outside", &other)?;
    let guest = || scene.guest("race");
    race_with(&Program::new(mode, "race")?, guest, || {
        exchange(&door, &other)
    })?;
    scene.check_untouched()
}

/// A folder leaves the preopen and comes back while paths go through it and up again.
pub fn moved(mode: Mode) -> Tested {
    let scene = Scene::new()?;
    let (preopen, elsewhere) = (
        scene.sandbox().join("preopen"),
        scene.sandbox().join("elsewhere"),
    );
    fs::create_dir_all(preopen.join("deep/a"))?;
    fs::create_dir(&elsewhere)?;
    fs::write(scene.sandbox().join("canary"), "canary")?;
    let (here, there) = (preopen.join("deep/a"), elsewhere.join("a"));
    let guest = || Guest::new("moved")?.preopened(&preopen, GUEST_NAME);
    race_with(&Program::new(mode, "moved")?, guest, || {
        fs::rename(&here, &there)?;
        Ok(fs::rename(&there, &here)?)
    })?;
    let mut names: Vec<_> = fs::read_dir(scene.sandbox())?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<_, _>>()?;
    names.sort();
    assert_eq!(names, ["canary", "elsewhere", "preopen"]);
    assert_eq!(fs::read(scene.sandbox().join("canary"))?, b"canary");
    scene.check_untouched()
}

/// How long races go on at least: as long as somebody who runs them by command says (`cargo xtask fuzz --files`).
fn time_of_races() -> Duration {
    let seconds = std::env::var("UPSHIFT_RACE_SECONDS");
    let seconds = seconds.ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(0))
}

/// Runs guests while the host does something over and over, until they have met both sides of it.
fn race_with(
    program: &Program,
    guest: impl Fn() -> Result<Guest, Failed>,
    host: impl Fn() -> Tested + Sync,
) -> Tested {
    let ends = AtomicBool::new(false);
    let (mut inside, mut refused, mut races) = (0, 0, 0);
    let (start, time) = (Instant::now(), time_of_races());
    thread::scope(|scope| {
        let host = scope.spawn(|| -> Tested {
            while !ends.load(Ordering::Relaxed) {
                host()?;
            }
            Ok(())
        });
        let mut run = || {
            while start.elapsed() < time || races < MOST_RACES && (inside == 0 || refused == 0) {
                let ended = guest()?.arg(RACE_ROUNDS.to_string()).run_shared(program)?;
                ended.check()?;
                let counts = counts(&ended.stdout)?;
                inside += counts.0;
                refused += counts.1;
                races += 1;
            }
            Ok(())
        };
        let result = run();
        ends.store(true, Ordering::Relaxed);
        result.and(host.join().map_err(|_| Failed::from("the host panicked"))?)
    })?;
    if !time.is_zero() {
        eprintln!("{races} guests: {inside} calls came through, {refused} were refused");
    }
    assert!(
        inside > 0 && refused > 0,
        "there was no race: {inside} inside, {refused} refused"
    );
    Ok(())
}

/// Lets two names change places, at once where the file system can do that.
fn exchange(one: &Path, other: &Path) -> Tested {
    match renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE) {
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            let aside = one.with_file_name("aside");
            fs::rename(one, &aside)?;
            fs::rename(other, one)?;
            Ok(fs::rename(aside, other)?)
        }
        result => Ok(result?),
    }
}

/// The numbers of "inside 5 refused 7".
fn counts(line: &str) -> Result<(u64, u64), Failed> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        ["inside", inside, "refused", refused] => Ok((inside.parse()?, refused.parse()?)),
        _ => Err(format!("the guest printed {line:?}").into()),
    }
}
