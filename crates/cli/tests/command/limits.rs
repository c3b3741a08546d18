//! Limits of a program: time, memory, stack. A program that reaches one ends with 134, and the message names it.

use std::time::{Duration, Instant};

use crate::support::{Ended, Files, check_failure, run, upshift};

const GREEDY: &str = r#"
(module
  (memory 2)
  (table 10 funcref)
  (func (export "spin") (loop br 0))
  (func $deep (export "deep") (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then
        ;; A store after the call: LLVM makes no loop of this.
        (i32.store (i32.const 0) (call $deep (i32.sub (local.get 0) (i32.const 1))))
        (i32.add (i32.const 1) (i32.load (i32.const 0))))
      (else (i32.const 0))))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "must_grow") (param i32)
    (if (i32.eq (i32.const -1) (memory.grow (local.get 0))) (then unreachable)))
  (func (export "must_grow_table") (param i32)
    (if (i32.eq (i32.const -1) (table.grow (ref.null func) (local.get 0))) (then unreachable))))
"#;

fn greedy(line: &[&str]) -> Ended {
    let files = Files::new();
    run(upshift()
        .arg("run")
        .arg(files.write("greedy.wat", GREEDY))
        .args(line))
}

#[track_caller]
fn check_stopped(ended: &Ended, message: &str) {
    assert_eq!(ended.status, 134, "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    assert!(
        ended.stderr.starts_with(message),
        "not `{message}`:\n{}",
        ended.stderr
    );
}

/// Runs an endless program until its time is up, with the limit that was given. On a busy machine a short time may be up before
/// the program starts: then it gets ten times as long.
fn spin_until_stopped(options: &[&str]) -> (Ended, Duration) {
    let mut limit = Duration::from_millis(100);
    loop {
        let timeout = format!("{}ms", limit.as_millis());
        let line = [options, &["--timeout", &timeout, "--invoke", "spin"]].concat();
        let start = Instant::now();
        let ended = greedy(&line);
        let time = start.elapsed();
        assert!(time >= limit, "{time:?}");
        if ended.stderr.contains("spin (function 0)") || limit > Duration::from_secs(60) {
            return (ended, limit);
        }
        limit *= 10;
    }
}

#[test]
fn a_program_is_stopped_when_its_time_is_up() {
    for tier in ["auto", "baseline", "llvm"] {
        let (ended, limit) = spin_until_stopped(&["--tier", tier]);
        let message = format!(
            "error: the program was stopped: its time is limited by --timeout {}ms\n\
             wasm backtrace:\n  0: spin (function 0)",
            limit.as_millis()
        );
        check_stopped(&ended, &message);
    }
}

#[test]
fn statistics_are_printed_for_a_program_that_was_stopped() {
    let (ended, limit) = spin_until_stopped(&["--stats"]);
    assert_eq!(ended.status, 134);
    let limit = format!("--timeout {}ms", limit.as_millis());
    for part in ["ran for ", &limit] {
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
}

#[test]
fn a_program_that_ends_in_time_never_hears_of_the_limit() {
    let ended = greedy(&["--timeout", "1h", "--invoke", "deep", "7"]);
    assert_eq!((ended.status, ended.stdout.as_str()), (0, "7\n"));
}

#[test]
fn time_is_limited_before_the_program_starts_as_well() {
    let files = Files::new();
    let mut text = String::from("(module (memory 1) (func (export \"f\"))");
    for i in 0..3000 {
        text.push_str("(func (param i32)");
        for j in 0..40 {
            text.push_str(&format!(
                "(i32.store (local.get 0) (i32.add (i32.load (i32.const {i})) (i32.const {j})))"
            ));
        }
        text.push(')');
    }
    text.push(')');
    let file = files.write("large.wat", text);
    let start = Instant::now();
    let ended = run(upshift()
        .arg("run")
        .arg(file)
        .args(["--eager", "--tier", "llvm"])
        .args(["--timeout", "20ms", "--invoke", "f"]));
    check_stopped(
        &ended,
        "error: the program was stopped: its time is limited by --timeout 20ms\n",
    );
    // All of it takes many times as long.
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn memory_beyond_the_limit_is_refused_and_named_if_the_program_fails() {
    let limit = ["--max-memory", "1MiB", "--invoke"];
    let ended = greedy(&[&limit[..], &["grow", "13"]].concat());
    assert_eq!((ended.status, ended.stdout.as_str()), (0, "2\n"));
    // It did not mind.
    let ended = greedy(&[&limit[..], &["grow", "14"]].concat());
    assert_eq!((ended.status, ended.stdout.as_str()), (0, "-1\n"));
    assert_eq!(ended.stderr, "");

    let ended = greedy(&[&limit[..], &["must_grow", "15"]].concat());
    check_stopped(
        &ended,
        "error: the program needs more memory than --max-memory 1MiB allows: it had 129 KiB, and wanted 960 KiB \
         more\nthe program trapped: unreachable\nwasm backtrace:\n  0: must_grow",
    );
    let ended = greedy(&[&limit[..], &["must_grow_table", "1000000"]].concat());
    check_stopped(
        &ended,
        "error: the program needs more memory than --max-memory 1MiB allows: it had 129 KiB, and wanted 7813 KiB \
         more\nthe program trapped: unreachable\n",
    );
}

#[test]
fn a_program_larger_than_its_memory_limit_does_not_start() {
    let ended = greedy(&["--max-memory", "64KiB", "--invoke", "grow", "0"]);
    check_stopped(
        &ended,
        "error: the program needs more memory than --max-memory 64KiB allows: it had 0 KiB, and wanted 128 KiB more\n",
    );
    assert_eq!(ended.stderr.lines().count(), 1);
}

#[test]
fn a_trap_that_has_nothing_to_do_with_memory_says_nothing_of_it() {
    let ended = greedy(&["--max-memory", "64MiB", "--invoke", "deep", "10000000"]);
    assert!(!ended.stderr.contains("--max-memory"), "{}", ended.stderr);
}

#[test]
fn the_stack_is_as_large_as_said() {
    for tier in ["baseline", "llvm"] {
        let run = |line: &[&str]| greedy(&[&["--tier", tier], line].concat());
        let deep = ["--invoke", "deep", "5000000"];
        check_stopped(
            &run(&deep),
            "error: the program trapped: call stack exhausted; its stack is limited to 4MiB (--max-stack)\n\
             wasm backtrace:\n  0: deep (function 1)",
        );
        // More than the stack of the first thread.
        let ended = run(&[&["--max-stack", "2GiB"], &deep[..]].concat());
        assert_eq!((ended.status, ended.stdout.as_str()), (0, "5000000\n"));

        let ended = run(&["--max-stack", "16KiB", "--invoke", "deep", "20000"]);
        check_stopped(
            &ended,
            "error: the program trapped: call stack exhausted; its stack is limited to 16KiB (--max-stack)\n",
        );
        let ended = run(&["--max-stack", "0", "--invoke", "deep", "0"]);
        check_stopped(
            &ended,
            "error: the program trapped: call stack exhausted; its stack is limited to 0 (--max-stack)\n",
        );
    }
}

#[test]
fn a_small_stack_of_the_system_is_no_limit() {
    let files = Files::new();
    let file = files.write("greedy.wat", GREEDY);
    let program = upshift();
    let line = format!(
        "ulimit -s 1024; exec '{}' run '{}' --invoke deep 20000",
        program.get_program().to_str().unwrap(),
        file.display()
    );
    let ended = run(std::process::Command::new("sh").args(["-c", &line]));
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (0, "20000\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn limits_that_are_no_limits_are_answered_with_how_to_write_them() {
    for (line, hint) in [
        (["--timeout", "5"], "its unit: 500ms, 2s"),
        (["--timeout", "0s"], "above zero"),
        (["--max-memory", "64MB"], "65536, 512KiB, 64MiB"),
        (["--max-stack", "-1"], "--max-stack"),
    ] {
        check_failure(&greedy(&line), &[hint]);
    }
    let ended = greedy(&["--max-stack", "4000TiB", "--invoke", "deep", "1"]);
    check_failure(&ended, &["bytes of stack, as --max-stack asks for"]);
}

#[test]
fn code_is_limited_and_told_of() {
    let files = Files::new();
    let addition = "(local.set 0 (i32.add (local.get 0) (i32.const 1)))".repeat(20_000);
    let text = format!(
        "(module (func (export \"f\") (param i32) (result i32) {addition} (local.get 0))
           (func (export \"g\") (result i32) (i32.const 7)))"
    );
    let file = files.write("large.wat", text);
    let call = |options: &[&str]| {
        let limit = ["--tier", "baseline", "--stats", "--max-code-memory"];
        run(upshift().arg("run").arg(&file).args(limit).args(options))
    };
    let ended = call(&["64KiB", "--invoke", "f", "1"]);
    assert_eq!((ended.status, ended.stdout.as_str()), (134, ""));
    let message =
        "error: the program's code needs more memory than --max-code-memory 64KiB allows: it had ";
    assert!(ended.stderr.contains(message), "{}", ended.stderr);
    let ended = call(&["64KiB", "--invoke", "g"]);
    assert_eq!((ended.status, ended.stdout.as_str()), (0, "7\n"));
    assert!(
        ended.stderr.contains("\ncode memory  16 384 bytes held\n"),
        "{}",
        ended.stderr
    );
    let ended = call(&["4MiB", "--invoke", "f", "1"]);
    assert_eq!((ended.status, ended.stdout.as_str()), (0, "20001\n"));
}
