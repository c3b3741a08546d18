//! Sockets that a guest is given: connections taken, messages both ways, waits that end.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use upshift::{Engine, Instance, Linker, Module, Store, TrapCode};
use upshift_wasi::WasiCtx;

/// Calls with buffers of eight bytes at 100; results are at 0.
const CALLS: &str = r#"(module
    (import "wasi_snapshot_preview1" "sock_accept" (func $accept (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "sock_recv"
      (func $recv (param i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "sock_send" (func $send (param i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "sock_shutdown" (func $shutdown (param i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "accept") (param $fd i32) (param $flags i32) (result i32)
      (call $accept (local.get $fd) (local.get $flags) (i32.const 0)))
    (func (export "recv") (param $fd i32) (param $flags i32) (result i32)
      (i32.store (i32.const 40) (i32.const 100))
      (i32.store (i32.const 44) (i32.const 8))
      (call $recv (local.get $fd) (i32.const 40) (i32.const 1) (local.get $flags) (i32.const 0) (i32.const 4)))
    (func (export "send") (param $fd i32) (param $length i32) (result i32)
      (i32.store (i32.const 40) (i32.const 100))
      (i32.store (i32.const 44) (local.get $length))
      (call $send (local.get $fd) (i32.const 40) (i32.const 1) (i32.const 0) (i32.const 0)))
    (func (export "shutdown") (param $fd i32) (param $how i32) (result i32)
      (call $shutdown (local.get $fd) (local.get $how))))"#;

const AGAIN: i32 = 6;
const INVAL: i32 = 28;
const NOTSOCK: i32 = 57;
const PIPE: i32 = 64;
const PEEK: i32 = 1;
const WAIT_ALL: i32 = 2;
const NONBLOCK: i32 = 4;

struct Guest {
    store: Store<WasiCtx>,
    instance: Instance,
}

impl Guest {
    fn new(ctx: WasiCtx) -> Self {
        let engine = Engine::default();
        let module = Module::new(&engine, CALLS).unwrap();
        let mut linker = Linker::new(&engine);
        upshift_wasi::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx).unwrap();
        let mut store = Store::new(&engine, ctx);
        let instance = linker.instantiate(&mut store, &module).unwrap();
        Self { store, instance }
    }

    fn try_call(&mut self, name: &str, fd: i32, argument: i32) -> upshift::Result<i32> {
        self.instance
            .get_typed_func::<(i32, i32), i32>(&mut self.store, name)?
            .call(&mut self.store, (fd, argument))
    }

    fn call(&mut self, name: &str, fd: i32, argument: i32) -> i32 {
        self.try_call(name, fd, argument).unwrap()
    }

    fn bytes(&self, start: usize, length: usize) -> Vec<u8> {
        let memory = self.instance.get_memory(&self.store, "memory").unwrap();
        memory.data(&self.store)[start..start + length].to_vec()
    }

    /// The bytes of the last `recv`.
    fn received(&self) -> Vec<u8> {
        let count = self.bytes(0, 4)[0];
        self.bytes(100, count.into())
    }
}

fn pair() -> (Guest, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut builder = WasiCtx::builder();
    let ctx = builder.socket(theirs).unwrap().build();
    (Guest::new(ctx), ours)
}

#[test]
fn a_listener_takes_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut guest = Guest::new(WasiCtx::builder().socket(listener).unwrap().build());
    let client = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"ping").unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).unwrap();
        answer
    });
    assert_eq!(guest.call("accept", 3, 1), INVAL);
    assert_eq!(guest.call("accept", 3, 0), 0);
    assert_eq!(guest.bytes(0, 4), [4, 0, 0, 0]);
    assert_eq!(guest.call("recv", 4, 0), 0);
    assert_eq!(guest.received(), b"ping");
    assert_eq!(guest.call("send", 4, 4), 0);
    assert_eq!(client.join().unwrap(), *b"ping");
}

#[test]
fn nobody_connects_and_the_guest_is_interrupted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut guest = Guest::new(WasiCtx::builder().socket(listener).unwrap().build());
    let handle = guest.store.interrupt_handle();
    let timer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(30));
        handle.interrupt();
    });
    let error = guest.try_call("accept", 3, 0).unwrap_err();
    assert_eq!(error.as_trap().unwrap().code(), TrapCode::Interrupted);
    timer.join().unwrap();
}

#[test]
fn a_peek_takes_nothing_and_waiting_for_all_takes_all() {
    let (mut guest, mut peer) = pair();
    peer.write_all(b"abcd").unwrap();
    assert_eq!(guest.call("recv", 3, PEEK), 0);
    assert_eq!(guest.received(), b"abcd");
    let writer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        peer.write_all(b"efghij").unwrap();
        peer
    });
    assert_eq!(guest.call("recv", 3, PEEK | WAIT_ALL), 0);
    assert_eq!(guest.received(), b"abcdefgh");
    assert_eq!(guest.call("recv", 3, WAIT_ALL), 0);
    assert_eq!(guest.received(), b"abcdefgh");
    drop(writer.join().unwrap());
    // The end comes before all: the available bytes.
    assert_eq!(guest.call("recv", 3, WAIT_ALL | PEEK), 0);
    assert_eq!(guest.received(), b"ij");
    assert_eq!(guest.call("recv", 3, WAIT_ALL), 0);
    assert_eq!(guest.received(), b"ij");
    assert_eq!(guest.call("recv", 3, 0), 0);
    assert_eq!(guest.received(), b"");
}

#[test]
fn what_is_shut_down_ends() {
    let (mut guest, mut peer) = pair();
    assert_eq!(guest.call("shutdown", 3, 0), INVAL);
    assert_eq!(guest.call("shutdown", 3, 2), 0);
    assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0);
    assert_eq!(guest.call("send", 3, 1), PIPE);
    peer.write_all(b"x").unwrap();
    peer.shutdown(Shutdown::Both).unwrap();
    assert_eq!(guest.call("recv", 3, 0), 0);
    assert_eq!(guest.received(), b"x");
}

#[test]
fn a_socket_that_must_not_wait_says_again() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let mut builder = WasiCtx::builder();
    let mut guest = Guest::new(builder.socket(theirs).unwrap().build());
    assert_eq!(guest.call("recv", 3, 0), AGAIN);
    drop(ours);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut guest = Guest::new(WasiCtx::builder().socket(listener).unwrap().build());
    let client = TcpStream::connect(address).unwrap();
    assert_eq!(guest.call("accept", 3, NONBLOCK), 0);
    assert_eq!(guest.call("recv", 4, 0), AGAIN);
    drop(client);
}

#[test]
fn what_is_no_socket_is_refused() {
    let file = tempfile::tempfile().unwrap();
    assert!(WasiCtx::builder().socket(file).is_err());
    let (mut guest, _peer) = pair();
    for name in ["accept", "recv", "send", "shutdown"] {
        assert_eq!(guest.call(name, 1, 0), NOTSOCK, "{name}");
    }
}
