//! Compiles one function: goes over its body, and installs the code with its tables of traps and offsets. What can't be
//! done here is left to another tier.

use std::cell::Cell;
use std::fmt::Write as _;
use std::sync::Arc;

use iced_x86::{Decoder, DecoderOptions, Formatter, GasFormatter};
use upshift_runtime::InstalledCode;
use upshift_translate::{
    CodeForm, CompileError, CompileRequest, Compiled, DirectCall, EntryPoint, FunctionShape, Mode,
    ModuleCompiler, ModuleUnit, Tier, TranslateError, translate,
};

use crate::emitter::{FastEmitter, Scratch};

/// Alignment of functions.
const ALIGNMENT: usize = 16;

thread_local! {
    /// What this thread compiles with, between compilations.
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

/// A tier that compiles most functions in one pass, and leaves the others to another tier, whose name it has.
pub struct FastTier<T> {
    other: T,
}

impl<T: Tier> FastTier<T> {
    /// On top of a tier that compiles everything.
    pub fn new(other: T) -> Self {
        Self { other }
    }
}

impl<T: Tier> Tier for FastTier<T> {
    fn name(&self) -> &'static str {
        self.other.name()
    }

    fn module_compiler(&self, unit: Arc<ModuleUnit>) -> Box<dyn ModuleCompiler> {
        Box::new(FastCompiler {
            name: self.name(),
            other: self.other.module_compiler(Arc::clone(&unit)),
            unit,
        })
    }
}

/// Compiles functions of one module.
struct FastCompiler {
    name: &'static str,
    other: Box<dyn ModuleCompiler>,
    unit: Arc<ModuleUnit>,
}

impl FastCompiler {
    /// Fills `scratch` with the function's code. Whether that is of use.
    fn emit_code(
        &self,
        scratch: &mut Scratch,
        request: CompileRequest,
    ) -> Result<bool, CompileError> {
        if request.entry != EntryPoint::Function {
            return Ok(false);
        }
        let module = &self.unit.module;
        let refuse = |error: TranslateError| match error.invalid() {
            Some(invalid) => CompileError::Invalid(invalid.clone()),
            None => CompileError::Codegen {
                tier: self.name,
                function: self.function_index(request),
                message: error.to_string(),
            },
        };
        let shape = FunctionShape::new(module, request.function).map_err(refuse)?;
        let mut emitter = FastEmitter::new(&self.unit, &shape, request.function, scratch);
        let mode = Mode::from(request.entry);
        translate(module, request.function, &mut emitter, mode).map_err(refuse)?;
        Ok(emitter.finish())
    }

    fn function_index(&self, request: CompileRequest) -> u32 {
        let imported = self.unit.module.imported.functions;
        imported.saturating_add(request.function)
    }

    fn install(
        &self,
        scratch: &Scratch,
        request: CompileRequest,
    ) -> Result<Arc<InstalledCode>, CompileError> {
        let function = self.function_index(request);
        let out_of_memory = |source| CompileError::CodeMemory { function, source };
        let code = scratch.code();
        let placed = self.unit.code.place(code, ALIGNMENT);
        let installed = InstalledCode {
            address: placed.map_err(out_of_memory)?,
            len: code.len(),
            function,
            loop_entry: None,
            entry_stack: 0,
            tier: self.name,
            traps: scratch.traps.as_slice().into(),
            offsets: scratch.offsets.as_slice().into(),
            inlined: None,
        };
        self.unit.code.install(installed).map_err(out_of_memory)
    }

    /// Lends this thread's scratch to `work`.
    fn with_scratch<T>(
        work: impl FnOnce(&mut Scratch) -> Result<Option<T>, CompileError>,
    ) -> Result<Option<T>, CompileError> {
        let mut scratch = SCRATCH.take().unwrap_or_default();
        let result = work(&mut scratch);
        SCRATCH.set(Some(scratch));
        result
    }
}

impl ModuleCompiler for FastCompiler {
    fn compile(&self, request: CompileRequest) -> Result<Compiled, CompileError> {
        self.compile_telling_calls(request, &mut |_| ())
    }

    fn compile_telling_calls(
        &self,
        request: CompileRequest,
        tell: &mut dyn FnMut(&[DirectCall]),
    ) -> Result<Compiled, CompileError> {
        let code = Self::with_scratch(|scratch| {
            if !self.emit_code(scratch, request)? {
                return Ok(None);
            }
            tell(scratch.calls.as_slice());
            self.install(scratch, request).map(Some)
        })?;
        match code {
            Some(code) => Ok(Compiled {
                bytes: code.len,
                code,
                inlined: Vec::new(),
            }),
            None => self.other.compile_telling_calls(request, tell),
        }
    }

    fn emit(&self, request: CompileRequest, form: CodeForm) -> Result<String, CompileError> {
        let text = match form {
            // There is none here: what the other tier would make of the function tells more than nothing.
            CodeForm::Intermediate => None,
            CodeForm::Assembly => Self::with_scratch(|scratch| {
                let is_of_use = self.emit_code(scratch, request)?;
                Ok(is_of_use.then(|| disassemble(scratch.code())))
            })?,
        };
        text.map_or_else(|| self.other.emit(request, form), Ok)
    }
}

/// Code as text, each instruction behind its offset.
fn disassemble(code: &[u8]) -> String {
    let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    let mut formatter = GasFormatter::new();
    let (mut text, mut line) = (String::new(), String::new());
    while decoder.can_decode() {
        let instruction = decoder.decode();
        line.clear();
        formatter.format(&instruction, &mut line);
        // Writing to a string does not fail.
        let _ = writeln!(text, "{:6x}:  {line}", instruction.ip());
    }
    text
}
