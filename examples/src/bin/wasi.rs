//! A guest that wants a system: what it prints is captured, it gets arguments, an environment and one directory to
//! read, and calls a function of the host's own beside WASI's. How it ended is its exit status.

use std::error::Error;
use std::fs;
use std::path::Path;

use upshift::{Caller, Engine, InstancePre, Linker, Module, Store};
use upshift_wasi::{Access, Captured, WasiCtx};

/// Prints the first variable of its environment, then the file that its first argument names, and asks the host
/// which status to exit with. A file that does not open is a status, too: the error number. A compiler for
/// `wasm32-wasip1` makes the same of a program in C or Rust.
const PROGRAM: &str = r#"
    (module
      (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "path_open"
        (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (import "host" "file_read" (func $file_read (param $bytes i32) (result i32)))
      (memory (export "memory") 1)
      (data (i32.const 100) "\n")
      (func $length (param $text i32) (result i32) (local $end i32)
        (local.set $end (local.get $text))
        (loop $next
          (if (i32.load8_u (local.get $end))
            (then (local.set $end (i32.add (local.get $end) (i32.const 1))) (br $next))))
        (i32.sub (local.get $end) (local.get $text)))
      (func $print (param $text i32) (param $length i32)
        (i32.store (i32.const 0) (local.get $text))
        (i32.store (i32.const 4) (local.get $length))
        (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
      (func (export "_start") (local $text i32) (local $error i32) (local $bytes i32)
        (drop (call $environ_get (i32.const 32) (i32.const 2048)))
        (local.set $text (i32.load (i32.const 32)))
        (call $print (local.get $text) (call $length (local.get $text)))
        (call $print (i32.const 100) (i32.const 1))
        (drop (call $args_get (i32.const 32) (i32.const 1024)))
        (local.set $text (i32.load (i32.const 36)))
        (local.set $error
          (call $path_open (i32.const 3) (i32.const 0) (local.get $text) (call $length (local.get $text))
            (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 12)))
        (if (local.get $error) (then (call $exit (local.get $error))))
        (loop $more
          (i32.store (i32.const 0) (i32.const 4096))
          (i32.store (i32.const 4) (i32.const 1000))
          (drop (call $fd_read (i32.load (i32.const 12)) (i32.const 0) (i32.const 1) (i32.const 8)))
          (if (i32.load (i32.const 8))
            (then
              (local.set $bytes (i32.add (local.get $bytes) (i32.load (i32.const 8))))
              (call $print (i32.const 4096) (i32.load (i32.const 8)))
              (br $more))))
        (call $exit (call $file_read (local.get $bytes)))))"#;

/// What the host keeps for each guest: WASI's part, and its own.
struct Guest {
    wasi: WasiCtx,
    bytes_read: i32,
}

fn main() -> Result<(), Box<dyn Error>> {
    let engine = Engine::default();
    let module = Module::new(&engine, PROGRAM)?;

    // Once for all guests: WASI's functions, which are told where in a store's data their part is, and our own.
    let mut linker = Linker::new(&engine);
    upshift_wasi::add_to_linker(&mut linker, |guest: &mut Guest| &mut guest.wasi)?;
    linker.func_wrap(
        "host",
        "file_read",
        |mut caller: Caller<'_, Guest>, bytes: i32| {
            caller.data_mut().bytes_read += bytes;
            i32::from(bytes > 1000)
        },
    )?;
    let program = linker.instantiate_pre(&module)?;

    let directory = std::env::temp_dir().join(format!("upshift-wasi-{}", std::process::id()));
    fs::create_dir(&directory)?;
    fs::write(
        directory.join("letter.txt"),
        "Dear guest,\nhere is a file.\n",
    )?;
    let told =
        ["letter.txt", "lost.txt", "../../etc/passwd"].map(|file| run(&program, &directory, file));
    fs::remove_dir_all(&directory)?;
    for line in told {
        println!("{}", line?);
    }
    Ok(())
}

/// Runs a guest that gets the directory, and says what became of it.
fn run(
    program: &InstancePre<Guest>,
    directory: &Path,
    file: &str,
) -> Result<String, Box<dyn Error>> {
    // Beyond so many bytes, what it prints is lost.
    let output = Captured::new(1 << 20);
    let wasi = WasiCtx::builder()
        .args(["show", file])
        .env("LANG", "en")
        .preopened_dir(directory, "/letters", Access::ReadOnly)?
        .stdout(&output)
        .build();
    let mut store = Store::new(
        program.module().engine(),
        Guest {
            wasi,
            bytes_read: 0,
        },
    );
    let instance = program.instantiate(&mut store)?;
    let status = upshift_wasi::run_command(&mut store, &instance)?;
    let bytes = store.data().bytes_read;
    Ok(format!(
        "{file}: status {status}, {bytes} bytes, printed {:?}",
        output.text()
    ))
}
