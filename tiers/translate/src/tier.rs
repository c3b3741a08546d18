//! The seam between tiering and the tiers: requests to a tier and their results.

use std::sync::Arc;

pub use upshift_module::Stop;
use upshift_module::{DefinedFuncIndex, FuncIndex, LoopIndex, Module, ModuleError};
use upshift_runtime::{CodeMemoryError, InstalledCode, ModuleCode, VMOffsets};

use crate::{CallProfile, Excess, TranslateError, TranslateProblem};

/// A code generator.
pub trait Tier: Send + Sync + 'static {
    /// Its name, as shown to users: `baseline`, `llvm`.
    fn name(&self) -> &'static str;

    /// A compiler for the functions of one module. Costs next to nothing; compiles nothing.
    fn module_compiler(&self, unit: Arc<ModuleUnit>) -> Box<dyn ModuleCompiler>;
}

/// Compiles functions of one module. Called from several threads at once.
pub trait ModuleCompiler: Send + Sync {
    /// Compiles one function (or one OSR entry of it) and installs its code in the module's code
    /// memory. Does not publish it.
    ///
    /// # Errors
    /// When the code generator refuses the function or code memory is used up.
    fn compile(&self, request: CompileRequest) -> Result<Compiled, CompileError>;

    /// Compiles several functions at once if that is cheaper or better than one by one. One result for each, in
    /// their order.
    fn compile_together(
        &self,
        functions: &[DefinedFuncIndex],
    ) -> Vec<Result<Compiled, CompileError>> {
        let request = |&function| CompileRequest {
            function,
            entry: EntryPoint::Function,
        };
        functions
            .iter()
            .map(request)
            .map(|request| self.compile(request))
            .collect()
    }

    /// [`compile`](Self::compile) for a thread of the guest that waits for it. Validates the body if that has not been
    /// done, ends within milliseconds when `stop` says so, and tells on the way which functions of the module the body
    /// calls directly: early, so that others can compile them meanwhile. A tier that does not know, and a failed
    /// translation, tell nothing. No guest waits for tiers above the baseline, which need not implement this.
    ///
    /// # Errors
    /// As [`compile`](Self::compile), and [`CompileError::Stopped`].
    fn compile_until(
        &self,
        request: CompileRequest,
        stop: Stop<'_>,
        tell: &mut dyn FnMut(&[DirectCall]),
    ) -> Result<Compiled, CompileError> {
        let _ = (stop, tell);
        self.compile(request)
    }

    /// The tier's code for a function, as text for people. Installs nothing.
    ///
    /// # Errors
    /// When the code generator refuses the function.
    fn emit(&self, request: CompileRequest, form: CodeForm) -> Result<String, CompileError>;
}

/// Code that a tier installed.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// Where it is entered.
    pub code: Arc<InstalledCode>,
    /// All bytes that were installed: functions that came along and constants included.
    pub bytes: usize,
    /// Functions that were inlined, or compiled along for direct calls.
    pub inlined: Vec<FuncIndex>,
}

/// A direct call of a function that the module defines, in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectCall {
    /// The callee.
    pub function: DefinedFuncIndex,
    /// How many conditional branches stand before the call in the body: the fewer, the likelier it is that a
    /// call of the body gets to this call.
    pub branches_before: u32,
}

/// A form that a tier can show its code in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodeForm {
    /// The code generator's own language: CLIF, or LLVM IR after optimization.
    Intermediate,
    /// Machine code, disassembled.
    Assembly,
}

/// The module as a tier needs it.
pub struct ModuleUnit {
    /// The module.
    pub module: Arc<Module>,
    /// The layout of its contexts.
    pub offsets: VMOffsets,
    /// Where its code goes.
    pub code: Arc<ModuleCode>,
    /// How code is generated.
    pub settings: CodegenSettings,
    /// Samples of its calls through tables.
    pub calls: CallProfile,
}

/// Settings that change the generated code, in every tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodegenSettings {
    /// How accesses to linear memory are kept in bounds.
    pub memory: MemoryStyle,
    /// Whether code counts the work it does and polls for better code.
    pub count_work: bool,
    /// Whether the baseline's code counts the calls of each function, in
    /// [`VMOffsets::call_count`], which the module's offsets must have then.
    pub count_calls: bool,
    /// Whether code leaves behind which functions its calls through tables reach ([`CallProfile`]).
    pub record_calls: bool,
    /// Whether an optimizing tier keeps every access where the program has it, so that memory, globals
    /// and tables are exact at every trap. Otherwise see `docs/semantics.md`.
    pub precise_traps: bool,
    /// Whether the single pass's code compares each index that it adds to an address with its lower half. Where they differ,
    /// the call ends in a panic, for the tier is wrong. Tests set it; tiers that extend indices themselves ignore it.
    pub check_indices: bool,
    /// Whether the single pass compares what it claims of registers and operands with the instructions that it emits. A
    /// compile panics where they differ. Tests set it; it changes no code.
    pub check_claims: bool,
}

/// How accesses to linear memory are kept in bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemoryStyle {
    /// Every address that can be formed is inside the reservation; inaccessible pages fault.
    Guarded,
    /// Each access is compared with the current length.
    Checked,
}

/// The code to compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CompileRequest {
    /// The function.
    pub function: DefinedFuncIndex,
    /// Where the code is entered.
    pub entry: EntryPoint,
}

/// Where compiled code is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryPoint {
    /// At the start, as a call.
    Function,
    /// At the header of this loop, from a frame's cells.
    Loop(LoopIndex),
}

/// Why a function could not be compiled. The code that was there before stays.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The function is invalid, which was found out when it was to be compiled.
    #[error(transparent)]
    Invalid(ModuleError),
    /// The code generator refused the function.
    #[error("the {tier} tier cannot compile function {function}: {message}")]
    Codegen {
        /// The tier's name.
        tier: &'static str,
        /// The function.
        function: FuncIndex,
        /// The code generator's message.
        message: String,
    },
    /// The function is too large for the tier.
    #[error("the {tier} tier leaves function {function} where it is: {excess}")]
    TooLarge {
        /// The tier's name.
        tier: &'static str,
        /// The function.
        function: FuncIndex,
        /// The measure that is exceeded, and its limit, which the tiering profile has.
        excess: Excess,
    },
    /// It was to end. Nothing is left of it.
    #[error("the compile of function {function} by the {tier} tier was stopped")]
    Stopped {
        /// The tier's name.
        tier: &'static str,
        /// The function.
        function: FuncIndex,
    },
    /// There is no code memory left.
    #[error("no memory for the code of function {function}: {source}")]
    CodeMemory {
        /// The function.
        function: FuncIndex,
        /// The bound that was reached, or the system's error.
        source: CodeMemoryError,
    },
}

impl CompileError {
    /// The error of a tier for a walk over a body that ended early.
    #[must_use]
    pub fn of_walk(tier: &'static str, error: &TranslateError) -> Self {
        let function = error.function();
        match error.problem() {
            TranslateProblem::Invalid(invalid) => Self::Invalid(invalid.clone()),
            &TranslateProblem::TooLarge(excess) => Self::TooLarge {
                tier,
                function,
                excess,
            },
            TranslateProblem::Stopped => Self::Stopped { tier, function },
            _ => Self::Codegen {
                tier,
                function,
                message: error.to_string(),
            },
        }
    }
}
