//! What `cargo xtask fuzz --host` does at length, for an amount of work that takes some seconds; and that it finds what
//! goes wrong.

use std::process::{Command, Output};

fn stress(arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_host-stress"));
    program.args(arguments).output().unwrap()
}

#[test]
fn all_that_a_host_may_do_goes_on_at_once_in_every_mode() {
    let output = stress(&["--rounds", "2", "--acts", "50"]);
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{wrong}");
    println!("{said}");
    for what in [
        "calls with nested calls",
        "calls with nested calls on a new thread",
        "calls on a thread with a tiny stack",
        "groups of coroutines",
        "groups of modules made and dropped",
        "engines made and dropped",
        "of their pauses in the midst of a call",
        "nested calls on another thread",
        "nested calls on another stack",
        "forks",
        "interruptions seen by a call",
        "signals that the host handled",
    ] {
        let mut lines = said.lines().map(str::trim);
        let count = lines.find_map(|line| line.strip_suffix(what)?.trim().parse::<u64>().ok());
        assert!(count > Some(0), "{what}: {said}");
    }
}

/// What is said of a worker in which this goes wrong.
fn provoked(name: &str, arguments: &[&str]) -> String {
    let output = stress(&[&["--provoke", name][..], arguments].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{name}: {said}");
    said.into_owned()
}

#[test]
fn what_goes_wrong_is_told_with_what_threads_were_at() {
    let round = ["--rounds", "1", "--acts", "1"];
    for (name, words) in [
        ("crash", "the worker ended with signal 11"),
        ("wrong", "provoked"),
        ("lost", "an interruption is lost"),
        ("child", "a child ended with signal 6"),
    ] {
        let said = provoked(name, &round);
        assert!(said.contains(words), "{name}: {said}");
        let at = format!("provokes {name}").to_lowercase();
        assert!(said.to_lowercase().contains(&at), "{name}: {said}");
    }
    let hang = ["--rounds", "1", "--acts", "1", "--patience", "1"];
    let said = provoked("hang", &hang);
    assert!(
        said.contains("an act has not ended for 1 seconds"),
        "{said}"
    );
    assert!(said.contains("provokes Hang"), "{said}");
}

#[test]
fn growth_is_told() {
    let said = provoked("growth", &["--rounds", "30", "--acts", "1"]);
    assert!(
        said.contains("the process grows") && said.contains("files after"),
        "{said}"
    );
}
