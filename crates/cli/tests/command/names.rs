//! Names of a module and lines of a text are shown so that no terminal acts on them, and none makes a line that looks like
//! one of the command's own.

use std::process::Stdio;

use crate::support::{Ended, Files, run, upshift};

/// Names with a line break, escape sequences, a NUL and a mark that turns the text's direction.
const FORGING: &str = r#"
(module
  (memory (export "memory\1b[31m") 1)
  (func (@name "caf\c3\a9 \e4\b8\ad\e6\96\87") (export "f") (param i32) (call 1 (local.get 0)))
  (func (@name "a\n  9: forged (function 9) at 0x0\nerror: forged\1b[31mred\1b]0;title\07")
    (export "g\e2\80\aeg") (param i32) (local i32)
    (loop
      (local.set 1 (i32.add (local.get 1) (i32.const 1)))
      (br_if 0 (i32.lt_u (local.get 1) (local.get 0))))
    (call 2))
  (func (@name "\e2\80\aeabc\00x") (export "h\0aforged") (unreachable)))
"#;

/// That nothing in it does anything to a terminal.
#[track_caller]
fn check_clean(text: &str) {
    let acts = |c: char| {
        c != '\n' && c.is_control()
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}')
    };
    assert!(!text.contains(acts), "{text:?}");
    assert!(
        !text.lines().any(|line| line.starts_with("error: forged")),
        "{text}"
    );
    assert!(
        !text
            .lines()
            .any(|line| line.trim_start().starts_with("forged")),
        "{text}"
    );
}

#[track_caller]
fn check(ended: &Ended, status: i32) {
    assert_eq!(ended.status, status, "{}", ended.stderr);
    check_clean(&ended.stdout);
    check_clean(&ended.stderr);
}

#[test]
fn a_backtrace_has_one_line_a_frame() {
    let files = Files::new();
    let file = files.write("names.wat", FORGING);
    let ended = run(upshift().arg("run").arg(&file).args(["--invoke", "f", "1"]));
    check(&ended, 134);
    let lines: Vec<_> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), 5, "{}", ended.stderr);
    assert!(
        lines[2].starts_with(r"  0: \u{202e}abc\0x (function 2) at 0x"),
        "{}",
        lines[2]
    );
    assert!(
        lines[3].starts_with(r"  1: a\n  9: forged (function 9) at 0x0\nerror: forged\u{1b}[31mred\u{1b}]0;title\u{7} (function 1)"),
        "{}",
        lines[3]
    );
    assert!(
        lines[4].starts_with("  2: café 中文 (function 0) at 0x"),
        "{}",
        lines[4]
    );
}

#[test]
fn whatever_tells_of_a_run_shows_names_escaped() {
    let files = Files::new();
    let file = files.write("names.wat", FORGING);
    let report = files.path().join("report.html");
    let child = upshift()
        .args([
            "run",
            "--stats",
            "--tier-log=all",
            "--perf",
            "map",
            "--report",
        ])
        .args([&report, &file])
        .args(["--invoke", "f", "30000000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let map = format!("/tmp/perf-{}.map", child.id());
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains(r"forged\u{1b}[31mred"), "{told}");
    check_clean(&told);
    let names = std::fs::read_to_string(&map).unwrap();
    std::fs::remove_file(&map).unwrap();
    assert!(names.contains(r"forged\u{1b}[31mred"), "{names}");
    check_clean(&names);
    let report = std::fs::read_to_string(report).unwrap();
    assert!(report.contains(r"forged\u{1b}[31mred"));
    check_clean(&report);
}

#[test]
fn whatever_tells_of_a_module_shows_names_escaped() {
    let files = Files::new();
    let file = files.write("names.wat", FORGING);
    check(&run(upshift().arg("inspect").arg(&file)), 0);
    for name in ["none", "memory\u{1b}[31m", "g\u{202e}g"] {
        check(
            &run(upshift().arg("run").arg(&file).args(["--invoke", name])),
            1,
        );
    }
    check(
        &run(upshift()
            .arg("run")
            .arg(&file)
            .args(["--emit", "asm", "g\u{202e}"])),
        1,
    );
    for (name, text) in [
        (
            "imports",
            r#"(module (import "a\0aforged" "b\1b[31m" (func)) (func (export "_start")))"#,
        ),
        (
            "invalid",
            r#"(module (func (@name "\1b[31m\0aforged") (export "_start") (i32.add)))"#,
        ),
        (
            "twice",
            r#"(module (func (export "\1b[31m\0aforged")) (func (export "\1b[31m\0aforged")))"#,
        ),
        (
            "text",
            "(module (func (export \"_start\") \u{1b}[31m no \u{202e}))",
        ),
        (
            "string",
            "(module (func (export \"_start\" \"\u{9b}31m\")))",
        ),
    ] {
        let file = files.write(&format!("{name}.wat"), text);
        check(&run(upshift().arg("run").arg(&file)), 1);
        check(
            &run(upshift().arg("inspect").arg(&file)),
            i32::from(name != "imports"),
        );
    }
    let script = files.write(
        "script.wast",
        format!(
            "{FORGING} (assert_return (invoke \"h\\0aforged\"))
             (assert_invalid (module (func (@name \"\\1b[31m\") (i32.add))) \"forged\\0aforged\\1b\")
             (assert_return (invoke \"none\\1b\\0aforged\"))"
        ),
    );
    check(&run(upshift().arg("wast").arg(script)), 1);
}
