//! Runs every example as a user would, from the root of the repository, and checks what it prints.

use std::path::Path;
use std::process::Command;

/// What an example prints when it succeeds.
fn output(program: &str) -> String {
    output_with(program, &[])
}

/// The same with arguments.
fn output_with(program: &str, arguments: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new(program);
    let output = command.args(arguments).current_dir(root).output().unwrap();
    let (stdout, stderr) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{stdout}\n{stderr}");
    stdout
}

#[test]
fn hello_prints_the_energy() {
    let kernels = upshift_kernels::all().unwrap();
    let nbody = kernels
        .iter()
        .find(|kernel| kernel.name == "nbody")
        .unwrap();
    let check = nbody
        .checks
        .iter()
        .find(|check| check.with == 5_000_000)
        .unwrap();
    let energy = check.gives.to_string();
    assert_eq!(output(env!("CARGO_BIN_EXE_hello")).trim(), energy);
}

#[test]
fn the_readme_shows_hello() {
    let source = include_str!("../src/bin/hello.rs");
    let (header, program) = source.split_once("\n\n").unwrap();
    assert!(header.lines().all(|line| line.starts_with("//!")));
    assert!(include_str!("../../README.md").contains(&format!("```rust\n{program}```\n")));
}

#[test]
fn host_function_adds_up_and_refuses() {
    let output = output(env!("CARGO_BIN_EXE_host_function"));
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(
        lines[..4],
        [
            "customer 3: 250",
            "customer 2: 250",
            "customer 1: 250",
            "total: 750"
        ]
    );
    assert!(
        lines[4].starts_with("refused: there is no customer -1"),
        "{output}"
    );
    assert_eq!(lines.last(), Some(&r#"sold by: Some("serve")"#));
}

#[test]
fn memory_carries_a_text_there_and_back() {
    assert_eq!(
        output(env!("CARGO_BIN_EXE_memory")),
        "UPSHIFT, UP TWO GEARS!\n16 letters changed\nserved by a guest\n"
    );
}

#[test]
fn progress_is_kept_when_time_is_up() {
    let output = output(env!("CARGO_BIN_EXE_progress"));
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(
        lines[0],
        "3000000 terms are 1.644934, and 3.3e-7 is missing"
    );
    assert_eq!(lines[1], "stopped: interrupted");
    assert!(lines[2].starts_with("so far: "), "{output}");
    assert_eq!(lines[3], "one term is 1");
}

#[test]
fn threads_share_a_module() {
    let odd_steps = |mut n: u64| {
        let mut odd = 0_u64;
        while n > 1 {
            if n.is_multiple_of(2) {
                n /= 2;
            } else {
                n = 3 * n + 1;
                odd += 1;
            }
        }
        odd
    };
    let expected: u64 = (0..200 * 500).map(odd_steps).sum();
    assert_eq!(
        output(env!("CARGO_BIN_EXE_threads")),
        format!("200 guests counted {expected} odd steps\n")
    );
}

#[test]
fn tier_events_tell_of_the_move() {
    // How long the compile takes depends on what else the machine does: the guest computes until it was long enough.
    let moves = ["compiled by llvm in", "moved up in loop"];
    let all_moves = |output: &String| {
        !cfg!(feature = "llvm") || moves.iter().all(|&told| output.contains(told))
    };
    let mut outputs = ["5000000", "50000000", "500000000"]
        .into_iter()
        .map(|steps| output_with(env!("CARGO_BIN_EXE_tier_events"), &[steps]));
    let output = outputs.find(all_moves);
    let output = output.expect("LLVM is through before half a billion steps are");
    assert!(output.lines().last().unwrap().contains("in LLVM"));
}

#[test]
fn wasi_shows_what_is_in_the_directory_and_nothing_else() {
    // 44 is `noent`, 63 is `perm`.
    assert_eq!(
        output(env!("CARGO_BIN_EXE_wasi")),
        "letter.txt: status 0, 28 bytes, printed \"LANG=en\\nDear guest,\\nhere is a file.\\n\"\n\
         lost.txt: status 44, 0 bytes, printed \"LANG=en\\n\"\n\
         ../../etc/passwd: status 63, 0 bytes, printed \"LANG=en\\n\"\n"
    );
}

#[test]
fn the_demo_finds_every_result_right() {
    let output = output(env!("CARGO_BIN_EXE_demo"));
    let mut kernels = upshift_kernels::all().unwrap();
    kernels.retain(|kernel| ["nbody", "fib"].contains(&kernel.name.as_str()));
    assert_eq!(kernels.len(), 2);
    for kernel in kernels {
        assert!(output.contains(&kernel.description), "{output}");
        let own = kernel
            .checks
            .iter()
            .filter(|check| check.call == kernel.name);
        let largest = own.max_by_key(|check| check.with).unwrap();
        let title = format!("{}({}): ", kernel.name, largest.with);
        let part = output
            .split("\n\n")
            .find(|part| part.starts_with(&title))
            .unwrap_or_else(|| panic!("{} is missing:\n{output}", kernel.name));
        let modes: &[&str] = if cfg!(feature = "llvm") {
            &["baseline", "llvm", "auto"]
        } else {
            &["baseline", "auto"]
        };
        for mode in modes {
            let mut lines = part.lines();
            let line = lines
                .find(|line| line.trim_start().starts_with(&format!("{mode} ")))
                .unwrap_or_else(|| panic!("{mode} is missing:\n{part}"));
            assert!(line.contains(&largest.gives.to_string()), "{line}");
            assert!(line.ends_with("yes"), "{line}");
        }
    }
    assert!(!output.contains("NO:"), "{output}");
}
