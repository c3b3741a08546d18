//! For observers of a program from outside: which code is where, and where a thread spends its time.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use upshift_module::LoopIndex;

use crate::Module;

/// Machine code of a function of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CodeRegion {
    /// Its first address.
    pub address: usize,
    /// Bytes of it.
    pub len: usize,
    /// The function's index, imports first.
    pub function: u32,
    /// The function's name by the name section or an export.
    pub name: Option<String>,
    /// For code that running functions enter in the middle: at which loop, in the order of `loop` operators.
    pub loop_number: Option<u32>,
    /// The tier that made it: `baseline` or `llvm`.
    pub tier: &'static str,
}

impl Module {
    /// All machine code that there is for the module now, by address: also replaced code, for functions
    /// that are running may still be in it. It stays where it is as long as the module or a store with an
    /// instance of it lives.
    ///
    /// ```
    /// # fn main() -> upshift::Result<()> {
    /// let engine = upshift::Engine::default();
    /// let module = upshift::Module::new(&engine, "(module (func $f))")?;
    /// assert!(module.code_regions().is_empty());
    /// module.compile_all()?;
    /// let region = &module.code_regions()[0];
    /// assert_eq!((region.name.as_deref(), region.tier), (Some("f"), "baseline"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn code_regions(&self) -> Vec<CodeRegion> {
        let name = |function| self.parsed().function_name(function).map(str::to_owned);
        let region = |code: &upshift_runtime::InstalledCode| CodeRegion {
            address: code.address,
            len: code.len,
            function: code.function.as_u32(),
            name: name(code.function),
            loop_number: code.loop_entry.map(LoopIndex::as_u32),
            tier: code.tier,
        };
        let code = self.runtime().code.all();
        let mut regions: Vec<_> = code.iter().map(|code| region(code)).collect();
        regions.sort_by_key(|region| region.address);
        regions
    }

    /// The machine code of one of [`code_regions`](Self::code_regions), as it is in memory. `None` for addresses of no
    /// region of this module.
    #[must_use]
    pub fn code_bytes(&self, region: &CodeRegion) -> Option<Vec<u8>> {
        let bytes = self.runtime().code.bytes_at(region.address)?;
        (bytes.len() == region.len).then_some(bytes)
    }
}

/// Keeps machine code in anonymous memory, where Linux `perf` looks for the names in `/tmp/perf-PID.map`. To be
/// called before the first module of the process is made; later, it has no effect.
///
/// Usually code is in a memory file that is mapped twice. In anonymous memory each function takes pages of its
/// own, which costs memory, and a little speed where there are many functions.
pub fn keep_code_anonymous() {
    upshift_runtime::keep_code_anonymous();
}

/// Finds out where the thread that starts it spends its CPU time, in WebAssembly function by function.
///
/// It uses a timer of the thread's own and the signal `SIGPROF`, which goes on to a handler that was installed
/// before where it is not the timer's. Without a sampler there is neither.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use upshift::{Engine, Instance, Module, Sampler, Store};
///
/// let engine = Engine::default();
/// let module = Module::new(&engine, "(module (func (export \"f\")))")?;
/// let mut store = Store::new(&engine, ());
/// let instance = Instance::new(&mut store, &module, &[])?;
/// let f = instance.get_typed_func::<(), ()>(&mut store, "f")?;
///
/// let sampler = Sampler::start(Duration::from_millis(1))?;
/// f.call(&mut store, ())?;
/// let samples = sampler.stop();
/// assert!(samples.total() < 1000);
/// # Ok(())
/// # }
/// ```
pub struct Sampler(upshift_runtime::Sampler);

/// The samples of a [`Sampler`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Samples {
    /// In WebAssembly, the most seen first.
    pub functions: Vec<SampledFunction>,
    /// Samples elsewhere: in host functions and in the runtime, compiling for a first call included.
    pub elsewhere: u64,
    /// When samples were taken, in order: all of them, or of a long run every second, fourth, ... one.
    pub timeline: Vec<TimedSample>,
    /// How many samples each of the timeline stands for.
    pub stride: u64,
}

/// A sample, and when it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimedSample {
    /// Time since sampling began.
    pub at: Duration,
    /// The index in [`Samples::functions`] of the function that the thread was in; `None` is elsewhere.
    pub function: Option<usize>,
}

/// Samples of one function in one tier. Code of other functions that was inlined into it counts as its own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SampledFunction {
    /// The name of the module, if it has one.
    pub module: Option<String>,
    /// The function's index, imports first.
    pub function: u32,
    /// The function's name by the name section or an export.
    pub name: Option<String>,
    /// The tier whose code it was in: `baseline` or `llvm`.
    pub tier: &'static str,
    /// How often it was seen there.
    pub count: u64,
}

impl Sampler {
    /// Samples this thread each time it has used `period` of CPU time, or as often as the kernel's clock ticks,
    /// which may be a few times less than once a millisecond.
    ///
    /// # Errors
    /// When the thread has a sampler already, or the system gives no timer.
    pub fn start(period: Duration) -> io::Result<Self> {
        upshift_runtime::Sampler::start(period).map(Self)
    }

    /// Ends sampling, and gives the samples. Modules that are gone by now are not known any more.
    #[must_use]
    pub fn stop(self) -> Samples {
        let seen = self.0.stop();
        // Entries at loops are part of their function.
        let key = |module: &Arc<_>, function, tier| (Arc::as_ptr(module), function, tier);
        let mut functions = BTreeMap::new();
        for (module, code, count) in &seen.code {
            let key = key(module, code.function, code.tier);
            let function = functions.entry(key).or_insert_with(|| SampledFunction {
                module: module.module().names.module().map(str::to_owned),
                function: code.function.as_u32(),
                name: module
                    .module()
                    .function_name(code.function)
                    .map(str::to_owned),
                tier: code.tier,
                count: 0,
            });
            function.count += count;
        }
        let mut functions: Vec<_> = functions.into_iter().collect();
        functions.sort_by_key(|(_, function)| std::cmp::Reverse(function.count));
        let place_of: Vec<_> = (seen.code.iter())
            .map(|(module, code, _)| {
                let key = key(module, code.function, code.tier);
                functions.iter().position(|(of, _)| *of == key)
            })
            .collect();
        let timeline = seen.timeline.iter().map(|sample| TimedSample {
            at: sample.at,
            function: sample.code.and_then(|code| place_of[code]),
        });
        Samples {
            timeline: timeline.collect(),
            functions: functions.into_iter().map(|(_, seen)| seen).collect(),
            elsewhere: seen.elsewhere,
            stride: seen.stride,
        }
    }
}

impl Samples {
    /// All samples.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.elsewhere
            + self
                .functions
                .iter()
                .map(|function| function.count)
                .sum::<u64>()
    }
}
