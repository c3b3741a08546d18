//! Processes that fork: parent and child go on with the same modules and instances, and neither notices what the other
//! does. What is checked in a child ends it with a status, because a child has no harness.

use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use upshift::{
    Caller, Config, Engine, Instance, InterruptHandle, Linker, Module, Store, TierEventKind,
    TierMode, TrapCode,
};

use crate::until;

/// Two functions of which a test can call one before and one after the fork, and a loop for the interruptions.
const GUEST: &str = r#"(module
  (func $fib (export "fib") (param i32) (result i32)
    (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
      (then (local.get 0))
      (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                     (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
  (func (export "later") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
  (func (export "spin") (loop $forever (br $forever))))"#;

/// Seconds after which a child that waits for ever is ended by the system.
const PATIENCE: u32 = 300;

/// A child of this process.
struct Child(libc::pid_t);

impl Child {
    /// Forks. The child's status says whether the work was right.
    fn fork(work: impl FnOnce() -> bool) -> Self {
        // SAFETY: no preconditions. The child does what is asked for and ends by `_exit`.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "{}", std::io::Error::last_os_error());
        if pid == 0 {
            run_child(work)
        }
        Self(pid)
    }

    /// Waits for its end.
    fn succeeds(self) {
        let mut status = -1;
        // SAFETY: the child is ours, the status a live variable.
        let ended = unsafe { libc::waitpid(self.0, &raw mut status, 0) };
        assert_eq!(ended, self.0);
        assert_eq!(status, 0, "the child: {}", told(status));
    }
}

fn told(status: i32) -> String {
    if libc::WIFSIGNALED(status) {
        format!("signal {}", libc::WTERMSIG(status))
    } else {
        format!("exit status {}", libc::WEXITSTATUS(status))
    }
}

/// Does the work in a child that ends by itself if it takes for ever.
fn run_child(work: impl FnOnce() -> bool) -> ! {
    // SAFETY: no preconditions.
    unsafe { libc::alarm(PATIENCE) };
    let is_right = catch_unwind(AssertUnwindSafe(work)).unwrap_or(false);
    // SAFETY: no preconditions.
    unsafe { libc::_exit(i32::from(!is_right)) }
}

/// Says once that something has happened, across processes.
struct Signal {
    reader: std::fs::File,
    writer: std::fs::File,
}

impl Signal {
    fn new() -> Self {
        let mut ends = [0; 2];
        // SAFETY: the array is there for both descriptors.
        assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
        // SAFETY: both are open and nobody else's.
        let [reader, writer] = ends.map(|end| unsafe { std::fs::File::from_raw_fd(end) });
        Self { reader, writer }
    }

    fn give(&self) {
        (&self.writer).write_all(b"!").expect("there is a reader");
    }

    fn wait(&self) {
        (&self.reader).read_exact(&mut [0]).expect("it is given");
    }
}

/// A module of functions of which each returns another number than those of the guest.
fn others(engine: &Engine, number: usize) -> (Store<()>, Instance, Module) {
    let body = "(i32.xor (i32.const 666) (i32.mul (local.get 0) (i32.const 0)))";
    let function = format!("(func (export \"NAME\") (param i32) (result i32) {body})");
    let functions: String = (0..200)
        .map(|at| function.replace("NAME", &format!("{number}.{at}")))
        .collect();
    let module = Module::new(engine, format!("(module {functions})")).expect("valid");
    module.compile_all().expect("compiles");
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, &module, &[]).expect("no imports");
    (store, instance, module)
}

/// A guest.
struct Guest {
    store: Store<()>,
    instance: Instance,
    module: Module,
}

impl Guest {
    fn new(engine: &Engine) -> Self {
        let module = Module::new(engine, GUEST).expect("valid");
        let mut store = Store::new(engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("no imports");
        Self {
            store,
            instance,
            module,
        }
    }

    fn call(&mut self, name: &str, parameter: i32) -> i32 {
        let function = self
            .instance
            .get_typed_func::<i32, i32>(&mut self.store, name)
            .expect("exported");
        function
            .call(&mut self.store, parameter)
            .expect("does not trap")
    }

    /// Whether both functions do what they should.
    fn is_right(&mut self) -> bool {
        self.call("fib", 15) == 610 && self.call("later", 14) == 42
    }

    /// Whether an endless loop can be stopped by another thread.
    fn is_interruptible(&mut self) -> bool {
        let handle = self.store.interrupt_handle();
        let timer = thread::spawn(move || {
            thread::sleep(Duration::from_millis(30));
            handle.interrupt();
        });
        let spin = self
            .instance
            .get_typed_func::<(), ()>(&mut self.store, "spin")
            .expect("exported");
        let error = spin
            .call(&mut self.store, ())
            .expect_err("it is interrupted");
        timer.join().expect("does not panic");
        error
            .as_trap()
            .is_some_and(|trap| trap.code() == TrapCode::Interrupted)
    }
}

/// A configuration in which a function moves to LLVM's code at its second thousand of calls.
#[cfg(feature = "llvm")]
fn hasty() -> Engine {
    let mut profile = upshift::TieringProfile::default();
    profile.tier_up.threshold_in_operators = Some(10_000);
    Engine::new(Config::new().profile(profile)).expect("a good configuration")
}

/// Calls until the function's code is LLVM's.
#[cfg(feature = "llvm")]
fn moves_up(guest: &mut Guest) -> bool {
    until(|| {
        guest.call("fib", 12) == 144
            && guest.module.tier_stats().functions.optimizing > 0
            && guest.call("fib", 12) == 144
    })
}

#[test]
fn a_child_goes_on_while_its_parent_drops_modules_and_compiles_others() {
    // Loops that count ask the runtime now and then, and see there that they are interrupted.
    let engine = Engine::new(Config::new().count_work(false)).expect("a good configuration");
    let mut guest = Guest::new(&engine);
    assert!(guest.is_right());
    let dropped = Signal::new();
    let child = Child::fork(|| {
        dropped.wait();
        guest.is_right() && guest.is_interruptible() && {
            let (mut store, instance, _module) = others(&engine, 0);
            let first = instance.get_typed_func::<i32, i32>(&mut store, "0.0");
            first
                .expect("exported")
                .call(&mut store, 1)
                .expect("no trap")
                == 666
                && guest.is_right()
        }
    });
    drop(guest);
    let compiled: Vec<_> = (0..20).map(|number| others(&engine, number)).collect();
    dropped.give();
    child.succeeds();
    drop(compiled);
}

#[test]
fn a_parent_goes_on_while_its_child_drops_modules_and_compiles_others() {
    let engine = Engine::default();
    let mut guest = Guest::new(&engine);
    assert_eq!(guest.call("fib", 10), 55);
    let mut guest = Some(guest);
    Child::fork(|| {
        guest = None;
        let all: Vec<_> = (0..20).map(|number| others(&engine, number)).collect();
        all.len() == 20
    })
    .succeeds();
    let mut guest = guest.expect("the parent's");
    assert!(guest.is_right());
    // What is compiled from now on is the parent's alone.
    let (mut store, instance, _module) = others(&engine, 0);
    let first = instance.get_typed_func::<i32, i32>(&mut store, "0.0");
    assert_eq!(first.unwrap().call(&mut store, 1).unwrap(), 666);
    assert!(guest.is_right());
}

#[test]
fn modules_are_made_dropped_and_made_anew_on_both_sides_of_many_forks() {
    let engine = Engine::default();
    let mut guests: Vec<Guest> = (0..4).map(|_| Guest::new(&engine)).collect();
    for round in 0..16 {
        assert!(guests.iter_mut().all(Guest::is_right), "round {round}");
        let child = Child::fork(|| {
            guests.swap_remove(round % 4);
            guests.push(Guest::new(&engine));
            let (mut store, instance, _module) = others(&engine, round);
            let name = format!("{round}.{round}");
            let function = instance.get_typed_func::<i32, i32>(&mut store, &name);
            function
                .expect("exported")
                .call(&mut store, 1)
                .expect("no trap")
                == 666
                && guests.iter_mut().all(Guest::is_right)
        });
        guests.swap_remove((round + 1) % 4);
        guests.push(Guest::new(&engine));
        child.succeeds();
    }
}

#[test]
fn children_of_children_are_children() {
    fn generation(engine: &Engine, guest: &mut Guest, left: u32) -> bool {
        let is_right = guest.is_right() && (!left.is_multiple_of(16) || guest.is_interruptible());
        if left == 0 {
            return is_right;
        }
        let child = Child::fork(|| generation(engine, guest, left - 1));
        child.succeeds();
        is_right && Guest::new(engine).is_right() && guest.is_right()
    }
    let engine = Engine::default();
    let mut guest = Guest::new(&engine);
    // More of them than there is room in any table of ours.
    assert!(generation(&engine, &mut guest, 66));
}

#[cfg(feature = "llvm")]
#[test]
fn a_child_compiles_in_the_background_as_its_parent_did() {
    let engine = hasty();
    // The parent's workers are there, and wait.
    let mut first = Guest::new(&engine);
    assert!(moves_up(&mut first));
    let mut second = Guest::new(&engine);
    assert_eq!(second.call("fib", 1), 1);
    let child = Child::fork(|| {
        moves_up(&mut second) && moves_up(&mut Guest::new(&engine)) && first.is_right()
    });
    assert!(moves_up(&mut second));
    child.succeeds();
}

#[cfg(feature = "llvm")]
#[test]
fn what_was_under_way_in_the_background_is_compiled_anew_in_a_child() {
    let engine = hasty();
    for pause in [0, 1, 3, 10, 30] {
        let mut guest = Guest::new(&engine);
        // Hot enough to be queued.
        for _ in 0..3 {
            assert_eq!(guest.call("fib", 12), 144);
        }
        thread::sleep(Duration::from_millis(pause));
        let child = Child::fork(|| moves_up(&mut guest));
        assert!(moves_up(&mut guest));
        child.succeeds();
    }
}

#[cfg(feature = "llvm")]
#[test]
fn who_waits_for_everything_gets_it_in_a_child() {
    use upshift::{FunctionTier, TierMode};
    let engine = Engine::new(Config::new().tier(TierMode::Optimizing)).expect("LLVM is there");
    let mut guest = Guest::new(&engine);
    assert!(guest.is_right());
    let child = Child::fork(|| {
        let mut fresh = Guest::new(&engine);
        let stats = fresh.module.function_stats();
        let all_are = stats
            .into_iter()
            .all(|of| of.tier == FunctionTier::Optimizing);
        all_are && fresh.is_right() && guest.is_right()
    });
    child.succeeds();
    assert!(guest.is_right());
}

#[test]
fn a_child_calls_what_another_thread_was_compiling() {
    let engine = Engine::default();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for number in 0..2 {
            let (engine, done) = (&engine, &done);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    // Locks of all kinds, most of the time.
                    drop(others(engine, number));
                    assert!(Guest::new(engine).is_right());
                }
            });
        }
        let text = (0..300).map(|at| {
            format!("(func (export \"{at}\") (param i32) (result i32) (i32.add (local.get 0) (i32.const {at})))")
        });
        let text = format!("(module {})", text.collect::<String>());
        for _ in 0..20 {
            let module = Module::new(&engine, &text).expect("valid");
            let racing = module.clone();
            let racer = scope.spawn(move || racing.compile_all());
            let child = Child::fork(|| {
                let mut store = Store::new(&engine, ());
                let instance = Instance::new(&mut store, &module, &[]).expect("no imports");
                (0..300).all(|at| {
                    let function = instance.get_typed_func::<i32, i32>(&mut store, &at.to_string());
                    function
                        .expect("exported")
                        .call(&mut store, 7)
                        .expect("no trap")
                        == at + 7
                })
            });
            racer.join().expect("no panic").expect("compiles");
            child.succeeds();
        }
        done.store(true, Ordering::Relaxed);
    });
}

/// What the host function that forks has for each of its callers.
#[derive(Default)]
struct Forking {
    /// The child; 0 in the child.
    pid: libc::pid_t,
    handle: Option<InterruptHandle>,
}

/// Forks in the middle of a call, and has both calls interrupted some time later.
fn fork_in_call(mut caller: Caller<'_, Forking>) {
    // SAFETY: the child goes on in a test that ends it by `_exit`.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "{}", std::io::Error::last_os_error());
    if pid == 0 {
        // SAFETY: no preconditions.
        unsafe { libc::alarm(PATIENCE) };
    }
    caller.data_mut().pid = pid;
    let handle = caller.data().handle.clone();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        if let Some(handle) = handle {
            handle.interrupt();
        }
    });
}

#[test]
fn a_host_function_forks_and_both_calls_go_on() {
    let text = r#"(module
      (import "host" "fork" (func $fork))
      (func $fib (param i32) (result i32)
        (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
          (then (local.get 0))
          (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                         (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
      (func (export "run") (result i32) (call $fork) (call $fib (i32.const 15)))
      (func (export "spin") (result i32) (call $fork) (loop $forever (br $forever)) (unreachable)))"#;
    // Loops that count ask the runtime now and then, and see there that they are interrupted.
    let engine = Engine::new(Config::new().count_work(false)).unwrap();
    let mut linker = Linker::new(&engine);
    linker.func_wrap("host", "fork", fork_in_call).unwrap();
    let module = Module::new(&engine, text).unwrap();
    for name in ["run", "spin"] {
        let mut store = Store::new(&engine, Forking::default());
        if name == "spin" {
            store.data_mut().handle = Some(store.interrupt_handle());
        }
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let function = instance.get_typed_func::<(), i32>(&mut store, name);
        let result = function.unwrap().call(&mut store, ());
        let is_right = match (name, &result) {
            ("run", Ok(result)) => *result == 610,
            ("spin", Err(error)) => {
                let trap = error.as_trap();
                trap.is_some_and(|trap| trap.code() == TrapCode::Interrupted)
            }
            _ => false,
        };
        match store.data().pid {
            // SAFETY: no preconditions.
            0 => unsafe { libc::_exit(i32::from(!is_right)) },
            child => {
                assert!(is_right, "{name}: {result:?}");
                Child(child).succeeds();
            }
        }
    }
}

#[test]
fn a_child_that_ends_as_programs_do_waits_for_no_thread_of_its_parent() {
    let engine = Engine::default();
    let mut guest = Guest::new(&engine);
    assert!(guest.is_right());
    // SAFETY: no preconditions. The child ends itself.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: no preconditions.
        unsafe { libc::alarm(PATIENCE) };
        let is_right = guest.is_right();
        drop(guest);
        drop(engine);
        // SAFETY: no other thread is there.
        unsafe { libc::exit(i32::from(!is_right)) };
    }
    assert!(pid > 0);
    Child(pid).succeeds();
}

/// Forks where the first function is told of that was compiled ahead, on the thread that did. Returns the child's
/// status, as `waitpid` has it.
fn fork_where_events_are_told() -> i32 {
    let mut profile = upshift::TieringProfile::default();
    for (key, value) in [("ahead-threads", "1"), ("ahead-after-functions", "0")] {
        profile.set(&format!("baseline.{key}"), value).unwrap();
    }
    let (tell, told) = mpsc::channel();
    let mut config = Config::new();
    config.profile(profile).tier(TierMode::Baseline);
    config.on_tier_event(move |event| {
        if !matches!(event.kind, TierEventKind::Compiled { ahead: true, .. }) {
            return;
        }
        // SAFETY: no preconditions. In the child, the thread goes back to where it was told from.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: no preconditions.
            unsafe { libc::alarm(20) };
        } else {
            _ = tell.send(pid);
        }
    });
    let engine = Engine::new(&config).unwrap();
    let text = r#"(module (func $near) (func (export "caller") (param i32)
      (if (local.get 0) (then (call $near)))))"#;
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let caller = instance.get_typed_func::<i32, ()>(&mut store, "caller");
    caller.unwrap().call(&mut store, 0).unwrap();
    let pid = told.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(pid > 0);
    let mut status = -1;
    // SAFETY: the child is ours, the status a live variable.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    status
}

#[test]
fn a_thread_that_compiles_ahead_ends_in_a_child_that_its_listener_forks() {
    // It is the child's only thread, so the child ends with it; one that waited for work would be ended by its alarm.
    let status = fork_where_events_are_told();
    assert_eq!(status, 0, "the child: {}", told(status));
}

#[test]
fn the_first_processes_of_nested_namespaces_are_not_taken_for_one_another() {
    /// This status says that the system has no namespaces for us.
    const REFUSED: i32 = 77;
    /// Makes what is forked next the first process of a namespace.
    fn enter() {
        // SAFETY: no preconditions. The process has one thread.
        unsafe {
            if libc::unshare(libc::CLONE_NEWPID) != 0
                && libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWPID) != 0
            {
                libc::_exit(REFUSED);
            }
        }
    }
    /// Forks the first process of a namespace, and passes a failure on.
    fn first(work: impl FnOnce()) {
        enter();
        let mut status = -1;
        // SAFETY: the child does its work and ends; the status is a live variable.
        unsafe {
            let pid = libc::fork();
            if pid == 0 {
                libc::alarm(PATIENCE);
                let is_right =
                    std::process::id() == 1 && catch_unwind(AssertUnwindSafe(work)).is_ok();
                libc::_exit(i32::from(!is_right));
            }
            libc::waitpid(pid, &raw mut status, 0);
            if status != 0 {
                let failed = if libc::WIFEXITED(status) {
                    libc::WEXITSTATUS(status)
                } else {
                    2
                };
                libc::_exit(failed);
            }
        }
    }
    // SAFETY: no preconditions. The child ends by `_exit`.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        run_child(|| {
            first(|| {
                let engine = Engine::default();
                let mut guest = Some(Guest::new(&engine));
                assert!(guest.as_mut().is_some_and(Guest::is_right));
                first(|| {
                    guest = None;
                    let all: Vec<_> = (0..20).map(|number| others(&engine, number)).collect();
                    assert_eq!(all.len(), 20);
                });
                assert!(guest.as_mut().is_some_and(Guest::is_right));
            });
            true
        });
    }
    let mut status = -1;
    // SAFETY: the child is ours, the status a live variable.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == REFUSED {
        println!("SKIPPED: this system permits no PID namespaces");
        return;
    }
    assert_eq!(status, 0, "{}", told(status));
}
