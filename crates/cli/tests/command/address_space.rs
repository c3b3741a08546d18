//! The command where address space is scarce: under `ulimit -v`, and in containers that limit it.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::support::{Files, run, upshift};

/// A program that works in its memories, long enough to move up.
const BUSY: &str = r#"
(module
  MEMORIES
  (func (export "sum") (param $n i32) (result i32) (local $i i32) (local $sum i32)
    (loop $fill
      (i32.store (i32.and (i32.shl (local.get $i) (i32.const 2)) (i32.const 0xfffc)) (local.get $i))
      (local.set $sum (i32.add (local.get $sum)
        (i32.load (i32.and (i32.shl (local.get $i) (i32.const 2)) (i32.const 0xfffc)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $fill (i32.lt_u (local.get $i) (local.get $n))))
    (local.get $sum))
  (func (export "grown") (param i32) (result i32) (drop (memory.grow (local.get 0))) (memory.size))
  (func (export "outside") (result i32) (i32.load (i32.const 65536))))
"#;

fn busy(memories: usize) -> String {
    BUSY.replace("MEMORIES", &"(memory 1) ".repeat(memories))
}

/// The command, which may have so many bytes of address space.
fn limited(bytes: u64) -> Command {
    let mut command = upshift();
    let limit = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: bytes,
    };
    let set = move || {
        // SAFETY: it is given a limit to read.
        match unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: between `fork` and `exec` it makes one system call and allocates nothing.
    unsafe { command.pre_exec(set) };
    command
}

const GIB: u64 = 1 << 30;
const FALLBACK: &str = "addresses are compared, for address space is scarce";

#[test]
fn programs_run_where_address_space_is_scarce_and_are_told_so() {
    let files = Files::new();
    for (gib, memories, falls_back) in [
        (1, 1, true),
        (2, 1, true),
        (4, 1, true),
        (4, 5, true),
        (10, 1, true),
        (14, 1, false),
        (20, 3, true),
        (40, 3, false),
    ] {
        let file = files.write("busy.wat", busy(memories));
        for tier in ["auto", "baseline", "llvm"] {
            let case = format!("{gib} GiB, {memories} memories, {tier}");
            let call = |name: &str, argument: &[&str]| {
                run(limited(gib * GIB)
                    .args(["run", "--stats", "--tier", tier])
                    .arg(&file)
                    .args(["--invoke", name])
                    .args(argument))
            };
            let ended = call("sum", &["5000000"]);
            assert_eq!(ended.status, 0, "{case}: {}", ended.stderr);
            assert_eq!(ended.stdout, "1642668640\n", "{case}");
            let told = ended.stderr.contains(FALLBACK);
            assert_eq!(told, falls_back, "{case}: {}", ended.stderr);
            let ended = call("outside", &[]);
            assert_eq!(ended.status, 134, "{case}: {}", ended.stderr);
            assert!(ended.stderr.contains("out of bounds"), "{}", ended.stderr);
        }
        let ended = run(limited(gib * GIB)
            .arg("run")
            .arg(&file)
            .args(["--invoke", "grown", "800"]));
        assert_eq!((ended.status, &*ended.stdout), (0, "801\n"), "{gib} GiB");
    }
    let ended = run(upshift()
        .args(["run", "--stats"])
        .arg(files.write("busy.wat", busy(1)))
        .args(["--invoke", "sum", "10"]));
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(!ended.stderr.contains(FALLBACK), "{}", ended.stderr);
}

#[test]
fn other_commands_do_with_little_address_space_too() {
    let files = Files::new();
    let script = files.write(
        "script.wast",
        format!(
            "{}(assert_return (invoke \"sum\" (i32.const 10)) (i32.const 45))\n\
             (assert_trap (invoke \"outside\") \"out of bounds memory access\")",
            busy(2)
        ),
    );
    let file = files.write("busy.wat", busy(1));
    let file = file.to_str().unwrap();
    for gib in [2, 4] {
        for line in [
            &["wast", script.to_str().unwrap()][..],
            &["inspect", file],
            &["profile", "list"],
            &[
                "bench", "--rounds", "1", "--steady", "10ms", file, "--invoke", "sum", "1000",
            ],
        ] {
            let ended = run(limited(gib * GIB).args(line));
            assert_eq!(ended.status, 0, "{gib} GiB, {line:?}: {}", ended.stderr);
        }
    }
}
