//! Modules from text, run on this tier by the real runtime, with a tiering that compiles at the first call
//! and moves a loop into its own OSR entry when a test says so.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use upshift_module::{
    DefinedFuncIndex, Entity, EntityRef, Features, FuncIndex, LoopIndex, Module, ValType,
};
use upshift_runtime::{
    ArgCursor, ArgLocation, CallFrame, ExternPtr, HostCall, InstalledCode, Instance,
    InterruptState, MemoryPlan, ModuleCode, ModuleRuntime, NoCode, Stop, StoreConfig, StoreCore,
    TierHooks, TrapCause, TrapCode, TypeRegistry, Unwind, VMFuncRef, VMOffsets, VectorUse, call,
};
use upshift_translate::{
    CallProfile, CodegenSettings, CompileRequest, EntryPoint, MemoryStyle, ModuleCompiler,
    ModuleUnit, Tier,
};

use crate::{CraneliftCompiler, CraneliftTier};

pub const GUARDED: CodegenSettings = CodegenSettings {
    memory: MemoryStyle::Guarded,
    count_calls: false,
    count_work: true,
    record_calls: true,
    precise_traps: false,
    check_indices: false,
    check_claims: false,
};
pub const CHECKED: CodegenSettings = CodegenSettings {
    memory: MemoryStyle::Checked,
    count_calls: false,
    count_work: false,
    record_calls: true,
    precise_traps: false,
    check_indices: false,
    check_claims: false,
};

/// Tiering with one tier.
pub struct LabHooks {
    compiler: Box<dyn ModuleCompiler>,
    unit: Arc<ModuleUnit>,
    /// The compiler of OSR entries, if not the same.
    entries_from: Mutex<Option<Box<dyn ModuleCompiler>>>,
    code: Arc<ModuleCode>,
    /// The amount that a budget is refilled to.
    pub grant: Mutex<i32>,
    /// Whether loops that run out of budget move into an OSR entry.
    pub move_loops: Mutex<bool>,
    /// How often each cold path was taken.
    pub entries: AtomicU32,
    pub loops: AtomicU32,
    /// How much was taken from the budget that was just refilled at an entry.
    pub last_budget: Mutex<i32>,
    /// The function to run in place of one whose budget is used up at its entry.
    pub better: Mutex<Option<DefinedFuncIndex>>,
}

impl LabHooks {
    /// Has OSR entries made by another tier.
    pub fn entries_of(&self, tier: &CraneliftTier) {
        let compiler = tier.module_compiler(Arc::clone(&self.unit));
        *self.entries_from.lock().unwrap() = Some(compiler);
    }

    fn request(function: DefinedFuncIndex, entry: EntryPoint) -> CompileRequest {
        CompileRequest { function, entry }
    }
}

impl TierHooks for LabHooks {
    fn lazy_compile(&self, function: DefinedFuncIndex, _: Stop<'_>) -> Result<*const u8, NoCode> {
        let code = self
            .compiler
            .compile(Self::request(function, EntryPoint::Function))
            .map_err(NoCode::failed)?
            .code;
        self.code.publish(&code);
        Ok(code.address as *const u8)
    }

    fn budget_at_entry(&self, _function: DefinedFuncIndex, budget: &mut i32) -> Option<*const u8> {
        self.entries.fetch_add(1, Ordering::Relaxed);
        *self.last_budget.lock().unwrap() = *budget;
        *budget = *self.grant.lock().unwrap();
        let better = self.better.lock().unwrap().take()?;
        let request = Self::request(better, EntryPoint::Function);
        let code = self.compiler.compile(request).expect("a function").code;
        Some(code.address as *const u8)
    }

    fn budget_at_loop(
        &self,
        function: DefinedFuncIndex,
        number: LoopIndex,
        budget: &mut i32,
    ) -> Option<*const u8> {
        self.loops.fetch_add(1, Ordering::Relaxed);
        *budget = *self.grant.lock().unwrap();
        if !*self.move_loops.lock().unwrap() {
            return None;
        }
        let request = Self::request(function, EntryPoint::Loop(number));
        let other = self.entries_from.lock().unwrap();
        let compiler = other.as_ref().unwrap_or(&self.compiler);
        let code = compiler.compile(request).expect("an OSR entry").code;
        drop(other);
        assert_eq!(code.loop_entry, Some(number));
        Some(code.address as *const u8)
    }
}

/// An index into whatever index space is asked about.
pub fn index<I: EntityRef>(number: usize) -> I {
    I::new(number)
}

/// A function to be entered at its start.
pub fn request(function: usize) -> CompileRequest {
    CompileRequest {
        function: index(function),
        entry: EntryPoint::Function,
    }
}

/// A compiler for a module, and the `ModuleCode` that it compiles into.
pub fn compiler(
    text: &str,
    settings: CodegenSettings,
) -> (CraneliftCompiler, Arc<Module>, Arc<ModuleCode>) {
    compiler_of(&CraneliftTier::baseline().unwrap(), text, settings)
}

pub fn compiler_of(
    tier: &CraneliftTier,
    text: &str,
    settings: CodegenSettings,
) -> (CraneliftCompiler, Arc<Module>, Arc<ModuleCode>) {
    let unit = unit_of(text, settings);
    let (module, code) = (Arc::clone(&unit.module), Arc::clone(&unit.code));
    (tier.compiler(unit), module, code)
}

/// The module as compilers need it.
pub fn unit_of(text: &str, settings: CodegenSettings) -> Arc<ModuleUnit> {
    let module = Module::parse(text.as_bytes(), &Features::all());
    let module = Arc::new(module.unwrap_or_else(|error| panic!("{error}")));
    let code = ModuleCode::new(Arc::clone(&module)).unwrap();
    let offsets = offsets(&module, settings);
    Arc::new(ModuleUnit {
        module,
        calls: CallProfile::new(offsets.call_cell_count(), offsets.defined_functions()),
        offsets,
        code,
        settings,
    })
}

fn offsets(module: &Module, settings: CodegenSettings) -> VMOffsets {
    let offsets = VMOffsets::new(module);
    match settings.count_calls {
        true => offsets.with_call_counts(),
        false => offsets,
    }
}

/// The code of the first defined function.
pub fn compile(text: &str) -> Arc<InstalledCode> {
    let (compiler, _, _) = compiler(text, GUARDED);
    compiler
        .compile(LabHooks::request(index(0), EntryPoint::Function))
        .unwrap()
        .code
}

/// An instance and all it needs.
pub struct Lab {
    instance: NonNull<Instance>,
    pub module: Arc<Module>,
    pub hooks: Arc<LabHooks>,
    // Last: dropped after everything that points into it.
    store: Box<StoreCore>,
}

/// A host function for imports.
pub type Host = Box<dyn Fn(&mut HostCall<'_>) + Send + Sync>;

impl Lab {
    pub fn new(text: &str) -> Self {
        Self::with(text, GUARDED, Vec::new())
    }

    pub fn with(text: &str, settings: CodegenSettings, hosts: Vec<Host>) -> Self {
        Self::on(&CraneliftTier::baseline().unwrap(), text, settings, hosts)
    }

    pub fn on(tier: &dyn Tier, text: &str, settings: CodegenSettings, hosts: Vec<Host>) -> Self {
        let unit = unit_of(text, settings);
        let (module, code) = (Arc::clone(&unit.module), Arc::clone(&unit.code));
        let hooks = Arc::new(LabHooks {
            compiler: tier.module_compiler(Arc::clone(&unit)),
            unit,
            entries_from: Mutex::new(None),
            code: Arc::clone(&code),
            grant: Mutex::new(1_000_000),
            move_loops: Mutex::new(false),
            entries: AtomicU32::new(0),
            loops: AtomicU32::new(0),
            last_budget: Mutex::new(0),
            better: Mutex::new(None),
        });
        let types = Arc::new(TypeRegistry::new());
        let runtime = Arc::new(ModuleRuntime::new(
            Arc::clone(&module),
            offsets(&module, settings),
            Arc::clone(&code),
            &types,
            Arc::clone(&hooks) as Arc<dyn TierHooks>,
        ));
        let mut config = StoreConfig::new(InterruptState::new(23).unwrap());
        if settings.memory == MemoryStyle::Checked {
            config.memory_plan = MemoryPlan::checked(1 << 20);
        }
        let mut store = Box::new(StoreCore::new(Arc::clone(&types), config));
        let mut imports = Vec::new();
        for (function, host) in module.functions.keys().zip(hosts) {
            let ty = types.lease(module.func_type(function));
            let callback = Arc::new(move |call: &mut HostCall<'_>| {
                host(call);
                Ok(())
            });
            // SAFETY: the type is of this registry, and the tests' functions read values of their type.
            let func = unsafe { store.new_host_func(ty, VectorUse::Full, callback) };
            imports.push(ExternPtr::Func(func));
        }
        // SAFETY: the imports are of this store, which is boxed; its plan fits the settings.
        let instantiated = unsafe { store.instantiate(&runtime, &imports) }.unwrap();
        assert!(instantiated.trap.is_none() && instantiated.start.is_none());
        Self {
            instance: instantiated.instance,
            module,
            hooks,
            store,
        }
    }

    fn func(&self, name: &str) -> (NonNull<VMFuncRef>, FuncIndex) {
        let export = self.module.export(name).expect("an export");
        let Entity::Func(index) = export.entity else {
            panic!("not a function")
        };
        // SAFETY: the instance lives as long as the store.
        (unsafe { self.instance.as_ref() }.funcref(index), index)
    }

    /// How often each function was called, if that is counted.
    pub fn call_counts(&self) -> Option<Vec<u64>> {
        // SAFETY: the instance lives as long as the store.
        let counts = unsafe { self.instance.as_ref() }.module().call_counts();
        counts.map(Vec::from)
    }

    /// Calls an export. Values are their bits.
    pub fn run(&mut self, name: &str, args: &[u128]) -> Result<Vec<u128>, TrapCode> {
        let (func, index) = self.func(name);
        let module = Arc::clone(&self.module);
        let ty = module.func_type(index);
        let mut cursor = ArgCursor::new();
        let mut stack = vec![0_u64; 64];
        let mut gprs = [0; 6];
        let mut xmms = [0; 8];
        let mut put = |cursor: &mut ArgCursor, ty: ValType, bits: u128| match cursor.next(ty) {
            ArgLocation::Gpr(i) => gprs[i as usize] = bits as u64,
            ArgLocation::Xmm(i) => xmms[i as usize] = bits,
            ArgLocation::Stack(word) => {
                stack[word as usize] = bits as u64;
                if ty == ValType::V128 {
                    stack[word as usize + 1] = (bits >> 64) as u64;
                }
            }
        };
        assert_eq!(ty.params().len(), args.len());
        for (&ty, &bits) in ty.params().iter().zip(args) {
            put(&mut cursor, ty, bits);
        }
        let mut cells = vec![0_u128; ty.results().len()];
        if ty.results().len() > 1 {
            put(&mut cursor, ValType::I64, cells.as_mut_ptr() as u128);
        }
        let mut frame = CallFrame {
            gprs,
            xmms,
            stack: stack.as_mut_ptr(),
            stack_words: cursor.stack_words(),
            vectors: VectorUse::Full,
        };
        // SAFETY: the function is of this store, and the frame was filled by its type.
        match unsafe { call(NonNull::from(&mut *self.store), func, &mut frame) } {
            Ok(()) => {}
            Err(Unwind::Trap(trap)) => match trap.cause {
                TrapCause::Code(code) => return Err(code),
                TrapCause::Compile(error) => panic!("{error}"),
            },
            Err(other) => panic!("{other:?}"),
        }
        let in_register = |ty| match ty {
            ValType::I32 => u128::from(frame.gprs[0] as u32),
            ValType::F32 => u128::from(frame.xmms[0] as u32),
            ValType::F64 => u128::from(frame.xmms[0] as u64),
            ValType::V128 => frame.xmms[0],
            _ => u128::from(frame.gprs[0]),
        };
        Ok(match ty.results() {
            [] => Vec::new(),
            &[ty] => vec![in_register(ty)],
            several => several
                .iter()
                .zip(cells)
                .map(|(ty, cell)| match ty {
                    ValType::V128 => cell,
                    ValType::I32 | ValType::F32 => cell & 0xFFFF_FFFF,
                    _ => cell & u128::from(u64::MAX),
                })
                .collect(),
        })
    }

    /// Calls an export that has one result and must not trap.
    pub fn one(&mut self, name: &str, args: &[u128]) -> u128 {
        self.run(name, args).unwrap()[0]
    }
}

/// The bits of an `i32`, sign not extended.
pub fn i32(value: i32) -> u128 {
    u128::from(value.cast_unsigned())
}

/// The bits of an `f64`.
pub fn f64(value: f64) -> u128 {
    u128::from(value.to_bits())
}
