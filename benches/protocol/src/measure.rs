//! The measurements: what exactly is between the two clock readings, for every engine alike.
//! Nothing is averaged away here but the loops of many calls that one clock reading could not resolve.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::{Peer, Value, series};

/// Calls in one sample of the measurements that take nanoseconds a call.
const CALLS_PER_SAMPLE: i32 = 100_000;

/// Raw samples by series, and the result that was computed.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    pub(crate) series: BTreeMap<String, Vec<f64>>,
    pub(crate) result: Option<Value>,
}

impl Samples {
    fn push(&mut self, series: &str, time: Duration) {
        self.push_per(series, time, 1);
    }

    fn push_per(&mut self, series: &str, time: Duration, operations: i32) {
        let sample = time.as_nanos() as f64 / f64::from(operations);
        self.series
            .entry(series.to_owned())
            .or_default()
            .push(sample);
    }

    fn check(&mut self, value: Value) -> Result<()> {
        match self.result {
            Some(first) if first != value => {
                bail!("the first call returned {first}, a later one {value}")
            }
            _ => self.result = Some(value),
        }
        Ok(())
    }
}

/// How many times longer than asked for a warm-up may go on because the engine is still compiling.
const WARM_UP_PATIENCE: u32 = 10;

/// Calls first for `warm_up`, and on until an engine with tiers has its final code, then `repeat` times.
pub(crate) fn kernel<P: Peer>(
    peer: &P,
    wasm: &[u8],
    export: &str,
    n: i32,
    repeat: usize,
    warm_up: Duration,
) -> Result<Samples> {
    let mut samples = Samples::default();

    let start = Instant::now();
    let module = peer.compile(wasm).context("compiling")?;
    samples.push(series::COMPILE, start.elapsed());

    let start = Instant::now();
    let instance = peer.instantiate(&module).context("instantiating")?;
    samples.push(series::INSTANTIATE, start.elapsed());

    let mut kernel = P::kernel(instance, export)?;
    let mut call = |series| {
        let start = Instant::now();
        let value =
            black_box(kernel(black_box(n)).with_context(|| format!("calling {export}({n})"))?);
        samples.push(series, start.elapsed());
        samples.check(value)
    };
    let start = Instant::now();
    while start.elapsed() < warm_up
        || !P::is_settled(&module) && start.elapsed() < warm_up * WARM_UP_PATIENCE
    {
        call(series::WARM_UP)?;
    }
    for _ in 0..repeat {
        call(series::CALL)?;
    }
    Ok(samples)
}

pub(crate) fn compile<P: Peer>(peer: &P, wasm: &[u8], repeat: usize) -> Result<Samples> {
    let mut samples = Samples::default();
    for _ in 0..repeat {
        let start = Instant::now();
        let module = black_box(peer.compile(black_box(wasm)).context("compiling")?);
        samples.push(series::COMPILE, start.elapsed());
        drop(module);
    }
    Ok(samples)
}

/// Each sample has an engine of its own, made before the clock starts.
pub(crate) fn first_result<P: Peer>(
    open: impl Fn() -> Result<P>,
    wasm: &[u8],
    export: &str,
    n: i32,
    repeat: usize,
) -> Result<Samples> {
    let mut samples = Samples::default();
    for _ in 0..repeat {
        let peer = open()?;
        let start = Instant::now();
        let module = peer.compile(black_box(wasm)).context("compiling")?;
        let instance = peer.instantiate(&module).context("instantiating")?;
        let mut kernel = P::kernel(instance, export)?;
        let value =
            black_box(kernel(black_box(n)).with_context(|| format!("calling {export}({n})"))?);
        samples.push(series::FIRST_RESULT, start.elapsed());
        samples.check(value)?;
    }
    Ok(samples)
}

pub(crate) fn instantiate<P: Peer>(peer: &P, wasm: &[u8], repeat: usize) -> Result<Samples> {
    let mut samples = Samples::default();
    let module = peer.compile(wasm).context("compiling")?;
    for _ in 0..repeat {
        let start = Instant::now();
        let instance = black_box(peer.instantiate(&module).context("instantiating")?);
        samples.push(series::INSTANTIATE, start.elapsed());

        let start = Instant::now();
        drop(instance);
        samples.push(series::DROP, start.elapsed());
    }
    Ok(samples)
}

pub(crate) fn typed_call<P: Peer>(peer: &P, wasm: &[u8], repeat: usize) -> Result<Samples> {
    let module = peer.compile(wasm).context("compiling")?;
    let instance = peer.instantiate(&module).context("instantiating")?;
    let mut add_one = P::unary(instance, "add_one")?;
    let mut samples = Samples::default();
    let mut many_calls = || -> Result<Duration> {
        let start = Instant::now();
        let mut value = 0;
        for _ in 0..CALLS_PER_SAMPLE {
            value = add_one(black_box(value)).context("calling add_one")?;
        }
        let time = start.elapsed();
        ensure!(
            value == CALLS_PER_SAMPLE,
            "add_one from 0, {CALLS_PER_SAMPLE} times, gave {value}"
        );
        Ok(time)
    };
    many_calls()?; // A lazy engine compiles here, and caches fill.
    for _ in 0..repeat {
        samples.push_per(series::PER_CALL, many_calls()?, CALLS_PER_SAMPLE);
    }
    Ok(samples)
}

/// Calls the export `loop`, which makes as many calls of the measured kind as its argument says.
pub(crate) fn wasm_loop<P: Peer>(peer: &P, wasm: &[u8], repeat: usize) -> Result<Samples> {
    let module = peer.compile(wasm).context("compiling")?;
    let instance = peer.instantiate(&module).context("instantiating")?;
    let mut run = P::unary(instance, "loop")?;
    let mut samples = Samples::default();
    samples.check(Value::I32(run(CALLS_PER_SAMPLE).context("calling loop")?))?;
    for _ in 0..repeat {
        let start = Instant::now();
        let value = black_box(run(black_box(CALLS_PER_SAMPLE)).context("calling loop")?);
        samples.push_per(series::PER_CALL, start.elapsed(), CALLS_PER_SAMPLE);
        samples.check(Value::I32(value))?;
    }
    Ok(samples)
}
