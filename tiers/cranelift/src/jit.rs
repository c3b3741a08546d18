//! Puts code where it is executed: one `JITModule` per module, over the module's own code memory, which
//! is written at one address and executed at another.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cranelift_codegen::ir::Signature;
use cranelift_codegen::isa::{CallConv, OwnedTargetIsa};
use cranelift_jit::{BranchProtection, JITBuilder, JITMemoryKind, JITMemoryProvider, JITModule};
use cranelift_module::{Module, ModuleError, ModuleResult};
use parking_lot::Mutex;
use upshift_runtime::ModuleCode;

/// The `JITModule` of one module, made when the first function is installed.
pub(crate) struct Jit {
    isa: OwnedTargetIsa,
    call_conv: CallConv,
    code: Arc<ModuleCode>,
    state: Mutex<Option<State>>,
}

struct State {
    module: JITModule,
    /// Executable address of what the provider handed out last.
    executable: Arc<AtomicUsize>,
}

impl From<ModuleError> for PlacementError {
    fn from(error: ModuleError) -> Self {
        match error {
            ModuleError::Allocation { err } => Self::Memory(err),
            other => Self::Refused(other.to_string()),
        }
    }
}

/// Why code could not be put into memory.
pub(crate) enum PlacementError {
    /// The system gives no memory.
    Memory(io::Error),
    /// cranelift-jit refused.
    Refused(String),
}

impl Jit {
    pub(crate) fn new(isa: OwnedTargetIsa, call_conv: CallConv, code: Arc<ModuleCode>) -> Self {
        Self {
            isa,
            call_conv,
            code,
            state: Mutex::new(None),
        }
    }

    /// Copies `bytes`, which need no relocation, to code memory, and returns where they are executed.
    pub(crate) fn place(&self, bytes: &[u8], align: u32) -> Result<usize, PlacementError> {
        let mut state = self.state.lock();
        let state = state.get_or_insert_with(|| self.new_state());
        state.place(bytes, align, self.call_conv)
    }

    fn new_state(&self) -> State {
        let executable = Arc::new(AtomicUsize::new(0));
        // Code refers to no symbol, so that no name of a library function is ever asked for.
        let mut builder = JITBuilder::with_isa(
            Arc::clone(&self.isa),
            Box::new(|libcall| libcall.to_string()),
        );
        builder.memory_provider(Box::new(Provider {
            code: Arc::clone(&self.code),
            executable: Arc::clone(&executable),
        }));
        State {
            module: JITModule::new(builder),
            executable,
        }
    }
}

impl State {
    fn place(
        &mut self,
        bytes: &[u8],
        align: u32,
        call_conv: CallConv,
    ) -> Result<usize, PlacementError> {
        // The signature only matters to functions that call this one by name: there are none.
        let id = self
            .module
            .declare_anonymous_function(&Signature::new(call_conv))?;
        self.module
            .define_function_bytes(id, u64::from(align), bytes, &[])?;
        self.module.finalize_definitions()?;
        Ok(self.executable.load(Ordering::Relaxed))
    }
}

/// Hands out a module's code memory at its writable addresses.
struct Provider {
    code: Arc<ModuleCode>,
    executable: Arc<AtomicUsize>,
}

impl JITMemoryProvider for Provider {
    fn allocate(&mut self, size: usize, align: u64, kind: JITMemoryKind) -> io::Result<*mut u8> {
        let JITMemoryKind::Executable = kind else {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "generated code has no data",
            ));
        };
        let align = usize::try_from(align).map_err(io::Error::other)?;
        let allocation = self.code.allocate(size, align)?;
        self.executable
            .store(allocation.executable.addr(), Ordering::Relaxed);
        Ok(allocation.writable)
    }

    unsafe fn free_memory(&mut self) {
        // The module's code memory is `ModuleCode`'s, which knows when nothing runs in it any more.
    }

    fn finalize(&mut self, _: BranchProtection) -> ModuleResult<()> {
        // `ModuleCode::install` makes the code executable where it is not.
        Ok(())
    }
}
