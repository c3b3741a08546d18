//! How long a program took on its way to its start, phase by phase, and the cost of its functions at their first
//! calls.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use upshift::Module;
use upshift_module::{to_f64, to_u64};

/// The phases before a program runs.
#[derive(Debug, Default)]
pub(crate) struct Phases {
    /// Reading the file.
    pub read: Duration,
    /// Making a module of it: parsing and validating.
    pub module: Duration,
    /// Making an instance: memories, tables, data.
    pub instance: OnceLock<Duration>,
}

/// Does something, and says how long it took.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

impl Phases {
    /// Prints them, and the costs of the baseline's compiles, each and for each byte of WebAssembly.
    pub(crate) fn print(&self, module: &Module, out: &mut dyn Write) -> io::Result<()> {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        writeln!(
            out,
            "start        {:.1} ms to read the file, {:.1} ms for the module, {:.1} ms for the instance",
            ms(self.read),
            ms(self.module),
            ms(self.instance.get().copied().unwrap_or_default())
        )?;
        let totals = module.tier_stats().baseline;
        let stats = module.functions().zip(module.function_stats());
        let compiled = stats.filter(|(_, stats)| stats.baseline.compiled > 0);
        let bytes: usize = compiled.map(|(function, _)| function.code_size()).sum();
        if totals.compiled == 0 || bytes == 0 {
            return Ok(());
        }
        let time = totals.compile_time.as_secs_f64();
        writeln!(
            out,
            "first calls  {bytes} bytes of WebAssembly compiled in the baseline: {:.0} µs a function, \
             {:.0} ns a byte",
            time * 1e6 / to_f64(to_u64(totals.compiled)),
            time * 1e9 / to_f64(to_u64(bytes))
        )
    }
}
