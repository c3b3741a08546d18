//! One module, many instances, several threads: the module is compiled once for all of them, and what one thread makes
//! hot runs faster on all.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use upshift::{Engine, Linker, Module, Store};

/// How many odd numbers come before `1` in the Collatz sequence of `n`; every guest counts its calls in a global of its own.
const COLLATZ: &str = r#"
    (module
      (global $calls (mut i32) (i32.const 0))
      (func (export "calls") (result i32) (global.get $calls))
      (func (export "odd_steps") (param $n i64) (result i64)
        (local $steps i64)
        (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        (block $done
          (loop $next
            (br_if $done (i64.le_u (local.get $n) (i64.const 1)))
            (if (i64.eqz (i64.and (local.get $n) (i64.const 1)))
              (then (local.set $n (i64.shr_u (local.get $n) (i64.const 1))))
              (else
                (local.set $n (i64.add (i64.mul (local.get $n) (i64.const 3)) (i64.const 1)))
                (local.set $steps (i64.add (local.get $steps) (i64.const 1)))))
            (br $next)))
        (local.get $steps)))"#;

const THREADS: u64 = 4;
const GUESTS: u64 = 200;
const NUMBERS_EACH: u64 = 500;

fn main() -> upshift::Result<()> {
    let engine = Engine::default();
    let module = Module::new(&engine, COLLATZ)?;
    // Imports are looked up and checked once; there are none here, but there might be.
    let guest = Linker::new(&engine).instantiate_pre(&module)?;

    let (next_guest, steps) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| -> upshift::Result<()> {
                    loop {
                        let number = next_guest.fetch_add(1, Ordering::Relaxed);
                        if number >= GUESTS {
                            return Ok(());
                        }
                        // A store for each guest: nothing of it outlives this round.
                        let mut store = Store::new(&engine, ());
                        let guest = guest.instantiate(&mut store)?;
                        let odd_steps =
                            guest.get_typed_func::<i64, i64>(&mut store, "odd_steps")?;
                        for n in number * NUMBERS_EACH..(number + 1) * NUMBERS_EACH {
                            let odd = odd_steps.call(&mut store, n as i64)?;
                            steps.fetch_add(odd as u64, Ordering::Relaxed);
                        }
                        let calls = guest.get_typed_func::<(), i32>(&mut store, "calls")?;
                        assert_eq!(calls.call(&mut store, ())?, NUMBERS_EACH as i32);
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().expect("a thread of ours does not panic"))
    })?;
    println!(
        "{GUESTS} guests counted {} odd steps",
        steps.load(Ordering::Relaxed)
    );
    Ok(())
}
