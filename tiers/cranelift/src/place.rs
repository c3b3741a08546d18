//! Where code goes: through `cranelift-jit` into the module's code memory, which is written at one address and executed at
//! another.
//!
//! A `JITModule` has one memory provider, which is asked for room and gets the bytes written there. The provider here takes room
//! from the module's own code memory (`upshift_runtime::ModuleCode`), within its bounds, and remembers where the same bytes are
//! executed. Nothing is left to relocate, and nobody but the module's code memory frees anything.

use std::io;
use std::sync::Arc;

use cranelift_codegen::ir::{LibCall, Signature};
use cranelift_codegen::isa::{CallConv, OwnedTargetIsa};
use cranelift_jit::{BranchProtection, JITBuilder, JITMemoryKind, JITMemoryProvider, JITModule};
use cranelift_module::{Module, ModuleError, ModuleResult};
use upshift_runtime::sync::Mutex;
use upshift_runtime::{CodeMemoryError, CodePurpose, ModuleCode};

/// Where room that was asked for is executed. Empty before.
type Room = Arc<Mutex<Option<Result<usize, CodeMemoryError>>>>;

/// Puts the code of one module's functions into its code memory.
pub(crate) struct Placement {
    /// Held while code is copied. The provider is used under this lock only.
    jit: Mutex<JITModule>,
    /// What the provider was asked for last.
    last: Room,
    /// What functions are declared with: calls go by addresses, so nobody looks at it.
    signature: Signature,
}

/// Why code was not placed.
pub(crate) enum PlaceError {
    /// There is no memory for it.
    Memory(CodeMemoryError),
    /// The JIT refuses it: what it says.
    Refused(String),
}

impl Placement {
    /// Places code in this memory, for this purpose.
    pub fn new(
        isa: OwnedTargetIsa,
        call_conv: CallConv,
        code: Arc<ModuleCode>,
        purpose: CodePurpose,
    ) -> Self {
        let last = Room::default();
        let provider = Provider {
            code,
            purpose,
            last: Arc::clone(&last),
        };
        let mut builder = JITBuilder::with_isa(isa, Box::new(libcall_name));
        builder.memory_provider(Box::new(provider));
        Self {
            jit: Mutex::new(JITModule::new(builder)),
            last,
            signature: Signature::new(call_conv),
        }
    }

    /// Copies code that refers to no symbol into memory, aligned to `align`, a power of two of at most a page. Where it is
    /// executed; still to be installed.
    ///
    /// # Errors
    /// When a bound is reached, or the system has no memory.
    pub fn place(&self, bytes: &[u8], align: u32) -> Result<usize, PlaceError> {
        let mut jit = self.jit.lock();
        let refused = |error: ModuleError| PlaceError::Refused(error.to_string());
        let id = jit.declare_anonymous_function(&self.signature);
        let id = id.map_err(refused)?;
        let defined = jit.define_function_bytes(id, align.into(), bytes, &[]);
        match (self.last.lock().take(), defined) {
            (Some(Err(error)), _) => Err(PlaceError::Memory(error)),
            (_, Err(error)) => Err(refused(error)),
            (Some(Ok(address)), Ok(())) => Ok(address),
            (None, Ok(())) => unreachable!("a definition asks for memory"),
        }
    }
}

/// Gives the JIT memory of one module.
struct Provider {
    code: Arc<ModuleCode>,
    purpose: CodePurpose,
    last: Room,
}

impl JITMemoryProvider for Provider {
    /// Room where it is written. Code only: what is compiled has no data of its own.
    fn allocate(&mut self, size: usize, align: u64, kind: JITMemoryKind) -> io::Result<*mut u8> {
        let align = usize::try_from(align).map_err(io::Error::other)?;
        if !matches!(kind, JITMemoryKind::Executable) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let room = self.code.allocate(size, align, self.purpose);
        let writable = room.as_ref().map(|room| room.writable).ok();
        *self.last.lock() = Some(room.map(|room| room.executable.addr()));
        // The error itself goes past the JIT, which has no place for it.
        writable.ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    /// Code memory belongs to the module.
    unsafe fn free_memory(&mut self) {}

    /// Code is made executable where it is installed.
    fn finalize(&mut self, _: BranchProtection) -> ModuleResult<()> {
        Ok(())
    }
}

/// Never asked for: code with a reference to a symbol is refused before it is placed.
fn libcall_name(call: LibCall) -> String {
    call.to_string()
}
