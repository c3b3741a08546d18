//! Profiles as users name them: `--profile`, `--set`, UPSHIFT_PROFILE, and `upshift profile`.

mod support;

use std::path::Path;

use support::{Ended, Files, check_failure, run, upshift};

const SUM: &str = r#"
(module (func (export "sum") (param i32 i32) (result i32)
  (i32.add (local.get 0) (local.get 1))))
"#;

fn profile(line: &[&str]) -> Ended {
    run(upshift().arg("profile").args(line))
}

fn stdout(line: &[&str]) -> String {
    let ended = profile(line);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{line:?}");
    ended.stdout
}

const NAMES: [&str; 7] = [
    "balanced",
    "latency",
    "throughput",
    "shared",
    "cranelift",
    "baseline-only",
    "llvm-only",
];

#[test]
fn the_list_says_what_each_is_for() {
    let list = stdout(&["list"]);
    let names = list.lines().map(|line| line.split(' ').next().unwrap());
    assert_eq!(names.collect::<Vec<_>>(), NAMES);
    assert!(list.contains("  For short tools: "), "{list}");
}

#[test]
fn what_is_shown_is_a_profile_that_is_taken_again() {
    let files = Files::new();
    for name in NAMES {
        for options in [&[][..], &["--all"]] {
            let text = stdout(&[&["show", name], options].concat());
            assert!(text.starts_with("# "), "{text}");
            let file = files.write("shown.toml", text);
            let file = file.to_str().unwrap();
            // The whole of it says the same as the file.
            let all = stdout(&["show", name, "--all"]);
            assert_eq!(stdout(&["show", file, "--all"]), all, "{name}");
        }
    }
    let text = stdout(&[
        "show",
        "shared",
        "--set",
        "workers.count=2",
        "--set",
        "mode=llvm",
    ]);
    assert!(
        text.starts_with("mode = \"llvm\"\n\n[baseline]\n"),
        "{text}"
    );
    assert!(
        text.contains("\n[workers]\ncount = 2\n") && text.contains("\nnice = 19\n"),
        "{text}"
    );
}

#[test]
fn files_are_checked() {
    let files = Files::new();
    let good = files.write("good.toml", "mode = 'baseline'\n[workers]\ncount = 2\n");
    let good = good.to_str().unwrap();
    let checked = format!("{good}: 2 keys differ from balanced\n");
    assert_eq!(stdout(&["check", good]), checked);
    let bad = files.write("bad.toml", "[workers]\ncount = 0\n");
    let ended = profile(&["check", bad.to_str().unwrap(), good]);
    assert_eq!((ended.status, ended.stdout), (1, checked));
    let message =
        "bad.toml: `workers.count` of the tiering profile is 0, but must be from 1 to 1024";
    assert!(ended.stderr.contains(message), "{}", ended.stderr);
    let missing = files.path().join("missing.toml");
    let ended = profile(&["check", missing.to_str().unwrap()]);
    check_failure(&ended, &["cannot read", "missing.toml: No such file"]);
}

#[cfg(feature = "llvm")]
#[test]
fn passes_are_checked_too() {
    let files = Files::new();
    let file = files.write("passes.toml", "[optimizer]\npipeline = 'defalt<O2>'\n");
    check_failure(
        &profile(&["check", file.to_str().unwrap()]),
        &["does not take `defalt<O2>`"],
    );
}

fn sum(profile: Option<&Path>, options: &[&str]) -> Ended {
    let files = Files::new();
    let mut command = upshift();
    if let Some(profile) = profile {
        command.env("UPSHIFT_PROFILE", profile);
    }
    let module = files.write("sum.wat", SUM);
    command.arg("run").args(options).arg(module);
    run(command.args(["--invoke", "sum", "3", "4"]))
}

#[test]
fn mistakes_are_answered_with_what_may_have_been_meant() {
    for (options, parts) in [
        (
            &["--profile", "lateny"][..],
            &[
                "no profile `lateny`; did you mean `latency`?",
                "path of its file",
            ][..],
        ),
        (&["--profile", "./lateny"], &["cannot read ./lateny"]),
        (
            &["--set", "workers.count=0"],
            &["--set workers.count=0: ", "from 1 to 1024"],
        ),
        (
            &["--set", "workers.count=many"],
            &["is many, but must be from 1 to 1024"],
        ),
        (
            &["--set", "eagerness=1"],
            &["no key `eagerness`; did you mean `tier-up.eagerness`?"],
        ),
        (
            &["--set", "workers.count"],
            &["--set workers.count: wanted a key and a value"],
        ),
        (
            &["--set", "tier-up.eagerness=50"],
            &["`tier-up.least-eagerness`", "is 1, but must be at least 50"],
        ),
    ] {
        check_failure(&sum(None, options), parts);
    }
}

#[test]
fn the_environment_has_a_profile_unless_the_command_line_has() {
    check_failure(
        &sum(Some(Path::new("lateny")), &[]),
        &["UPSHIFT_PROFILE in the environment: there is no profile `lateny`"],
    );
    for name in ["shared", ""] {
        let ended = sum(Some(Path::new(name)), &[]);
        assert_eq!((ended.status, ended.stdout.as_str()), (0, "7\n"), "{name}");
    }
    let ended = sum(Some(Path::new("lateny")), &["--profile", "shared"]);
    assert_eq!((ended.status, ended.stdout.as_str()), (0, "7\n"));
}

/// First compiles are told, with their tier.
#[test]
fn the_mode_is_the_profiles_unless_the_command_line_says_otherwise() {
    let tier = |options: &[&str]| {
        let ended = sum(None, &[&["--tier-log=all"][..], options].concat());
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            (0, "7\n"),
            "{}",
            ended.stderr
        );
        let of = |tier| ended.stderr.contains(&format!("compiled, {tier}, "));
        (of("baseline"), of("llvm"))
    };
    let baseline = (true, false);
    assert_eq!(tier(&[]), baseline);
    assert_eq!(tier(&["--profile", "baseline-only"]), baseline);
    assert_eq!(
        tier(&["--profile", "llvm-only", "--tier", "baseline"]),
        baseline
    );
    assert_eq!(
        tier(&["--profile", "llvm-only", "--set", "mode=baseline"]),
        baseline
    );
    if cfg!(feature = "llvm") {
        let llvm = (false, true);
        assert_eq!(tier(&["--profile", "llvm-only"]), llvm);
        assert_eq!(
            tier(&["--profile", "baseline-only", "--tier", "llvm"]),
            llvm
        );
        assert_eq!(tier(&["--set", "mode=llvm"]), llvm);
    } else {
        let ended = sum(None, &["--profile", "llvm-only"]);
        check_failure(&ended, &["no LLVM tier"]);
    }
}
