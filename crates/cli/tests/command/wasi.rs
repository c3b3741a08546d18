//! Programs for WASI: that they behave as they would natively, and that, with any behaviour, the command is never the
//! victim.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Ended, Files, check_failure, run, upshift};

/// The start of all programs here: imports, and small functions over them. Memory below 1024 is theirs.
const PRELUDE: &str = r#"
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read"
    (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $env_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $env_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 2)
  ;; Both return the error number; the count is at 8.
  (func $write (param $fd i32) (param $from i32) (param $len i32) (result i32)
    (i32.store (i32.const 0) (local.get $from))
    (i32.store (i32.const 4) (local.get $len))
    (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
  (func $read (param $fd i32) (param $to i32) (param $len i32) (result i32)
    (i32.store (i32.const 0) (local.get $to))
    (i32.store (i32.const 4) (local.get $len))
    (call $fd_read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
  ;; Opens the name at 1024 below the first directory: the error number, and the descriptor at 16.
  (func $open (param $len i32) (param $create i32) (param $rights i64) (result i32)
    (call $path_open (i32.const 3) (i32.const 0) (i32.const 1024) (local.get $len)
      (local.get $create) (local.get $rights) (i64.const 0) (i32.const 0) (i32.const 16)))
  (func $check (param $errno i32)
    (if (local.get $errno) (then (call $exit (i32.add (i32.const 100) (local.get $errno))))))
"#;

/// A program with this `_start`. It ends with 100 and the number of an error that it does not expect.
fn program(files: &Files, body: &str) -> std::path::PathBuf {
    let text = format!("(module {PRELUDE} (func (export \"_start\") {body}))");
    files.write("program.wat", text)
}

/// `upshift run` of a program with this `_start`.
fn start(files: &Files, body: &str) -> Command {
    let mut command = upshift();
    command.arg("run").arg(program(files, body));
    command
}

/// Writes all bytes of the standard input to the standard output.
const CAT: &str = "
  (loop $again
    (call $check (call $read (i32.const 0) (i32.const 1024) (i32.const 100000)))
    (if (i32.load (i32.const 8))
      (then
        (call $check (call $write (i32.const 1) (i32.const 1024) (i32.load (i32.const 8))))
        (br $again))))";

/// Writes arguments or environment, whichever functions are named, each with its zero byte.
fn show(sizes: &str, get: &str) -> String {
    format!(
        "(call $check (call {sizes} (i32.const 16) (i32.const 20)))
         (call $check (call {get} (i32.const 1024) (i32.const 20000)))
         (call $check (call $write (i32.const 1) (i32.const 20000) (i32.load (i32.const 20))))"
    )
}

#[test]
fn the_exit_status_is_the_programs_lowest_eight_bits() {
    let files = Files::new();
    for (status, seen) in [
        (0, 0),
        (1, 1),
        (7, 7),
        (134, 134),
        (255, 255),
        (256, 0),
        (-1, 255),
    ] {
        let ended = run(&mut start(
            &files,
            &format!("(call $exit (i32.const {status}))"),
        ));
        assert_eq!(
            (ended.status, ended.stderr.as_str()),
            (seen, ""),
            "{status}"
        );
    }
    let ended = run(&mut start(&files, ""));
    assert_eq!(ended.status, 0);
    // A trap is none of the program's statuses.
    let ended = run(&mut start(&files, "unreachable"));
    assert_eq!(ended.status, 134);
    assert!(
        ended
            .stderr
            .starts_with("error: the program trapped: unreachable\n")
    );
}

#[test]
fn the_first_argument_is_the_files_name_and_all_others_come_as_they_are() {
    let files = Files::new();
    let body = show("$args_sizes", "$args_get");
    let words = ["-x", "--stats", "", "ä b", "--", "--tier=llvm"];
    let ended = run(start(&files, &body).arg("--eager").args(words));
    assert_eq!(
        ended.stdout, "program.wat\0-x\0--stats\0\0ä b\0--\0--tier=llvm\0",
        "{}",
        ended.stderr
    );
    let ended = run(start(&files, &body).args(["--", "--help"]));
    assert_eq!(ended.stdout, "program.wat\0--help\0");
    let ended = run(&mut start(&files, &body));
    assert_eq!(ended.stdout, "program.wat\0");
}

#[test]
fn the_environment_is_what_is_said() {
    let files = Files::new();
    let body = show("$env_sizes", "$env_get");
    let seen = |options: &[&str]| {
        let mut command = start(&files, &body);
        command.env_clear().envs([("ONE", "1"), ("TWO", "2")]);
        run(command.args(options)).stdout
    };
    assert_eq!(seen(&[]), "");
    assert_eq!(
        seen(&["--env", "A=b=c", "--env", "TWO", "--env=NO"]),
        "A=b=c\0TWO=2\0"
    );
    assert_eq!(seen(&["--inherit-env", "--env", "ONE="]), "ONE=\0TWO=2\0");
    check_failure(
        &run(start(&files, &body).args(["--env", "=x"])),
        &["NAME=VALUE"],
    );
}

#[test]
fn standard_streams_are_binary_and_as_long_as_they_are() {
    let files = Files::new();
    let bytes: Vec<u8> = (0..3_000_000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let mut child = start(&files, CAT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, given) = (child.stdin.take().unwrap(), bytes.clone());
    let writer = thread::spawn(move || stdin.write_all(&given).unwrap());
    let mut seen = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut seen).unwrap();
    writer.join().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(seen == bytes, "{} bytes came out", seen.len());
}

#[test]
fn output_is_not_held_back() {
    let files = Files::new();
    let mut child = start(&files, CAT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    // Without a newline, and before the input ends.
    for word in [b"ping", b"pong"] {
        stdin.write_all(word).unwrap();
        let mut answer = [0; 4];
        stdout.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, word);
    }
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_closed_standard_stream_is_an_empty_one() {
    let files = Files::new();
    let file = program(&files, CAT);
    let upshift = upshift();
    let upshift = upshift.get_program().to_str().unwrap();
    let line = format!("'{upshift}' run '{}' <&- >&- 2>&-", file.display());
    let ended = run(Command::new("sh").args(["-c", &line]));
    assert_eq!(ended.status, 0);
}

#[test]
fn a_pipe_that_nobody_reads_is_an_error_for_the_program_alone() {
    let files = Files::new();
    // Writes until it fails, then once more, and tells which error it was.
    let body = "(local $errno i32)
      (loop $again
        (local.set $errno (call $write (i32.const 1) (i32.const 1024) (i32.const 5000)))
        (br_if $again (i32.eqz (local.get $errno))))
      (drop (call $write (i32.const 1) (i32.const 1024) (i32.const 1)))
      (call $exit (local.get $errno))";
    let mut child = start(&files, body)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 10_000]).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    const EPIPE: i32 = 64;
    assert_eq!(output.status.code(), Some(EPIPE));
    assert_eq!(output.stderr, b"");
}

#[test]
fn a_signal_ends_the_command_as_it_ends_every_process() {
    let files = Files::new();
    let ready = "(call $check (call $write (i32.const 1) (i32.const 1024) (i32.const 1)))";
    for body in ["(loop $again (br $again))", CAT] {
        let mut child = start(&files, &format!("{ready} {body}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let sent = Command::new("kill")
            .args(["-INT", &pid.to_string()])
            .status();
        assert!(sent.unwrap().success());
        // Shown by shells as 130.
        const SIGINT: i32 = 2;
        assert_eq!(child.wait().unwrap().signal(), Some(SIGINT));
    }
}

/// Creates `new` in the first directory, writes to it, and reads `old` from there to the standard output.
fn copy_and_create() -> String {
    const READ: u64 = 1 << 1;
    const WRITE: u64 = 1 << 6;
    format!(
        r#"(i32.store (i32.const 1024) (i32.const 0x00646c6f))
      (call $check (call $open (i32.const 3) (i32.const 0) (i64.const {READ})))
      (call $check (call $read (i32.load (i32.const 16)) (i32.const 2048) (i32.const 100)))
      (call $check (call $write (i32.const 1) (i32.const 2048) (i32.load (i32.const 8))))
      (i32.store (i32.const 1024) (i32.const 0x0077656e))
      (call $check (call $open (i32.const 3) (i32.const 1) (i64.const {WRITE})))
      (call $check (call $write (i32.load (i32.const 16)) (i32.const 2048) (i32.const 3)))"#
    )
}

#[test]
fn directories_are_given_by_name_and_to_read_only() {
    const ROFS: i32 = 169;
    let files = Files::new();
    let directory = files.path().join("given");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("old"), "text").unwrap();
    let body = copy_and_create();
    let run_in = |options: &[&str]| run(start(&files, &body).args(options).current_dir(&directory));
    let path = directory.to_str().unwrap();
    for option in [".", path, ".::/", &format!("{path}::/a/b")] {
        let ended = run_in(&["--dir", option]);
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            (0, "text"),
            "{option}: {}",
            ended.stderr
        );
        let new = directory.join("new");
        assert_eq!(std::fs::read(&new).unwrap(), b"tex");
        std::fs::remove_file(new).unwrap();

        let ended = run_in(&["--dir-ro", option]);
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            (ROFS, "text"),
            "{option}: {}",
            ended.stderr
        );
        assert!(!directory.join("new").exists());
    }
    // No directory, no files.
    const BADF: i32 = 108;
    assert_eq!(run_in(&[]).status, BADF);

    check_failure(
        &run_in(&["--dir", "no-such"]),
        &["cannot open the directory no-such of --dir: No such file"],
    );
    check_failure(
        &run_in(&["--dir-ro", "old"]),
        &["old of --dir-ro: Not a directory"],
    );
    check_failure(
        &run_in(&["--dir", "x::"]),
        &["`--dir` is `x::`, but must be HOST or HOST::GUEST"],
    );
}

/// Opens a file below `.` until that fails, ten thousand times at most, and ends with the error.
const OPEN_MANY: &str = "(local $left i32) (local $errno i32)
  (i32.store8 (i32.const 1024) (i32.const 120))
  (local.set $left (i32.const 10000))
  (loop $again
    (local.set $errno (call $open (i32.const 1) (i32.const 1) (i64.const 66)))
    (local.set $left (i32.sub (local.get $left) (i32.const 1)))
    (br_if $again (i32.and (i32.eqz (local.get $errno)) (i32.ne (local.get $left) (i32.const 0)))))
  ;; The process has descriptors left for what it needs itself.
  (call $check (call $write (i32.const 1) (i32.const 1024) (i32.const 1)))
  (call $exit (local.get $errno))";

fn with_ulimit(limit: &str, command: &mut Command) -> Ended {
    let mut line = vec![command.get_program().to_owned()];
    line.extend(command.get_args().map(ToOwned::to_owned));
    let script = format!("ulimit {limit} && exec \"$@\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, "sh"]).args(line);
    if let Some(directory) = command.get_current_dir() {
        shell.current_dir(directory);
    }
    run(&mut shell)
}

#[test]
fn ten_thousand_files_are_opened_or_refused() {
    let files = Files::new();
    let mut command = start(&files, OPEN_MANY);
    command.args(["--dir", "."]).current_dir(files.path());
    const MFILE: i32 = 33;
    for limit in ["-S -n 256", "-S -n 64"] {
        let ended = with_ulimit(limit, &mut command);
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            (MFILE, "x"),
            "{}",
            ended.stderr
        );
        assert_eq!(ended.stderr, "");
    }
    // Where the system allows so many.
    let ended = with_ulimit("-S -n 12000", &mut command);
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (0, "x"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_full_disk_is_an_error_for_the_program_alone() {
    let files = Files::new();
    // `full`, in /dev.
    let body = "(i32.store (i32.const 1024) (i32.const 0x6c6c7566))
      (call $check (call $open (i32.const 4) (i32.const 0) (i64.const 64)))
      (call $check (call $write (i32.load (i32.const 16)) (i32.const 1024) (i32.const 100)))";
    const NOSPC: i32 = 151;
    let ended = run(start(&files, body).args(["--dir", "/dev"]));
    assert_eq!((ended.status, ended.stderr.as_str()), (NOSPC, ""));
    // On the standard output as well.
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let body = "(call $check (call $write (i32.const 1) (i32.const 1024) (i32.const 100)))";
    let status = start(&files, body).stdout(full).status().unwrap();
    assert_eq!(status.code(), Some(NOSPC));
}

#[test]
fn a_file_that_may_not_grow_is_an_error_for_the_program_alone() {
    let files = Files::new();
    let body = "(local $errno i32)
      (i32.store8 (i32.const 1024) (i32.const 120))
      (call $check (call $open (i32.const 1) (i32.const 1) (i64.const 64)))
      (loop $again
        (call $check (call $write (i32.load (i32.const 16)) (i32.const 1024) (i32.const 60000)))
        (br $again))";
    const FBIG: i32 = 122;
    let mut command = start(&files, body);
    command.args(["--dir", "."]).current_dir(files.path());
    let ended = with_ulimit("-f 100", &mut command);
    assert_eq!((ended.status, ended.stderr.as_str()), (FBIG, ""));
}

#[track_caller]
fn check_timeout(child: &mut std::process::Child, start: Instant) {
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(134), "{stderr}");
    let message = "error: the program was stopped: its time is limited by --timeout 200ms\n";
    assert!(stderr.starts_with(message), "{stderr}");
    let time = start.elapsed();
    assert!(time >= Duration::from_millis(200), "{time:?}");
    assert!(time < Duration::from_secs(30), "{time:?}");
}

#[test]
fn a_program_that_waits_is_stopped_when_its_time_is_up() {
    let files = Files::new();
    // A minute by the monotonic clock; a terminal that says nothing; a pipe that nobody reads.
    let sleep = "(i32.store (i32.const 1040) (i32.const 1)) (i64.store (i32.const 1048) (i64.const 60000000000))
      (call $check (call $poll (i32.const 1024) (i32.const 2048) (i32.const 1) (i32.const 8)))";
    let fill = "(loop $again
      (call $check (call $write (i32.const 1) (i32.const 1024) (i32.const 50000))) (br $again))";
    for body in [sleep, CAT, fill] {
        let begin = Instant::now();
        let mut child = start(&files, body)
            .args(["--timeout", "200ms"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        check_timeout(&mut child, begin);
    }
}

#[test]
fn a_failure_after_refused_memory_names_the_limit_and_success_does_not() {
    let files = Files::new();
    let grow = "(drop (memory.grow (i32.const 100)))";
    let limit = ["--max-memory", "1MiB"];
    let ended = run(start(&files, &format!("{grow} (call $exit (i32.const 3))")).args(limit));
    assert_eq!(ended.status, 134);
    assert_eq!(
        ended.stderr,
        "error: the program needs more memory than --max-memory 1MiB allows: it had 128 KiB, and wanted 6400 KiB \
         more\nIt exited with status 3.\n"
    );
    let ended = run(start(&files, &format!("{grow} (call $exit (i32.const 0))")).args(limit));
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    let ended = run(start(&files, "(call $exit (i32.const 3))").args(limit));
    assert_eq!((ended.status, ended.stderr.as_str()), (3, ""));
}

#[test]
fn statistics_come_after_the_program_has_exited() {
    let files = Files::new();
    let ended = run(start(&files, "(call $exit (i32.const 3))").arg("--stats"));
    assert_eq!(ended.status, 3);
    assert!(ended.stderr.contains("\nran for "), "{}", ended.stderr);
}

#[test]
fn a_library_is_initialized_before_its_function_is_called() {
    let files = Files::new();
    let text = |initialize: &str| {
        format!(
            r#"(module
                 (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                 (memory (export "memory") 1)
                 (global $x (mut i32) (i32.const 1))
                 (func (export "_initialize") {initialize})
                 (func (export "get") (param i32) (result i32) (i32.add (global.get $x) (local.get 0)))
                 (func (export "end") (call $exit (global.get $x))))"#
        )
    };
    let file = files.write("library.wat", text("(global.set $x (i32.const 40))"));
    let call = |line: &[&str]| run(upshift().arg("run").arg(&file).args(line));
    let ended = call(&["--invoke", "get", "2"]);
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (0, "42\n"),
        "{}",
        ended.stderr
    );
    assert_eq!(call(&["--invoke", "end"]).status, 40);
    assert_eq!(call(&["--invoke", "_initialize"]).status, 0);
    check_failure(&call(&[]), &["no function `_start`", "get (i32) -> (i32)"]);
    let file = files.write("ends.wat", text("(call $exit (i32.const 9))"));
    let ended = run(upshift()
        .arg("run")
        .arg(file)
        .args(["--invoke", "get", "2"]));
    assert_eq!((ended.status, ended.stdout.as_str()), (9, ""));
}

#[test]
fn another_function_of_a_program_can_be_called_instead() {
    let files = Files::new();
    let text = format!(
        "(module {PRELUDE} (func (export \"_start\") unreachable)
           (func (export \"other\") {})
           (func (export \"add\") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))",
        show("$args_sizes", "$args_get")
    );
    let file = files.write("two.wat", text);
    let call = |line: &[&str]| run(upshift().arg("run").arg(&file).args(line));
    assert_eq!(
        call(&["--invoke", "other", "-v", "x"]).stdout,
        "two.wat\0-v\0x\0"
    );
    assert_eq!(call(&["--invoke", "add", "40", "2"]).stdout, "42\n");
    check_failure(
        &call(&["--invoke", "add", "40"]),
        &["takes 2 arguments, but 1 is given"],
    );
    check_failure(&call(&["--invoke", "ad"]), &["did you mean `add`?"]);
}

#[test]
fn programs_of_the_older_wasi_run_too() {
    let files = Files::new();
    let text = r#"(module (import "wasi_unstable" "proc_exit" (func $exit (param i32)))
                    (memory (export "memory") 1)
                    (func (export "_start") (call $exit (i32.const 5))))"#;
    let ended = run(upshift().arg("run").arg(files.write("old.wat", text)));
    assert_eq!((ended.status, ended.stderr.as_str()), (5, ""));
}

#[test]
fn imports_that_nobody_provides_are_all_listed_and_others_are_not() {
    let files = Files::new();
    let text = r#"(module
        (import "env" "log" (func (param i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
        (import "wasi_snapshot_preview1" "thread_spawn" (func (result i32)))
        (func (export "_start")))"#;
    let ended = run(upshift().arg("run").arg(files.write("imports.wat", text)));
    check_failure(
        &ended,
        &[
            "env::log: function (i32) -> ()",
            "wasi_snapshot_preview1::thread_spawn: function () -> (i32)",
        ],
    );
    assert!(!ended.stderr.contains("proc_exit"), "{}", ended.stderr);
    // Of another type than WASI's.
    let text = r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i64)))
        (func (export "_start")))"#;
    let ended = run(upshift().arg("run").arg(files.write("types.wat", text)));
    check_failure(&ended, &["proc_exit", "(i64) -> ()", "(i32) -> ()"]);
}

#[test]
fn inspect_tells_which_wasi_a_module_is_for() {
    let files = Files::new();
    let inspect = |file: &Path| run(upshift().arg("inspect").arg(file)).stdout;
    let line = "\nWASI: wasi_snapshot_preview1, a program\n";
    let text = inspect(&program(&files, ""));
    assert!(text.contains(line), "{text}");
    let library = r#"(module (import "wasi_unstable" "proc_exit" (func (param i32)))
        (func (export "_initialize")))"#;
    let text = inspect(&files.write("library.wat", library));
    assert!(
        text.contains("\nWASI: wasi_unstable, a library\n"),
        "{text}"
    );
    let text = inspect(&files.write("none.wat", "(module)"));
    assert!(text.contains("\nWASI: none\n"), "{text}");
}
