//! Settings of an engine, before it starts: proposals, limits, and how it compiles.

use std::sync::Arc;

use upshift_module::{Features, Validation, WASM_PAGE_SIZE};
use upshift_runtime::{GUARDED_RESERVATION, available_address_space, can_reserve};
use upshift_tiering::{Chaos, TierEvent, TierMode, TieringOptions, TieringProfile};

/// Bytes of address space for each memory when its accesses are compared and nothing else is said: as
/// many as it can ever have.
pub(crate) const CHECKED_RESERVATION: u64 = 4 << 30;

/// Address space that is left to code, stacks and the rest of a process before its memories take their default
/// sizes.
const BESIDE_MEMORIES: u64 = 4 << 30;

/// Options of an [`Engine`](crate::Engine).
///
/// All proposals that Upshift implements are on by default: those of WebAssembly 2.0, multiple memories
/// and extended constant expressions.
///
/// ```
/// use upshift::{Config, Engine, Module};
///
/// # fn main() -> upshift::Result<()> {
/// let mut config = Config::new();
/// config.wasm_simd(false).max_wasm_stack(1 << 20);
/// let engine = Engine::new(&config)?;
///
/// let text = "(module (func (result v128) (v128.const i64x2 0 0)))";
/// let error = Module::new(&engine, text).unwrap_err();
/// assert!(error.to_string().contains("simd"));
/// assert!(Module::new(&Engine::default(), text).is_ok());
///
/// // Exactly the features of the specification 2.0, and nothing more.
/// let strict = Engine::new(Config::new().wasm_2_0())?;
/// assert!(Module::new(&strict, text).is_ok());
/// assert!(Module::new(&strict, "(module (memory 1) (memory 1))").is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) features: Features,
    /// Compile everything in `Module::new`.
    pub(crate) eager: bool,
    /// Validate bodies of functions when they are compiled.
    pub(crate) lazy_validation: bool,
    /// Bytes of stack for WebAssembly below its host caller.
    pub(crate) max_wasm_stack: usize,
    /// Bytes of stack left for host functions; `None` for the default, which yields to small stacks.
    pub(crate) host_stack: Option<usize>,
    /// Bytes of address space for each memory; `None` for the size that leaves out all bounds checks.
    pub(crate) memory_reservation: Option<u64>,
    /// Compare each address with the memory's length.
    pub(crate) bounds_checks: bool,
    pub(crate) check_indices: bool,
    pub(crate) check_claims: bool,
    /// Generated code counts its work.
    pub(crate) count_work: bool,
    /// The baseline's code counts calls.
    pub(crate) count_calls: bool,
    /// Memory, globals and tables are exact at every trap, in every tier.
    pub(crate) precise_traps: bool,
    /// How functions move between tiers.
    pub(crate) tiering: TieringOptions,
    /// Which tiers functions run in, if that is not left to the profile.
    tier: Option<TierMode>,
    /// The signal that stops a running guest.
    pub(crate) interrupt_signal: i32,
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

macro_rules! proposals {
    ($($(#[$doc:meta])* $name:ident $field:ident;)*) => {
        impl Config {$(
            $(#[$doc])*
            pub fn $name(&mut self, enable: bool) -> &mut Self {
                self.features.$field = enable;
                self
            }
        )*}
    };
}

proposals! {
    /// Import and export of globals that can be assigned. On by default.
    wasm_mutable_globals mutable_globals;
    /// Conversions from floats to integers that saturate instead of trapping. On by default.
    wasm_saturating_float_to_int saturating_float_to_int;
    /// Operators that sign-extend part of an integer. On by default.
    wasm_sign_extension sign_extension;
    /// Functions and blocks of several results. On by default.
    wasm_multi_value multi_value;
    /// Copying and filling memories and tables, passive segments. On by default.
    wasm_bulk_memory bulk_memory;
    /// `externref`, and functions as values. On by default.
    wasm_reference_types reference_types;
    /// Vectors of 128 bits. On by default.
    wasm_simd simd;
    /// More than one memory in a module. On by default, and not part of WebAssembly 2.0.
    wasm_multi_memory multi_memory;
    /// Arithmetic in constant expressions. On by default, and not part of WebAssembly 2.0.
    wasm_extended_const extended_const;
}

impl Config {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            features: Features::all(),
            eager: false,
            lazy_validation: false,
            max_wasm_stack: upshift_runtime::DEFAULT_MAX_WASM_STACK,
            host_stack: None,
            memory_reservation: None,
            bounds_checks: false,
            check_indices: false,
            check_claims: false,
            count_work: true,
            count_calls: false,
            precise_traps: false,
            tiering: TieringOptions::default(),
            tier: None,
            interrupt_signal: libc::SIGURG,
        }
    }

    /// Switches exactly the proposals of WebAssembly 2.0 on and all others off.
    pub fn wasm_2_0(&mut self) -> &mut Self {
        self.features = Features::wasm_2_0();
        self
    }

    /// Whether [`Module::new`](crate::Module::new) compiles every function, on all processors.
    ///
    /// By default a function is compiled when it is called first, so that a program starts at once
    /// however large it is.
    pub fn eager(&mut self, enable: bool) -> &mut Self {
        self.eager = enable;
        self
    }

    /// Whether the body of a function is validated when it is first compiled, instead of in
    /// [`Module::new`](crate::Module::new), which then validates everything else. Off by default.
    ///
    /// A large module starts sooner. An invalid function is the error
    /// [`ErrorKind::Module`](crate::ErrorKind::Module) of the call that needs it, or of `Module::new` where
    /// that compiles everything in the baseline; it is never run.
    ///
    /// ```
    /// use upshift::{Config, Engine, ErrorKind, Instance, Module, Store};
    ///
    /// # fn main() -> upshift::Result<()> {
    /// let engine = Engine::new(Config::new().lazy_validation(true))?;
    /// let text = r#"(module (func (export "good")) (func (export "bad") (result i32) f32.const 0))"#;
    /// let module = Module::new(&engine, text)?;
    /// let mut store = Store::new(&engine, ());
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let good = instance.get_typed_func::<(), ()>(&mut store, "good")?;
    /// good.call(&mut store, ())?;
    /// let bad = instance.get_typed_func::<(), i32>(&mut store, "bad")?;
    /// let error = bad.call(&mut store, ()).unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::Module(_)));
    /// assert!(Module::validate(&engine, text).is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn lazy_validation(&mut self, enable: bool) -> &mut Self {
        self.lazy_validation = enable;
        self
    }

    /// How much of a module is validated when it is made.
    pub(crate) fn validation(&self) -> Validation {
        match self.lazy_validation {
            true => Validation::BodiesWhenCompiled,
            false => Validation::Whole,
        }
    }

    /// The most stack that WebAssembly may use below its host caller, in bytes; 4 MiB by default.
    ///
    /// A guest that needs more traps with [`TrapCode::StackOverflow`](crate::TrapCode::StackOverflow).
    /// On a thread with less stack than this, it traps before the thread's stack ends.
    pub fn max_wasm_stack(&mut self, bytes: usize) -> &mut Self {
        self.max_wasm_stack = bytes;
        self
    }

    /// How much of the stack is left for host functions, in bytes, however deep the guest is that calls them;
    /// 512 KiB by default, or half of a stack that has less than 1 MiB.
    ///
    /// A set size holds on every stack, and is 48 KiB at least. A call on a stack without room for so much and for
    /// WebAssembly beside it is the error [`StackError::TooSmall`](crate::StackError::TooSmall). So is, with any
    /// setting, a call on a stack of less than 96 KiB.
    ///
    /// ```
    /// use upshift::{Config, Engine, ErrorKind, Func, StackError, Store};
    ///
    /// # fn main() -> upshift::Result<()> {
    /// let engine = Engine::new(Config::new().host_stack(4 << 20))?;
    /// let call = move || {
    ///     let mut store = Store::new(&engine, ());
    ///     let func = Func::wrap(&mut store, || { /* takes megabytes of stack */ });
    ///     func.call(&mut store, &[], &mut [])
    /// };
    /// let on_a_stack_of = |bytes| std::thread::Builder::new().stack_size(bytes);
    /// let error = on_a_stack_of(1 << 20).spawn(call.clone())?.join().unwrap().unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::Stack(StackError::TooSmall { .. })));
    /// on_a_stack_of(8 << 20).spawn(call)?.join().unwrap()
    /// # }
    /// ```
    pub fn host_stack(&mut self, bytes: usize) -> &mut Self {
        self.host_stack = Some(bytes);
        self
    }

    /// The most code memory that all modules of the engine may take together, in bytes; by default all that there is, which
    /// is one range of 1 GiB for the process.
    ///
    /// It is taken in pages as functions are compiled, and given back with the module and the last store that instantiated
    /// it. A function whose first call finds none is the error [`ErrorKind::CodeMemory`](crate::ErrorKind::CodeMemory) of
    /// that call, or of [`Module::new`](crate::Module::new) where that compiles everything; once there is some, the
    /// next call compiles it. Tiers above the first get half of the bound, so that a program whose first code fits
    /// into the other half never fails for faster code: a function stays in its tier, and an event says why.
    ///
    /// ```
    /// use upshift::{Config, Engine, ErrorKind, Module};
    ///
    /// # fn main() -> upshift::Result<()> {
    /// let engine = Engine::new(Config::new().eager(true).max_code_memory(64 << 10))?;
    /// let module = Module::new(&engine, "(module (func))")?;
    /// assert!(engine.code_memory() > 0 && engine.code_memory() <= 64 << 10);
    ///
    /// let large = format!("(module {})", "(func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)))".repeat(2000));
    /// let large = large.replacen("(module", "(module (memory 1)", 1);
    /// let error = Module::new(&engine, large).unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::CodeMemory { .. }));
    ///
    /// drop(module);
    /// assert_eq!(engine.code_memory(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_code_memory(&mut self, bytes: usize) -> &mut Self {
        self.tiering.code_limits.engine = Some(bytes);
        self
    }

    /// The most code memory that each module may take, in bytes; by default as much as the engine
    /// ([`max_code_memory`](Self::max_code_memory)), so that one module may leave nothing for others.
    pub fn max_module_code_memory(&mut self, bytes: usize) -> &mut Self {
        self.tiering.code_limits.module = Some(bytes);
        self
    }

    /// How much address space is set aside for each memory, in bytes; a memory never grows beyond it.
    ///
    /// By default it is as much as any 32-bit address can reach (8 GiB), which costs address space, not
    /// memory. Less is for hosts that limit address space (`ulimit -v`, tens of thousands of memories in
    /// one process), and means that generated code compares each address, as with
    /// [`bounds_checks`](Self::bounds_checks).
    pub fn memory_reservation(&mut self, bytes: u64) -> &mut Self {
        self.memory_reservation = Some(bytes);
        self
    }

    /// Has memories take less address space, and generated code compare each address, where this process can't have
    /// the default sizes of `memories` memories: under `ulimit -v`, or in a container that limits it. Returns how
    /// much is set aside for each memory then, and `None` where the defaults stay.
    ///
    /// Half of the remaining space is divided up; the rest is for code, stacks and the other needs of the process. Earlier settings of
    /// [`memory_reservation`](Self::memory_reservation) and [`bounds_checks`](Self::bounds_checks)
    /// stay. To look takes some microseconds.
    ///
    /// ```
    /// use upshift::{Config, Engine};
    ///
    /// # fn main() -> upshift::Result<()> {
    /// let mut config = Config::new();
    /// if let Some(bytes) = config.fit_address_space(1) {
    ///     eprintln!("slower, for address space is scarce: {bytes} bytes for a memory");
    /// }
    /// let engine = Engine::new(&config)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn fit_address_space(&mut self, memories: usize) -> Option<u64> {
        if self.bounds_checks || self.memory_reservation.is_some() {
            return None;
        }
        let memories = u64::try_from(memories).unwrap_or(u64::MAX).max(1);
        let guarded = GUARDED_RESERVATION.saturating_mul(memories);
        let available = available_address_space();
        let is_enough =
            available.is_none_or(|bytes| bytes >= guarded.saturating_add(BESIDE_MEMORIES));
        if is_enough && can_reserve(guarded) {
            return None;
        }
        // Where nothing says how much there is, halves are tried.
        let mut share = available.map_or(CHECKED_RESERVATION, |bytes| bytes / 2 / memories);
        share = share.min(CHECKED_RESERVATION);
        while share > WASM_PAGE_SIZE
            && !can_reserve(share.saturating_mul(2).saturating_mul(memories))
        {
            share /= 2;
        }
        let share = (share - share % WASM_PAGE_SIZE).max(WASM_PAGE_SIZE);
        self.memory_reservation(share).bounds_checks(true);
        Some(share)
    }

    /// Whether generated code compares each address with the memory's length, instead of letting the
    /// processor find accesses out of bounds. Off by default, because it is slower.
    pub fn bounds_checks(&mut self, enable: bool) -> &mut Self {
        self.bounds_checks = enable;
        self
    }

    /// Whether generated code counts the work that it does, which is how tiering finds hot code.
    /// On by default.
    pub fn count_work(&mut self, enable: bool) -> &mut Self {
        self.count_work = enable;
        self
    }

    /// Whether code before the optimizing tier counts how often each function is called, for
    /// [`Module::function_stats`](crate::Module::function_stats) and
    /// [`tier_stats`](crate::Module::tier_stats). Off by default.
    ///
    /// The numbers are exact: calls by WebAssembly and by the host that ran before the optimizing tier, of all instances that
    /// there are and were. They stand still when a function has moved up. Each instance has numbers of its own, which
    /// its code adds to without atomic operations, so that counting costs one instruction a call, on however many
    /// threads a module runs; they are summed when somebody asks. Without this option, there is no such instruction.
    ///
    /// ```
    /// use upshift::{Config, Engine, Instance, Module, Store};
    ///
    /// # fn main() -> upshift::Result<()> {
    /// let engine = Engine::new(Config::new().count_calls(true))?;
    /// let module = Module::new(
    ///     &engine,
    ///     r#"(module
    ///          (func $twice (export "twice") (call $leaf) (call $leaf))
    ///          (func $leaf))"#,
    /// )?;
    /// let mut store = Store::new(&engine, ());
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let twice = instance.get_typed_func::<(), ()>(&mut store, "twice")?;
    /// twice.call(&mut store, ())?;
    /// let calls: Vec<_> = module.function_stats().map(|stats| stats.calls).collect();
    /// assert_eq!(calls, [Some(1), Some(2)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn count_calls(&mut self, enable: bool) -> &mut Self {
        self.count_calls = enable;
        self
    }

    /// Which tiers functions run in: by default all start in the baseline, and hot functions move to
    /// the middle tier and the optimizing tier while they run. This setting takes the place of the [profile](Self::profile)'s
    /// mode, whichever is given first.
    ///
    /// ```
    /// use upshift::{Config, Engine, Module, TierMode};
    ///
    /// # fn main() -> upshift::Result<()> {
    /// let engine = Engine::new(Config::new().tier(TierMode::Baseline))?;
    /// let module = Module::new(&engine, "(module (func))")?;
    /// assert_eq!(module.tier_stats().functions.optimizing, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn tier(&mut self, mode: TierMode) -> &mut Self {
        self.tier = Some(mode);
        self
    }

    /// How an engine of these options tiers.
    pub(crate) fn tiering_options(&self) -> TieringOptions {
        let mut options = self.tiering.clone();
        options.profile.mode = self.tier_mode();
        options
    }

    /// Which tiers are wanted.
    pub(crate) fn tier_mode(&self) -> TierMode {
        self.tier.unwrap_or(self.tiering.profile.mode)
    }

    /// The tiering profile: which tiers there are, thresholds, worker threads, how hard the optimizing tier tries.
    /// Checked by [`Engine::new`](crate::Engine::new). Nothing of it has an effect on a program's results.
    ///
    /// [`BuiltInProfile::ALL`](crate::BuiltInProfile::ALL) are those that come with Upshift.
    ///
    /// ```
    /// use upshift::{Config, Engine, TieringProfile};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let engine = Engine::new(Config::new().profile(TieringProfile::named("throughput")?))?;
    ///
    /// let mut mine = TieringProfile::from_toml("[tier-up]\nthreshold-in-calls = 1000")?;
    /// mine.workers.count = Some(2);
    /// let engine = Engine::new(Config::new().profile(mine))?;
    ///
    /// assert!(TieringProfile::from_toml("[tier-up]\nthreshold = 1").is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn profile(&mut self, profile: TieringProfile) -> &mut Self {
        self.tiering.profile = profile;
        self
    }

    /// Whether memory, globals and tables are exact at every trap also in code of the optimizing tier.
    /// Off by default, because it keeps that tier from moving and joining accesses.
    ///
    /// Without it, a program that makes no access out of bounds behaves exactly all the same. After one
    /// that does, the program traps, but maybe later, at another trap, or not at all where the access had
    /// no effect; never is anything outside of its memories touched.
    pub fn precise_traps(&mut self, enable: bool) -> &mut Self {
        self.precise_traps = enable;
        self
    }

    /// Calls `sink` with everything that tiering does: see [`TierEvent`].
    ///
    /// It is called on background threads and on threads that run WebAssembly, so it should be quick.
    /// A panic in it is caught and lost.
    pub fn on_tier_event(
        &mut self,
        sink: impl Fn(&TierEvent) + Send + Sync + 'static,
    ) -> &mut Self {
        self.tiering.on_event = Some(Arc::new(sink));
        self
    }

    /// For tests of the engine: code of the single pass checks that only indices are added to addresses.
    #[doc(hidden)]
    pub fn check_indices(&mut self, enable: bool) -> &mut Self {
        self.check_indices = enable;
        self
    }

    /// For tests of the engine: the single pass compares what it claims with the code that it emits, and panics where they
    /// differ.
    #[doc(hidden)]
    pub fn check_claims(&mut self, enable: bool) -> &mut Self {
        self.check_claims = enable;
        self
    }

    /// For tests of the engine: asks for an on-stack replacement at every loop header.
    #[doc(hidden)]
    pub fn force_osr(&mut self, enable: bool) -> &mut Self {
        self.tiering.force_osr = enable;
        self
    }

    /// For tests of the engine: a request for better code waits for it.
    #[doc(hidden)]
    pub fn synchronous_tiering(&mut self, enable: bool) -> &mut Self {
        self.tiering.synchronous = enable;
        self
    }

    /// For tests of the engine: lets compiles fail, linger and get lost.
    #[doc(hidden)]
    pub fn tiering_chaos(&mut self, seed: u64) -> &mut Self {
        self.tiering.chaos = Some(Chaos::new(seed));
        self
    }

    /// The signal that [`InterruptHandle`](crate::InterruptHandle) sends to a thread that is running
    /// WebAssembly; `SIGURG` by default, which nobody minds.
    ///
    /// All engines of a process may use different ones. A handler that the program installed for it
    /// before goes on working.
    pub fn interrupt_signal(&mut self, number: i32) -> &mut Self {
        self.interrupt_signal = number;
        self
    }
}
