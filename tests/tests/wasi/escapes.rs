//! Attempts to leave a preopen, alone and with a host that moves things meanwhile.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use libtest_mimic::{Failed, Trial};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use upshift_tests::modes::Mode;
use upshift_wasi::Access;

use crate::guest::{Guest, Program, Scene, Tested};
use crate::trial;

pub const PROGRAMS: &[&str] = &["escape", "proc", "race"];

/// How often the guest tries each way through a door, and how many times this is repeated at most until it has met
/// both sides of it.
const RACE_ROUNDS: u32 = 300;
const MOST_RACES: u32 = 100;

pub fn trials(mode: Mode) -> Vec<Trial> {
    vec![
        trial(mode, "escape", escape),
        trial(mode, "proc", proc),
        trial(mode, "race", race),
    ]
}

fn escape(mode: Mode) -> Tested {
    let scene = Scene::new()?;
    let (root, sandbox) = (scene.root(), scene.sandbox());
    symlink("../canary", sandbox.join("to_canary"))?;
    symlink("../outside", sandbox.join("to_outside"))?;
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

fn race(mode: Mode) -> Tested {
    let program = Program::new(mode, "race")?;
    let scene = Scene::new()?;
    let (door, other) = (scene.sandbox().join("door"), scene.sandbox().join("other"));
    fs::create_dir(&door)?;
    fs::write(door.join("file"), "inside")?;
    symlink("../outside", &other)?;

    let ends = AtomicBool::new(false);
    let (mut inside, mut refused) = (0, 0);
    thread::scope(|scope| {
        let host = scope.spawn(|| -> Tested {
            while !ends.load(Ordering::Relaxed) {
                exchange(&door, &other)?;
            }
            Ok(())
        });
        let result = (0..MOST_RACES).try_for_each(|_| {
            if inside > 0 && refused > 0 {
                return Ok(());
            }
            let guest = scene.guest("race")?.arg(RACE_ROUNDS.to_string());
            let ended = guest.run_shared(&program)?;
            ended.check()?;
            let counts = counts(&ended.stdout)?;
            inside += counts.0;
            refused += counts.1;
            Ok(())
        });
        ends.store(true, Ordering::Relaxed);
        result.and(host.join().map_err(|_| Failed::from("the host panicked"))?)
    })?;
    assert!(
        inside > 0 && refused > 0,
        "there was no race: {inside} inside, {refused} refused"
    );
    scene.check_untouched()
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
