//! A thousand instances of one module at once, each with a voice of its own.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::thread;

use libtest_mimic::{Failed, Trial};
use upshift::{Config, Engine, Instance, Linker, Module, Store};
use upshift_wasi::{Captured, WasiCtx};

use crate::guest::{Tested, program};

pub const PROGRAMS: &[&str] = &["chorus"];

const INSTANCES: u32 = 1000;
const THREADS: usize = 8;

pub fn trials() -> Vec<Trial> {
    // As users have it: functions move up meanwhile, on other threads.
    vec![Trial::test("a_thousand_instances_at_once", chorus)]
}

struct Voice {
    number: u32,
    store: Store<WasiCtx>,
    instance: Instance,
    output: Captured,
}

fn chorus() -> Tested {
    let engine = Engine::new(&Config::new())?;
    let module = Module::new(&engine, program("chorus")?)?;
    let mut linker = Linker::new(&engine);
    upshift_wasi::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx)?;
    let mut voices = VecDeque::new();
    for number in 0..INSTANCES {
        let output = Captured::new(1 << 16);
        let ctx = WasiCtx::builder()
            .args(["chorus", &number.to_string()])
            .stdout(&output)
            .build();
        let mut store = Store::new(&engine, ctx);
        let instance = linker.instantiate(&mut store, &module)?;
        voices.push_back(Voice {
            number,
            store,
            instance,
            output,
        });
    }
    let waiting = Mutex::new(voices);
    let finished = Mutex::new(Vec::new());
    let work = || -> Result<(), Failed> {
        loop {
            let Some(mut voice) = waiting.lock().map_err(|_| "poisoned")?.pop_front() else {
                return Ok(());
            };
            let status = upshift_wasi::run_command(&mut voice.store, &voice.instance)?;
            if status != 0 {
                return Err(format!("{} ended with status {status}", voice.number).into());
            }
            // Kept, so that all of them are there until the last has ended.
            finished.lock().map_err(|_| "poisoned")?.push(voice);
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .map_err(|_| Failed::from("a thread panicked"))?
        })
    })?;
    let finished = finished.into_inner().map_err(|_| "poisoned")?;
    assert_eq!(finished.len(), INSTANCES as usize);
    for voice in finished {
        assert_eq!(voice.output.text(), song(voice.number), "{}", voice.number);
    }
    Ok(())
}

/// What the program prints for a number.
fn song(seed: u32) -> String {
    let mut numbers = [0_u32; 256];
    let mut state = seed;
    let mut song = String::new();
    for line in 0..100 {
        for number in &mut numbers {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *number = match line {
                0 => state ^ seed,
                _ => number.wrapping_add(state),
            };
        }
        song.push_str(&format!("{seed}:{line}:{}\n", numbers[line]));
    }
    song
}
