//! The options of `upshift run` that tune tiering and show its events.

mod support;

use std::process::{Command, Stdio};

use support::{Ended, Files, check_failure, run, upshift};

/// Long enough in a loop and in calls to be worth anything.
const BUSY: &str = r#"
(module $busy
  (func $step (param i64) (result i64)
    (i64.add (i64.mul (local.get 0) (i64.const 6364136223846793005)) (i64.const 1)))
  (func (export "spin") (param $rounds i32) (result i64)
    (local $x i64)
    (loop $next
      (local.set $x (call $step (local.get $x)))
      (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
      (br_if $next (local.get $rounds)))
    (local.get $x))
  (func (export "trap") unreachable))
"#;

fn command(files: &Files, line: &[&str]) -> Command {
    let mut command = upshift();
    command
        .arg("run")
        .arg(files.write("busy.wat", BUSY))
        .args(line);
    command
}

fn busy(line: &[&str]) -> Ended {
    run(&mut command(&Files::new(), line))
}

#[track_caller]
fn check_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing:\n{text}");
    }
}

const SPUN_1000: &str = "4956409081608732536\n";

#[test]
fn tuning_does_not_change_results() {
    let files = Files::new();
    let profile = files.write("mine.toml", "[tier-up]\nthreshold-in-operators = 10\n");
    let profile = profile.to_str().unwrap();
    let spin = ["--invoke", "spin", "1000"];
    for options in [
        &[][..],
        &["--profile", profile],
        &["--profile", profile, "--tier-up-after-calls", "3"],
        &["--tiering", profile],
        &["--profile", "latency"],
        &[
            "--profile",
            "throughput",
            "--set",
            "tier-up.threshold-in-calls=2",
        ],
        &["--profile", "shared", "--set", "workers.count = 2"],
        &["--profile", "baseline-only"],
        #[cfg(feature = "llvm")]
        &["--profile", "llvm-only"],
        &["--tier-up-after-operators", "1", "--workers", "2"],
        &["--tier", "llvm", "--pipeline", "default<O1>"],
        &["--tier", "llvm", "--inline-limit", "0"],
    ] {
        // Without LLVM there is nothing to ask it for.
        if !cfg!(feature = "llvm") && options.contains(&"llvm") {
            continue;
        }
        let ended = busy(&[options, &spin].concat());
        let ended = (ended.status, ended.stdout.as_str(), ended.stderr.as_str());
        assert_eq!(ended, (0, SPUN_1000, ""), "{options:?}");
    }
}

#[test]
fn a_broken_profile_is_answered_with_file_key_and_range() {
    let files = Files::new();
    for (text, parts) in [
        (
            "[workers]\ncount = 0",
            &["`workers.count`", "is 0", "from 1 to 1024"][..],
        ),
        ("[workers]\nthreads = 1", &["no key `workers.threads`"]),
        ("[workers]\ncount = 'two'", &["line 2", "count"]),
        ("workers", &["line 1"]),
    ] {
        let file = files.write("mine.toml", text);
        let ended = busy(&["--profile", file.to_str().unwrap(), "--invoke", "trap"]);
        check_failure(&ended, parts);
        check_failure(&ended, &["mine.toml: "]);
    }
    let missing = files.path().join("missing.toml");
    let ended = busy(&["--profile", missing.to_str().unwrap(), "--invoke", "trap"]);
    check_failure(&ended, &["cannot read", "missing.toml", "No such file"]);
}

#[test]
fn numbers_out_of_range_are_answered_with_the_option() {
    for (options, parts) in [
        (
            &["--workers", "0"][..],
            &["`--workers` is 0, but must be from 1 to 1024"][..],
        ),
        (
            &["--tier-up-after-calls", "0"],
            &["`--tier-up-after-calls` is 0, but must be 1 or more"],
        ),
        (
            &["--tier-up-after-operators", "0"],
            &["`--tier-up-after-operators` is 0"],
        ),
        (&["--pipeline", ""], &["`--pipeline` is empty"]),
        (&["--workers", "-1"], &["invalid value '-1' for '--workers"]),
        (&["--inline-limit", "some"], &["invalid value 'some'"]),
        (
            &[
                "--tier-up-after-calls",
                "1",
                "--tier-up-after-operators",
                "1",
            ],
            &["--tier-up-after-operators", "cannot be used with"],
        ),
        (
            &["--tier-log=most"],
            &["invalid value 'most'", "moves, all"],
        ),
        (&["--perf", "magic"], &["invalid value 'magic'"]),
        (&["--emit-loop", "0"], &["--emit <FORM> <FUNCTION>"]),
    ] {
        check_failure(&busy(&[options, &["--invoke", "trap"]].concat()), parts);
    }
}

#[cfg(feature = "llvm")]
#[test]
fn passes_that_llvm_does_not_know_are_refused_before_the_run() {
    let ended = busy(&["--pipeline", "defalt<O2>", "--invoke", "trap"]);
    check_failure(&ended, &["does not take `defalt<O2>`", "opt -passes"]);
    let files = Files::new();
    let text = "[optimizer]\npipeline-for-large-units = 'nonsense'";
    let file = files.write("mine.toml", text);
    let ended = busy(&["--profile", file.to_str().unwrap(), "--invoke", "trap"]);
    check_failure(&ended, &["does not take `nonsense`"]);
}

#[cfg(feature = "llvm")]
#[test]
fn the_timeline_shows_moves_and_if_asked_first_compiles() {
    let spin = ["--tier", "llvm", "--invoke", "spin", "1000"];
    let ended = busy(&[&["--tier-log"][..], &spin].concat());
    assert_eq!((ended.status, ended.stdout.as_str()), (0, SPUN_1000));
    check_contains(
        &ended.stderr,
        &["function 1 (spin): compiled, llvm, ", "published, llvm"],
    );
    for line in ended.stderr.lines() {
        assert!(line.contains(" ms  function "), "{line}");
    }

    let spin = ["--tier", "baseline", "--invoke", "spin", "1000"];
    assert_eq!(busy(&[&["--tier-log"][..], &spin].concat()).stderr, "");
    for all in [&["--tier-log=all"][..], &["--tier-log", "--tier-log"]] {
        let ended = busy(&[all, &spin].concat());
        check_contains(&ended.stderr, &["function 1 (spin): compiled, baseline, "]);
    }
}

#[test]
fn emit_prints_the_code_of_a_function() {
    for (options, parts) in [
        (&["clif", "spin"][..], &["function u0:", "isub"][..]),
        (&["clif", "1", "--emit-loop", "0"], &["function u0:"]),
        (
            &["clif", "spin", "--emit-tier", "middle"],
            &["function u0:", "isub"],
        ),
        (
            &["asm", "spin", "--emit-tier", "middle", "--emit-loop", "0"],
            &["call", "ret"],
        ),
        (
            &["asm", "step", "--emit-tier", "baseline"],
            &["imul", "ret"],
        ),
        (&["asm", "step", "--tier", "baseline"], &["imul", "ret"]),
        #[cfg(feature = "llvm")]
        (&["asm", "step"], &["imul", "ret"]),
        #[cfg(feature = "llvm")]
        (&["asm", "spin", "--tier", "llvm"], &["imul", "ret"]),
        #[cfg(feature = "llvm")]
        (&["llvm-ir", "spin"], &["define ", "mul "]),
        #[cfg(feature = "llvm")]
        (&["llvm-ir", "spin", "--emit-loop", "0"], &["define "]),
    ] {
        let ended = busy(&[&["--emit"], options].concat());
        assert_eq!(
            (ended.status, ended.stderr.as_str()),
            (0, ""),
            "{options:?}"
        );
        check_contains(&ended.stdout, parts);
    }
}

#[test]
fn what_cannot_be_emitted_is_answered_with_what_can() {
    for (options, parts) in [
        (
            &["asm", "stp"][..],
            &["no function `stp`; did you mean `step`?", "indices 0 to 2"][..],
        ),
        (&["asm", "3"], &["no function `3`", "indices 0 to 2"]),
        (&["ir", "step"], &["`ir`", "llvm-ir, asm or clif"]),
        (&["asm"], &["2 values required"]),
        (
            &["llvm-ir", "step", "--emit-tier", "middle"],
            &["`--emit-tier` is middle", "llvm for LLVM's IR"],
        ),
        (
            &["clif", "step", "--emit-tier", "llvm"],
            &["`--emit-tier` is llvm", "baseline or middle"],
        ),
        (
            &["asm", "step", "--emit-tier", "middle", "--tier", "baseline"],
            &["`--emit-tier` is middle", "only there with --tier auto"],
        ),
        (
            &["llvm-ir", "step", "--tier", "baseline"],
            &["no LLVM", "--emit clif"],
        ),
        (
            &["clif", "spin", "--emit-loop", "1"],
            &["function 1 has no loop 1", "loop 0 only"],
        ),
        (
            &["clif", "step", "--emit-loop", "0"],
            &["function 0 has no loop 0", "no loops"],
        ),
    ] {
        check_failure(&busy(&[&["--emit"], options].concat()), parts);
    }
}

#[test]
fn stats_tell_where_functions_are_and_where_time_went() {
    let line = ["--stats", "--tier", "baseline", "--invoke", "spin"];
    let ended = busy(&[&line[..], &["100000000"]].concat());
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert_eq!(ended.stdout.lines().count(), 1);
    check_contains(
        &ended.stderr,
        &[
            "start        ",
            " ms to read the file, ",
            "first calls  ",
            " ns a byte\n",
            "ran for ",
            "functions    0 in llvm, 0 in the middle tier, 2 in the baseline, 1 not compiled\n",
            "calls        100 000 001 counted before llvm\n",
            "baseline     2 compiled in ",
            "OSR entries  0 compiled",
            " samples)\n",
            "  function 1 (spin)",
            "  function 0 (step)",
        ],
    );
    let time = ended.stderr.lines().find(|line| line.starts_with("time "));
    let time = time.unwrap();
    assert!(time.starts_with("time         0.0 % in llvm, "), "{time}");
    let baseline = time.split(", ").nth(2).unwrap();
    let share: f64 = baseline.split(' ').next().unwrap().parse().unwrap();
    assert!(share > 50.0, "{time}");
}

#[test]
fn stats_are_told_of_a_program_that_traps_too() {
    let ended = busy(&["--stats", "--invoke", "trap"]);
    assert_eq!(ended.status, 134);
    check_contains(
        &ended.stderr,
        &["functions    ", "error: the program trapped"],
    );
}

#[test]
fn the_map_for_perf_names_functions_and_tiers() {
    let files = Files::new();
    let line = [
        "--perf", "map", "--tier", "baseline", "--invoke", "spin", "9",
    ];
    let child = command(&files, &line)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let path = format!("/tmp/perf-{}.map", child.id());
    let ended = child.wait_with_output().unwrap();
    let map = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(ended.status.success());
    check_contains(&map, &[" spin [baseline]\n", " step [baseline]\n"]);
    for line in map.lines() {
        let mut words = line.split(' ');
        let mut number = || u64::from_str_radix(words.next().unwrap(), 16).unwrap();
        assert!(number() > 0 && number() > 0, "{line}");
    }
}

#[test]
fn the_dump_for_perf_has_names_tiers_and_code() {
    let files = Files::new();
    let line = [
        "--perf", "jitdump", "--tier", "baseline", "--invoke", "spin", "9",
    ];
    let folder = files.path();
    let child = command(&files, &line)
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let path = folder.join(format!("jit-{}.dump", child.id()));
    let process = child.id();
    assert!(child.wait_with_output().unwrap().status.success());
    let dump = std::fs::read(path).unwrap();
    let word = |at: usize| u32::from_ne_bytes(dump[at..at + 4].try_into().unwrap());
    let long = |at: usize| u64::from_ne_bytes(dump[at..at + 8].try_into().unwrap());
    assert_eq!([word(0), word(4), word(8)], [0x4a69_5444, 1, 40]);
    assert_eq!(word(20), process);
    let (mut at, mut names, mut kinds) = (40, Vec::new(), Vec::new());
    while at < dump.len() {
        let (kind, size) = (word(at), word(at + 4) as usize);
        kinds.push(kind);
        if kind == 0 {
            let name = dump[at + 56..at + size].split(|&byte| byte == 0).next();
            let name = name.unwrap();
            let code = 56 + name.len() + 1;
            assert_eq!(long(at + 40), (size - code) as u64);
            assert_eq!(long(at + 48), names.len() as u64);
            assert!(long(at + 24) > 0 && long(at + 24) == long(at + 32));
            assert!(dump[at + code..at + size].iter().any(|&byte| byte != 0));
            names.push(String::from_utf8(name.to_vec()).unwrap());
        }
        at += size;
    }
    assert_eq!(at, dump.len());
    assert_eq!(kinds.last(), Some(&3), "the end");
    names.sort();
    assert_eq!(names, ["spin [baseline]", "step [baseline]"]);
}

/// A compile takes tens of milliseconds; here it is made to take long.
#[cfg(feature = "llvm")]
#[test]
fn the_end_does_not_wait_for_what_is_being_compiled() {
    use std::time::{Duration, Instant};

    let mut module =
        String::from("(module (func (export \"f\") (param i32) (result f64) (local f64)\n");
    for index in 0..10_000 {
        module.push_str(&format!(
            "(if (i32.ge_u (local.get 0) (i32.const {index}))
               (then (local.set 1 (f64.sqrt (f64.add (local.get 1) (f64.const {index}))))))\n"
        ));
    }
    module.push_str("(local.get 1)))");
    let files = Files::new();
    let file = files.write("large.wat", module);
    let time = |options: &[&str]| {
        let start = Instant::now();
        let ended = run(upshift()
            .arg("run")
            .arg(&file)
            .args(options)
            .args(["--invoke", "f", "5"]));
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        (start.elapsed(), ended.stderr)
    };
    let (baseline, _) = time(&["--tier", "baseline"]);
    let (auto, log) = time(&["--tier-up-after-operators", "1", "--tier-log"]);
    assert!(log.contains("queued"), "{log}");
    assert!(!log.contains("compiled"), "{log}");
    assert!(
        auto < baseline * 2 + Duration::from_millis(500),
        "{auto:?}, in the baseline {baseline:?}"
    );
}
