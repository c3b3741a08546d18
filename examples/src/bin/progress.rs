//! A long computation that tells how far it has come, and is stopped when its time is up: what has been computed by
//! then is not lost, and the store can be used again.

use std::error::Error;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use upshift::{Caller, Engine, InterruptHandle, Linker, Module, Store, TrapCode};

/// Sums up 1/n^2, which tends to pi^2/6, and tells the host after each million terms.
const SERIES: &str = r#"
    (module
      (import "host" "progress" (func $progress (param i64 f64)))
      (func (export "sum") (param $terms i64) (result f64)
        (local $n i64) (local $sum f64)
        (loop $next
          (local.set $n (i64.add (local.get $n) (i64.const 1)))
          (local.set $sum (f64.add (local.get $sum)
            (f64.div (f64.const 1)
              (f64.mul (f64.convert_i64_u (local.get $n)) (f64.convert_i64_u (local.get $n))))))
          (if (i64.eqz (i64.rem_u (local.get $n) (i64.const 1000000)))
            (then (call $progress (local.get $n) (local.get $sum))))
          (br_if $next (i64.lt_u (local.get $n) (local.get $terms))))
        (local.get $sum)))"#;

/// How far the guest has come, as it told last.
#[derive(Default)]
struct Progress {
    terms: i64,
    sum: f64,
}

/// Runs `work`, and interrupts the guest behind `handle` if it takes longer than `limit`.
fn within<R>(limit: Duration, handle: InterruptHandle, work: impl FnOnce() -> R) -> R {
    let (done, is_done) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            if is_done.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                handle.interrupt();
            }
        });
        let result = work();
        drop(done);
        result
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let engine = Engine::default();
    let module = Module::new(&engine, SERIES)?;
    let mut linker = Linker::new(&engine);
    linker.func_wrap(
        "host",
        "progress",
        |mut caller: Caller<'_, Progress>, terms: i64, sum: f64| {
            *caller.data_mut() = Progress { terms, sum };
        },
    )?;
    let mut store = Store::new(&engine, Progress::default());
    let series = linker.instantiate(&mut store, &module)?;
    let sum = series.get_typed_func::<i64, f64>(&mut store, "sum")?;

    // Enough time: the guest runs to its end.
    let handle = store.interrupt_handle();
    let exact = std::f64::consts::PI.powi(2) / 6.0;
    let result = within(Duration::from_secs(60), handle, || {
        sum.call(&mut store, 3_000_000)
    })?;
    println!(
        "3000000 terms are {result:.6}, and {:.1e} is missing",
        exact - result
    );

    // Not enough time: the call ends with a trap, and the last report is what there is.
    let handle = store.interrupt_handle();
    let error = within(Duration::from_millis(200), handle, || {
        sum.call(&mut store, i64::MAX)
    })
    .expect_err("nobody adds up so many terms");
    match error.as_trap().map(|trap| trap.code()) {
        Some(code @ TrapCode::Interrupted) => println!("stopped: {code}"),
        _ => return Err(error.into()),
    }
    let Progress { terms, sum: so_far } = store.data();
    println!("so far: {terms} terms, {so_far:.6}");

    // Interrupted or not, the store goes on.
    println!("one term is {}", sum.call(&mut store, 1)?);
    Ok(())
}
