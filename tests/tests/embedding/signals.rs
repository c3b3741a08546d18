//! Signals of the host's: threads that block them, and faults' signals that somebody sent. Each test has a process of
//! its own, to which handlers and masks belong.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use upshift::{Config, Engine, Instance, Module, Store, TrapCode};

use crate::{ALONE, configs, in_own_process, until};

const GUEST: &str = r#"(module
  (memory 1)
  (func (export "bounds") (param i32) (result i32) (i32.load (i32.const 0x10000)))
  (func (export "divide") (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
  (func (export "unreachable") (param i32) (result i32) unreachable)
  (func $deep (export "deep") (param i32) (result i32) (i32.add (i32.const 1) (call $deep (local.get 0))))
  (func (export "spin") (param i32) (result i32) (loop (br 0)) unreachable))"#;

const FAULTS: [i32; 4] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE];

fn guest(config: &Config) -> (Store<()>, Instance) {
    let engine = Engine::new(config).unwrap();
    let module = Module::new(&engine, GUEST).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    (store, instance)
}

fn trap(store: &mut Store<()>, instance: &Instance, name: &str) -> TrapCode {
    let func = instance
        .get_typed_func::<i32, i32>(&mut *store, name)
        .unwrap();
    let error = func.call(store, 0).unwrap_err();
    error.as_trap().unwrap_or_else(|| panic!("{error}")).code()
}

/// Every kind of trap, and an interruption in the middle of a loop.
fn all_traps(config: &Config) {
    let (mut store, instance) = guest(config);
    for (name, code) in [
        ("bounds", TrapCode::MemoryOutOfBounds),
        ("divide", TrapCode::IntegerDivideByZero),
        ("unreachable", TrapCode::Unreachable),
        ("deep", TrapCode::StackOverflow),
    ] {
        assert_eq!(trap(&mut store, &instance, name), code);
    }
    let interrupt = store.interrupt_handle();
    thread::scope(|scope| {
        scope.spawn(move || {
            thread::sleep(Duration::from_millis(50));
            interrupt.interrupt();
        });
        assert_eq!(trap(&mut store, &instance, "spin"), TrapCode::Interrupted);
    });
}

/// Blocks every signal on this thread, as servers do whose signals one thread waits for.
fn block_all() {
    // SAFETY: the set is a live local.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&mut all);
        assert_eq!(
            libc::pthread_sigmask(libc::SIG_BLOCK, &all, ptr::null_mut()),
            0
        );
    }
}

#[test]
fn a_thread_that_blocks_all_signals_traps_and_is_interrupted() {
    if !in_own_process("signals::a_thread_that_blocks_all_signals_traps_and_is_interrupted") {
        return;
    }
    block_all();
    for config in configs() {
        // New threads have the mask of the one that makes them.
        thread::spawn(move || all_traps(&config)).join().unwrap();
    }
}

#[test]
fn an_interrupt_signal_that_is_new_is_unblocked_too() {
    if !in_own_process("signals::an_interrupt_signal_that_is_new_is_unblocked_too") {
        return;
    }
    block_all();
    all_traps(&Config::new());
    all_traps(Config::new().interrupt_signal(libc::SIGUSR2));
}

static SEEN: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: i32) {
    SEEN.fetch_add(1, Ordering::SeqCst);
}

/// What the process does on a fault's signal before there is an engine.
fn set_action(signal: i32, action: usize) {
    // SAFETY: the action is a valid one.
    unsafe {
        let mut new = std::mem::zeroed::<libc::sigaction>();
        new.sa_sigaction = action;
        assert_eq!(libc::sigaction(signal, &new, ptr::null_mut()), 0);
    }
}

/// Sends a signal to this process's thread that spins in a guest, until `enough`, and then interrupts the guest.
fn send_to_a_running_guest(signal: i32, enough: impl Fn(usize) -> bool + Send) {
    let (mut store, instance) = guest(&Config::new());
    let interrupt = store.interrupt_handle();
    // SAFETY: no preconditions.
    let (process, thread) = unsafe { (libc::getpid(), libc::gettid()) };
    thread::scope(|scope| {
        scope.spawn(move || {
            // By then it is in its loop.
            thread::sleep(Duration::from_millis(50));
            let mut sent = 0;
            while !enough(sent) {
                thread::sleep(Duration::from_millis(1));
                // SAFETY: no preconditions.
                unsafe { libc::syscall(libc::SYS_tgkill, process, thread, signal) };
                sent += 1;
            }
            interrupt.interrupt();
        });
        assert_eq!(trap(&mut store, &instance, "spin"), TrapCode::Interrupted);
    });
    // The store is as it was: nothing dangles.
    assert_eq!(
        trap(&mut store, &instance, "bounds"),
        TrapCode::MemoryOutOfBounds
    );
}

#[test]
fn a_faults_signal_that_was_sent_goes_to_the_handler_that_was_there() {
    if !in_own_process("signals::a_faults_signal_that_was_sent_goes_to_the_handler_that_was_there")
    {
        return;
    }
    for signal in FAULTS {
        set_action(signal, count as *const () as usize);
    }
    for signal in FAULTS {
        SEEN.store(0, Ordering::SeqCst);
        send_to_a_running_guest(signal, |_| SEEN.load(Ordering::SeqCst) >= 10);
    }
}

#[test]
fn a_faults_signal_that_was_sent_and_is_ignored_changes_nothing() {
    if !in_own_process("signals::a_faults_signal_that_was_sent_and_is_ignored_changes_nothing") {
        return;
    }
    for signal in FAULTS {
        set_action(signal, libc::SIG_IGN);
    }
    for signal in FAULTS {
        send_to_a_running_guest(signal, |sent| sent == 20);
    }
}

#[test]
fn a_faults_signal_that_was_sent_ends_the_process_by_default() {
    const NAME: &str = "signals::a_faults_signal_that_was_sent_ends_the_process_by_default";
    const SIGNAL: &str = "UPSHIFT_TEST_SIGNAL";
    if std::env::var_os(ALONE).is_some() {
        let signal = std::env::var(SIGNAL).unwrap().parse().unwrap();
        set_action(signal, libc::SIG_DFL);
        send_to_a_running_guest(signal, |_| false);
    }
    for signal in FAULTS {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME])
            .env(ALONE, "1")
            .env(SIGNAL, signal.to_string())
            .output()
            .unwrap();
        assert_eq!(child.status.signal(), Some(signal), "{child:?}");
    }
}

#[test]
fn signals_that_come_at_once_fit_on_the_stack_that_threads_have_for_them() {
    if !in_own_process(
        "signals::signals_that_come_at_once_fit_on_the_stack_that_threads_have_for_them",
    ) {
        return;
    }
    for signal in FAULTS {
        set_action(signal, libc::SIG_IGN);
    }
    let _handlers = guest(&Config::new());
    // A thread that never calls a guest has what Rust's standard library gives it.
    let thread = thread::spawn(|| {
        block_all();
        for signal in FAULTS.into_iter().chain([libc::SIGURG]) {
            // SAFETY: no preconditions.
            let sent =
                unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::gettid(), signal) };
            assert_eq!(sent, 0);
        }
        // SAFETY: the set is a live local.
        unsafe {
            let none = std::mem::zeroed();
            libc::pthread_sigmask(libc::SIG_SETMASK, &none, ptr::null_mut());
        }
    });
    thread.join().unwrap();
}

static IN_HANDLER: AtomicBool = AtomicBool::new(false);
static GOES_ON: AtomicBool = AtomicBool::new(false);

extern "C" fn linger(_: i32) {
    IN_HANDLER.store(true, Ordering::SeqCst);
    while !GOES_ON.load(Ordering::SeqCst) {
        std::hint::spin_loop();
    }
}

#[test]
fn an_interruption_that_finds_the_thread_in_a_handler_of_the_hosts_is_not_lost() {
    const NAME: &str =
        "signals::an_interruption_that_finds_the_thread_in_a_handler_of_the_hosts_is_not_lost";
    if !in_own_process(NAME) {
        return;
    }
    // On the stack for signals, and on the guest's own.
    for flags in [libc::SA_ONSTACK, 0] {
        // SAFETY: the handler does nothing that one must not do.
        unsafe {
            let mut action = std::mem::zeroed::<libc::sigaction>();
            action.sa_sigaction = linger as *const () as usize;
            action.sa_flags = flags;
            assert_eq!(libc::sigaction(libc::SIGUSR1, &action, ptr::null_mut()), 0);
        }
        let (mut store, instance) = guest(&Config::new());
        let interrupt = store.interrupt_handle();
        // SAFETY: no preconditions.
        let (process, thread) = unsafe { (libc::getpid(), libc::gettid()) };
        thread::scope(|scope| {
            let host = scope.spawn(move || {
                // By then it is in its loop.
                thread::sleep(Duration::from_millis(50));
                // SAFETY: no preconditions.
                unsafe { libc::syscall(libc::SYS_tgkill, process, thread, libc::SIGUSR1) };
                assert!(until(|| IN_HANDLER.swap(false, Ordering::SeqCst)));
                interrupt.interrupt();
                thread::sleep(Duration::from_millis(20));
                GOES_ON.store(true, Ordering::SeqCst);
                let is_seen = until(|| !interrupt.is_requested());
                // Whatever is wrong, the test ends.
                interrupt.interrupt();
                is_seen
            });
            assert_eq!(trap(&mut store, &instance, "spin"), TrapCode::Interrupted);
            assert!(host.join().unwrap(), "flags {flags:#x}");
        });
        GOES_ON.store(false, Ordering::SeqCst);
    }
}
