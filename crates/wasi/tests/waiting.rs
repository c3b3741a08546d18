//! Guests that wait, one at a time and a thousand at once: ends of waits, and that nothing is mixed up.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use upshift::{Engine, Linker, Module, Store, TrapCode};
use upshift_wasi::{Captured, Input, Output, WasiCtx, WasiCtxBuilder};

/// A program that waits in the ways that there are. Subscriptions are at 0, events at 200, results at 400.
const WAITS: &str = r#"(module
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_time_get" (func $now (param i32 i64 i32) (result i32)))
    (memory (export "memory") 20)
    ;; Waits for the monotonic clock; at an absolute time if told.
    (func $sleep (export "sleep") (param $nanos i64) (param $absolute i32) (result i32)
      (i64.store (i32.const 0) (i64.const 77))
      (i32.store8 (i32.const 8) (i32.const 0))
      (i32.store (i32.const 16) (i32.const 1))
      (i64.store (i32.const 24) (local.get $nanos))
      (i32.store16 (i32.const 40) (local.get $absolute))
      (call $poll (i32.const 0) (i32.const 200) (i32.const 1) (i32.const 400)))
    ;; Waits for standard input, and for the clock behind it.
    (func (export "input_or_sleep") (param $nanos i64) (result i32)
      (drop (call $sleep (i64.const 0) (i32.const 0)))
      (i64.store (i32.const 24) (local.get $nanos))
      (i64.store (i32.const 48) (i64.const 88))
      (i32.store8 (i32.const 56) (i32.const 1))
      (i32.store (i32.const 64) (i32.const 0))
      (call $poll (i32.const 0) (i32.const 200) (i32.const 2) (i32.const 400)))
    (func (export "read") (result i32)
      (i32.store (i32.const 500) (i32.const 600))
      (i32.store (i32.const 504) (i32.const 10))
      (call $read (i32.const 0) (i32.const 500) (i32.const 1) (i32.const 400)))
    (func (export "write") (param $length i32) (result i32)
      (i32.store (i32.const 500) (i32.const 600))
      (i32.store (i32.const 504) (local.get $length))
      (call $write (i32.const 1) (i32.const 500) (i32.const 1) (i32.const 400)))
    (func (export "now") (result i64)
      (drop (call $now (i32.const 1) (i64.const 0) (i32.const 408)))
      (i64.load (i32.const 408))))"#;

struct Guest {
    store: Store<WasiCtx>,
    instance: upshift::Instance,
}

impl Guest {
    fn new(builder: &mut WasiCtxBuilder) -> Self {
        let engine = Engine::default();
        let module = Module::new(&engine, WAITS).unwrap();
        let mut linker = Linker::new(&engine);
        upshift_wasi::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx).unwrap();
        let mut store = Store::new(&engine, builder.build());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        Self { store, instance }
    }

    fn call<P: upshift::WasmParams>(&mut self, name: &str, params: P) -> upshift::Result<i32> {
        self.instance
            .get_typed_func::<P, i32>(&mut self.store, name)?
            .call(&mut self.store, params)
    }

    /// The number that the last call stored.
    fn result(&self) -> u32 {
        u32::from_le_bytes(self.bytes(400, 4).try_into().unwrap())
    }

    fn bytes(&self, start: usize, length: usize) -> Vec<u8> {
        let memory = self.instance.get_memory(&self.store, "memory").unwrap();
        memory.data(&self.store)[start..start + length].to_vec()
    }

    /// Interrupts a call that would never end, and says how long that took.
    fn interrupt<P: upshift::WasmParams>(&mut self, name: &str, params: P) -> Duration {
        let handle = self.store.interrupt_handle();
        let timer = thread::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            handle.interrupt();
            Instant::now()
        });
        let error = self.call(name, params).unwrap_err();
        let ended = Instant::now();
        assert_eq!(error.as_trap().unwrap().code(), TrapCode::Interrupted);
        ended.saturating_duration_since(timer.join().unwrap())
    }
}

/// Far more than an interruption takes, far less than the interrupted wait.
const SOON: Duration = Duration::from_secs(20);
const LONG: i64 = 3_600_000_000_000;

#[test]
fn a_sleep_takes_its_time() {
    let mut guest = Guest::new(&mut WasiCtx::builder());
    let start = Instant::now();
    assert_eq!(guest.call("sleep", (30_000_000_i64, 0)).unwrap(), 0);
    assert!(start.elapsed() >= Duration::from_millis(30));
    assert_eq!(guest.result(), 1);
    // The subscription's mark, no error, a clock.
    assert_eq!(guest.bytes(200, 11), [77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let start = Instant::now();
    assert_eq!(guest.call("sleep", (1_i64, 1)).unwrap(), 0);
    assert!(start.elapsed() < SOON);
}

#[test]
fn a_sleep_is_interrupted() {
    let mut guest = Guest::new(&mut WasiCtx::builder());
    assert!(guest.interrupt("sleep", (LONG, 0)) < SOON);
    // The store can be used again.
    assert_eq!(guest.call("sleep", (0_i64, 0)).unwrap(), 0);
}

#[test]
fn a_read_of_a_silent_pipe_is_interrupted() {
    let (reader, mut feed) = std::io::pipe().unwrap();
    let mut guest = Guest::new(WasiCtx::builder().stdin(Input::file(reader)));
    assert!(guest.interrupt("read", ()) < SOON);
    // Later bytes are not lost.
    feed.write_all(b"late").unwrap();
    assert_eq!(guest.call("read", ()).unwrap(), 0);
    assert_eq!((guest.result(), guest.bytes(600, 4)), (4, b"late".to_vec()));
}

#[test]
fn a_write_to_a_full_pipe_is_interrupted() {
    let (_reader, writer) = std::io::pipe().unwrap();
    let mut guest = Guest::new(WasiCtx::builder().stdout(Output::file(writer)));
    // More than a pipe holds.
    assert!(guest.interrupt("write", 1 << 20) < SOON);
}

#[test]
fn a_write_to_a_pipe_waits_until_all_is_written() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut guest = Guest::new(WasiCtx::builder().stdout(Output::file(writer)));
    let count = thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()).unwrap());
    assert_eq!(guest.call("write", 1 << 20).unwrap(), 0);
    assert_eq!(guest.result(), 1 << 20);
    drop(guest);
    assert_eq!(count.join().unwrap(), 1 << 20);
}

#[test]
fn a_poll_of_a_pipe_and_a_clock_ends_with_the_first() {
    let (reader, mut feed) = std::io::pipe().unwrap();
    let mut guest = Guest::new(WasiCtx::builder().stdin(Input::file(reader)));
    assert_eq!(guest.call("input_or_sleep", 1_000_000_i64).unwrap(), 0);
    assert_eq!((guest.result(), guest.bytes(200, 1)), (1, vec![77]));
    let writer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        feed.write_all(b"abc").unwrap();
        feed
    });
    assert_eq!(guest.call("input_or_sleep", LONG).unwrap(), 0);
    assert_eq!((guest.result(), guest.bytes(200, 1)), (1, vec![88]));
    // A file to be read, three bytes of it, nobody has left.
    assert_eq!(guest.bytes(210, 1), [1]);
    assert_eq!(guest.bytes(216, 10), [3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let feed = writer.join().unwrap();
    assert_eq!(guest.call("read", ()).unwrap(), 0);
    drop(feed);
    assert_eq!(guest.call("input_or_sleep", LONG).unwrap(), 0);
    assert_eq!(guest.bytes(224, 2), [1, 0]);
}

#[test]
fn a_deterministic_clock_sleeps_in_no_time() {
    let mut builder = WasiCtx::builder();
    builder.deterministic_clock(Duration::ZERO, Duration::from_nanos(1));
    let mut guest = Guest::new(&mut builder);
    let start = Instant::now();
    assert_eq!(guest.call("sleep", (LONG, 0)).unwrap(), 0);
    assert!(start.elapsed() < SOON);
    let now = guest
        .instance
        .get_typed_func::<(), i64>(&mut guest.store, "now");
    assert_eq!(now.unwrap().call(&mut guest.store, ()).unwrap(), LONG + 1);
}

#[test]
fn a_thousand_instances_over_eight_threads_keep_their_output_apart() {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module
             (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
             (import "wasi_snapshot_preview1" "fd_write"
               (func $write (param i32 i32 i32 i32) (result i32)))
             (memory (export "memory") 1)
             (func (export "_start") (local $left i32)
               (drop (call $args (i32.const 0) (i32.const 100)))
               (i32.store (i32.const 16) (i32.const 100))
               (i32.store (i32.const 20) (i32.const 5))
               (local.set $left (i32.const 10))
               (loop $again
                 (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))
                 (br_if $again
                   (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))"#,
    )
    .unwrap();
    let mut linker = Linker::new(&engine);
    upshift_wasi::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx).unwrap();
    let ready = linker.instantiate_pre(&module).unwrap();
    thread::scope(|scope| {
        for worker in 0..8 {
            let (engine, ready) = (&engine, &ready);
            scope.spawn(move || {
                // All of a worker's instances are there at once.
                let guests: Vec<_> = (0..125)
                    .map(|i| {
                        let output = Captured::new(1000);
                        let name = format!("{:05}", worker * 125 + i);
                        let ctx = WasiCtx::builder().arg(&name).stdout(&output).build();
                        let mut store = Store::new(engine, ctx);
                        let instance = ready.instantiate(&mut store).unwrap();
                        (name, output, store, instance)
                    })
                    .collect();
                for (name, output, mut store, instance) in guests {
                    let status = upshift_wasi::run_command(&mut store, &instance).unwrap();
                    assert_eq!((status, output.text()), (0, name.repeat(10)));
                }
            });
        }
    });
}

/// How many subscriptions one call may have.
const MOST: i32 = 1 << 16;

#[test]
fn a_call_waits_for_so_many_things_at_most() {
    for version in ["wasi_snapshot_preview1", "wasi_unstable"] {
        // Clocks that have rung: subscriptions are all zero. Events lie behind them.
        let text = format!(
            r#"(module
                (import "{version}" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
                (memory (export "memory") 100)
                (func (export "poll") (param $count i32) (result i32)
                    (call $poll (i32.const 8) (i32.const 4000000) (local.get $count) (i32.const 0)))
                (func (export "done") (result i32) (i32.load (i32.const 0))))"#
        );
        let engine = Engine::default();
        let module = Module::new(&engine, text).unwrap();
        let mut linker = Linker::new(&engine);
        upshift_wasi::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx).unwrap();
        let mut store = Store::new(&engine, WasiCtx::builder().build());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let poll = instance.get_typed_func::<i32, i32>(&mut store, "poll");
        let done = instance.get_typed_func::<(), i32>(&mut store, "done");
        let (poll, done) = (poll.unwrap(), done.unwrap());
        assert_eq!(poll.call(&mut store, MOST).unwrap(), 0, "{version}");
        assert_eq!(done.call(&mut store, ()).unwrap(), MOST, "{version}");
        assert_eq!(poll.call(&mut store, MOST + 1).unwrap(), 28, "{version}"); // inval
        assert_eq!(poll.call(&mut store, -1).unwrap(), 21, "{version}"); // fault
    }
}
