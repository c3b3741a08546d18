//! `upshift tune` with the real command: that it runs programs, ends, can be interrupted, and writes its findings.
//! Whether it finds the best is tested on a model.

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use support::{Ended, Files, check_failure, run, upshift};

const SPIN: &str = r#"
(module
  (func (export "spin") (param $rounds i32) (result i32)
    (loop $next
      (br_if $next (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
    (local.get $rounds))
  (func (export "trap") unreachable)
  (func (export "stay") (loop (br 0))))
"#;

fn tune(files: &Files, line: &[&str]) -> Command {
    let mut command = upshift();
    command.arg("tune").args(line);
    command.arg(files.write("spin.wat", SPIN));
    command
}

fn tuned(line: &[&str], arguments: &[&str]) -> Ended {
    run(tune(&Files::new(), line).args(arguments))
}

#[test]
fn a_table_a_profile_and_a_picture_come_out() {
    let files = Files::new();
    let (profile, picture) = (
        files.path().join("tuned.toml"),
        files.path().join("tuned.svg"),
    );
    let mut command = tune(&files, &["--budget", "4s", "--invoke", "spin"]);
    command.arg("-o").arg(&profile).arg("--svg").arg(&picture);
    let ended = run(command.arg("1000"));
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    for part in [
        " runs of whole processes in ",
        "\nprofiles ",
        "\nas before ",
        "\nbaseline-only ",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
    let text = std::fs::read_to_string(&profile).unwrap();
    assert!(
        text.starts_with("# Found by `upshift tune --budget 4s --invoke spin "),
        "{text}"
    );
    let checked = run(upshift().arg("profile").arg("check").arg(&profile));
    assert_eq!((checked.status, checked.stderr.as_str()), (0, ""), "{text}");
    // On a machine that is busy enough there was no time for thresholds.
    let picture = std::fs::read_to_string(picture).unwrap();
    let none = ended.stdout.contains("so there is no picture");
    assert!(
        none || picture.contains("tier-up.threshold-in-operators"),
        "{picture}"
    );
}

#[test]
fn ctrl_c_ends_the_search_and_keeps_what_was_found() {
    let files = Files::new();
    let profile = files.path().join("tuned.toml");
    let mut command = tune(&files, &["--budget", "1h", "--invoke", "spin"]);
    command
        .arg("-o")
        .arg(&profile)
        // A tenth of a second each: hundreds of runs are not over when the signal comes.
        .arg("100000000")
        .stdout(Stdio::piped());
    let start = Instant::now();
    let mut child = command.spawn().unwrap();
    thread::sleep(Duration::from_millis(1500));
    let number = child.id().cast_signed();
    // SAFETY: sends a signal to a child that is not reaped yet.
    unsafe { libc::kill(number, libc::SIGINT) };
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let told: Vec<String> = stdout.lines().map(Result::unwrap).collect();
    assert!(child.wait().unwrap().success());
    assert!(start.elapsed() < Duration::from_secs(60));
    assert!(
        told.iter()
            .any(|line| line == "The search was interrupted."),
        "{told:?}"
    );
    let text = std::fs::read_to_string(&profile).unwrap();
    assert!(text.contains("# The search was interrupted.\n"), "{text}");
}

#[test]
fn a_program_that_cannot_be_tuned_is_answered_with_why() {
    let traps = tuned(&["--budget", "2s", "--invoke", "trap"], &[]);
    check_failure(
        &traps,
        &["can't be tuned", "the program trapped: unreachable"],
    );
    let stays = tuned(&["--budget", "1s", "--invoke", "stay"], &[]);
    check_failure(&stays, &["can't be tuned", "not over after 1.0 s"]);
    let missing = tuned(&["--stdin", "no/such/file"], &[]);
    check_failure(&missing, &["cannot read no/such/file"]);
    let nowhere = tuned(&["-o", "no/such/folder/tuned.toml"], &[]);
    check_failure(&nowhere, &["cannot write no/such/folder/tuned.toml"]);
}

#[test]
fn options_of_run_are_passed_on() {
    let refused = tuned(
        &[
            "--budget=2s",
            "--run=--max-memory=nonsense",
            "--invoke=spin",
        ],
        &["9"],
    );
    check_failure(&refused, &["can't be tuned", "nonsense"]);
}

/// Traps unless it reads `hello`, finds a directory open and has an argument and a variable.
const WASI: &str = r#"
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $env (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\40\00\00\00\05\00\00\00")
  (func $want (param i32) (if (i32.eqz (local.get 0)) (then unreachable)))
  (func (export "_start")
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (call $want (i32.eq (i32.load (i32.const 64)) (i32.const 0x6c6c6568)))
    (call $want (i32.eqz (call $prestat (i32.const 3) (i32.const 8))))
    (drop (call $args (i32.const 8) (i32.const 12)))
    (call $want (i32.eq (i32.load (i32.const 8)) (i32.const 2)))
    (drop (call $env (i32.const 8) (i32.const 12)))
    (call $want (i32.eq (i32.load (i32.const 8)) (i32.const 1)))))
"#;

#[test]
fn a_wasi_program_gets_its_input_arguments_and_files_each_time() {
    let files = Files::new();
    let program = files.write("wants.wat", WASI);
    let mut command = upshift();
    command.args(["tune", "--budget=1s", "--env=A=b", "--stdin"]);
    command
        .arg(files.write("input", "hello"))
        .arg("--dir")
        .arg(files.path());
    let ended = run(command.arg(&program).arg("argument"));
    assert_eq!(
        (ended.status, ended.stderr.as_str()),
        (0, ""),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("# Found by `upshift tune "),
        "{}",
        ended.stdout
    );
    let ended = run(upshift().args(["tune", "--budget=1s"]).arg(&program));
    check_failure(&ended, &["can't be tuned", "trapped"]);
}
