//! Small programs from start to end: their inputs, their traces.

use std::io::Write;
use std::time::Duration;

use upshift::{Engine, Error, Instance, Linker, Module, Store};
use upshift_wasi::{Captured, Exit, Input, Output, WasiCtx, WasiCtxBuilder, WasiVersion};

/// Imports that the texts below use.
const IMPORTS: &str = r#"
    (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_sizes_get"
      (func $environ_sizes_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
    (import "wasi_snapshot_preview1" "proc_raise" (func $proc_raise (param i32) (result i32)))
    (memory (export "memory") 1)"#;

/// A program of these imports and this body.
fn program(body: &str) -> (Store<WasiCtx>, Instance, WasiCtxBuilder) {
    let engine = Engine::default();
    let text = format!("(module {IMPORTS} {body})");
    let module = Module::new(&engine, text).unwrap();
    assert_eq!(WasiVersion::of(&module), Some(WasiVersion::Preview1));
    let mut linker = Linker::new(&engine);
    upshift_wasi::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx).unwrap();
    let mut store = Store::new(&engine, WasiCtx::builder().build());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    (store, instance, WasiCtx::builder())
}

/// Calls an exported function that returns an error number.
fn call(store: &mut Store<WasiCtx>, instance: &Instance, name: &str) -> i32 {
    let function = instance.get_typed_func::<(), i32>(&mut *store, name);
    function.unwrap().call(store, ()).unwrap()
}

fn memory(store: &Store<WasiCtx>, instance: &Instance, start: usize, length: usize) -> Vec<u8> {
    let memory = instance.get_memory(store, "memory").unwrap();
    memory.data(store)[start..start + length].to_vec()
}

#[test]
fn arguments_and_environment_arrive() {
    let (mut store, instance, mut builder) = program(
        r#"(func (export "sizes") (result i32)
             (i32.or (call $args_sizes_get (i32.const 0) (i32.const 4))
                     (call $environ_sizes_get (i32.const 8) (i32.const 12))))
           (func (export "get") (result i32)
             (i32.or (call $args_get (i32.const 16) (i32.const 100))
                     (call $environ_get (i32.const 32) (i32.const 200))))"#,
    );
    *store.data_mut() = builder.args(["prog", "", "ä"]).env("A", "b c").build();
    assert_eq!(call(&mut store, &instance, "sizes"), 0);
    assert_eq!(call(&mut store, &instance, "get"), 0);
    let words: Vec<u32> = memory(&store, &instance, 0, 40)
        .chunks(4)
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
        .collect();
    assert_eq!(words, [3, 9, 1, 6, 100, 105, 106, 0, 200, 0]);
    assert_eq!(memory(&store, &instance, 100, 9), "prog\0\0ä\0".as_bytes());
    assert_eq!(memory(&store, &instance, 200, 6), b"A=b c\0");
}

/// Reads into two buffers, writes them in the other order.
const SWAP: &str = r#"
    (data (i32.const 0) "\40\00\00\00\03\00\00\00\50\00\00\00\03\00\00\00")
    (data (i32.const 16) "\50\00\00\00\03\00\00\00\40\00\00\00\03\00\00\00")
    (func (export "swap") (result i32)
      (i32.or (call $fd_read (i32.const 0) (i32.const 0) (i32.const 2) (i32.const 32))
              (call $fd_write (i32.const 1) (i32.const 16) (i32.const 2) (i32.const 36))))"#;

#[test]
fn streams_are_read_and_written_in_pieces() {
    let (mut store, instance, mut builder) = program(SWAP);
    let output = Captured::new(100);
    *store.data_mut() = builder
        .stdin(Input::bytes("abcdef"))
        .stdout(&output)
        .build();
    assert_eq!(call(&mut store, &instance, "swap"), 0);
    assert_eq!(memory(&store, &instance, 32, 8), [6, 0, 0, 0, 6, 0, 0, 0]);
    assert_eq!(output.text(), "defabc");
}

#[test]
fn files_of_the_system_are_streams_too() {
    let (mut store, instance, mut builder) = program(SWAP);
    let (input, mut feed) = std::io::pipe().unwrap();
    feed.write_all(b"abcdef").unwrap();
    let mut file = tempfile::tempfile().unwrap();
    *store.data_mut() = builder
        .stdin(Input::file(input))
        .stdout(Output::file(file.try_clone().unwrap()))
        .build();
    assert_eq!(call(&mut store, &instance, "swap"), 0);
    let mut text = String::new();
    std::io::Seek::rewind(&mut file).unwrap();
    std::io::Read::read_to_string(&mut file, &mut text).unwrap();
    assert_eq!(text, "defabc");
}

#[test]
fn a_closed_pipe_is_an_error_number() {
    let (mut store, instance, mut builder) = program(
        r#"(func (export "write") (result i32)
             (i32.store offset=4 (i32.const 0) (i32.const 1))
             (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))"#,
    );
    let (reader, writer) = std::io::pipe().unwrap();
    *store.data_mut() = builder.stdout(Output::file(writer)).build();
    assert_eq!(call(&mut store, &instance, "write"), 0);
    drop(reader);
    assert_eq!(call(&mut store, &instance, "write"), 64); // pipe
}

#[test]
fn a_full_buffer_is_a_full_disk() {
    let (mut store, instance, mut builder) = program(
        r#"(func (export "write") (result i32)
             (i32.store offset=4 (i32.const 0) (i32.const 3))
             (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))"#,
    );
    let output = Captured::new(2);
    *store.data_mut() = builder.stderr(&output).build();
    assert_eq!(call(&mut store, &instance, "write"), 0);
    assert_eq!(memory(&store, &instance, 8, 1), [2]);
    assert_eq!(call(&mut store, &instance, "write"), 51); // nospc
}

#[test]
fn pointers_that_lead_nowhere_are_error_numbers() {
    let (mut store, instance, mut builder) = program(
        r#"(func (export "list") (result i32)
             (call $fd_write (i32.const 1) (i32.const 65532) (i32.const 1) (i32.const 8)))
           (func (export "bytes") (result i32)
             (i32.store (i32.const 0) (i32.const 65535)) (i32.store offset=4 (i32.const 0) (i32.const 2))
             (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
           (func (export "result") (result i32)
             (i32.store (i32.const 0) (i32.const 0)) (i32.store offset=4 (i32.const 0) (i32.const 0))
             (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const -4)))
           (func (export "many") (result i32)
             (call $fd_write (i32.const 1) (i32.const 0) (i32.const -1) (i32.const 8)))
           (func (export "args") (result i32) (call $args_get (i32.const -8) (i32.const 100)))
           (func (export "random") (result i32) (call $random_get (i32.const 1) (i32.const -1)))
           (func (export "clock") (result i32) (call $clock_time_get (i32.const 9) (i64.const 0) (i32.const 0)))
           (func (export "descriptor") (result i32)
             (call $fd_write (i32.const -1) (i32.const 0) (i32.const 1) (i32.const 8)))"#,
    );
    *store.data_mut() = builder.args(["a"]).build();
    for name in ["list", "bytes", "result", "args", "random"] {
        assert_eq!(call(&mut store, &instance, name), 21, "{name}"); // fault
    }
    assert_eq!(call(&mut store, &instance, "clock"), 28); // inval
    assert_eq!(call(&mut store, &instance, "descriptor"), 8); // badf
    assert_eq!(call(&mut store, &instance, "many"), 0);
}

#[test]
fn deterministic_clocks_and_random_bytes_repeat() {
    let run = |seed| {
        let (mut store, instance, mut builder) = program(
            r#"(func (export "read") (result i32)
                 (drop (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 0)))
                 (drop (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 8)))
                 (call $random_get (i32.const 16) (i32.const 20)))"#,
        );
        let (start, step) = (Duration::from_secs(1), Duration::from_nanos(5));
        *store.data_mut() = builder
            .deterministic_clock(start, step)
            .deterministic_random(seed)
            .build();
        assert_eq!(call(&mut store, &instance, "read"), 0);
        memory(&store, &instance, 0, 36)
    };
    let first = run(1);
    assert_eq!(first[..8], 1_000_000_005_u64.to_le_bytes());
    assert_eq!(first[8..16], 10_u64.to_le_bytes());
    assert_eq!(first, run(1));
    assert_ne!(first[16..], run(2)[16..]);
}

#[test]
fn an_exit_is_found_in_the_error_and_by_the_helper() {
    let (mut store, instance, _) = program(
        r#"(func (export "_start") (call $proc_exit (i32.const 42)) (unreachable))
           (func (export "return"))
           (func (export "abort") (drop (call $proc_raise (i32.const 6))))
           (func (export "trap") (unreachable))"#,
    );
    assert_eq!(
        upshift_wasi::run_command(&mut store, &instance).unwrap(),
        42
    );
    let mut run = |name| upshift_wasi::run_function(&mut store, &instance, name);
    assert_eq!(run("return").unwrap(), 0);
    assert_eq!(run("abort").unwrap(), 134);
    assert!(run("trap").unwrap_err().as_trap().is_some());
    assert!(run("nothing").is_err());
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start");
    let error: Error = start.unwrap().call(&mut store, ()).unwrap_err();
    assert_eq!(error.downcast_ref::<Exit>().unwrap().status(), 42);
}

#[test]
fn a_reactor_is_initialized_by_its_own_function() {
    let (mut store, instance, _) = program(
        r#"(global $ready (mut i32) (i32.const 0))
           (func (export "_initialize") (global.set $ready (i32.const 1)))
           (func (export "ready") (result i32) (global.get $ready))"#,
    );
    upshift_wasi::initialize(&mut store, &instance).unwrap();
    assert_eq!(call(&mut store, &instance, "ready"), 1);
    let (mut store, instance, _) = program("");
    upshift_wasi::initialize(&mut store, &instance).unwrap();
}

/// Runs a program without memory that calls a function of WASI with these arguments, each of 32 bits, and exits with its
/// result.
fn without_memory(version: &str, name: &str, arguments: &[i32]) -> upshift::Result<u32> {
    let params = "i32 ".repeat(arguments.len());
    let arguments: String = arguments
        .iter()
        .map(|argument| format!("(i32.const {argument}) "))
        .collect();
    let engine = Engine::default();
    let text = format!(
        r#"(module
             (import "{version}" "{name}" (func $f (param {params}) (result i32)))
             (import "{version}" "proc_exit" (func $exit (param i32)))
             (func (export "_start") (call $exit (call $f {arguments}))))"#
    );
    let module = Module::new(&engine, text)?;
    let mut linker = Linker::new(&engine);
    upshift_wasi::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx)?;
    let mut store = Store::new(&engine, WasiCtx::builder().build());
    let instance = linker.instantiate(&mut store, &module)?;
    upshift_wasi::run_command(&mut store, &instance)
}

const VERSIONS: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];

#[test]
fn a_guest_without_memory_can_call_what_needs_none() {
    const BADF: u32 = 8;
    for version in VERSIONS {
        for (name, arguments, status) in [
            ("sched_yield", &[][..], 0),
            ("fd_close", &[1], 0),
            ("fd_close", &[99], BADF),
            ("fd_renumber", &[1, 2], 0),
            ("fd_fdstat_set_flags", &[99, 0], BADF),
            ("fd_sync", &[99], BADF),
            ("sock_shutdown", &[99, 1], BADF),
            // Nothing is written.
            ("random_get", &[0, 0], 0),
            // Another error comes first.
            ("fd_fdstat_get", &[99, 0], BADF),
        ] {
            let result = without_memory(version, name, arguments);
            assert_eq!(result.unwrap(), status, "{version} {name}");
        }
    }
}

#[test]
fn a_guest_without_memory_gets_an_error_from_what_needs_one() {
    for version in VERSIONS {
        for (name, arguments) in [
            ("args_sizes_get", &[0, 0][..]),
            ("clock_res_get", &[0, 0]),
            ("environ_get", &[8, 0]),
            ("fd_fdstat_get", &[1, 0]),
            ("fd_write", &[1, 0, 1, 0]),
            ("fd_write", &[1, 0, 0, 0]),
            ("poll_oneoff", &[0, 0, 1, 0]),
            ("random_get", &[0, 1]),
        ] {
            let error = without_memory(version, name, arguments).unwrap_err();
            assert!(error.is::<upshift_wasi::NoMemory>(), "{name}: {error}");
            assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
        }
    }
}

#[test]
fn a_module_without_wasi_has_no_version() {
    let engine = Engine::default();
    let module = Module::new(&engine, r#"(module (import "env" "f" (func)))"#).unwrap();
    assert_eq!(WasiVersion::of(&module), None);
}
