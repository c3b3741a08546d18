//! Compiles one function: goes over its body, and installs the code with its tables of traps and offsets. A function that can't be
//! compiled here is left to another tier, or one that is too much for another tier is compiled here.

use std::cell::Cell;
use std::fmt::Write as _;
use std::sync::Arc;

use iced_x86::{Decoder, DecoderOptions, Formatter, GasFormatter};
use upshift_runtime::{CodePurpose, InstalledCode};
use upshift_translate::{
    CodeForm, CompileError, CompileRequest, Compiled, CostLimits, DirectCall, EntryPoint,
    FunctionShape, Mode, ModuleCompiler, ModuleUnit, Stop, Tier, translate, validate,
};

use crate::emitter::{FastEmitter, Scratch};

/// Alignment of functions.
const ALIGNMENT: usize = 16;

thread_local! {
    /// This thread's working memory, between compilations.
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

/// A body larger than this has its thread give the memory back that compiling it took.
const LARGE_BODY: usize = 256 << 10;

/// Parameters and results that all calls of a function may have together, whatever its size. Values of branches are moved by
/// loops, in no time of the compiler's.
const CALL_VALUES: usize = 1 << 20;
/// How many more for each byte of its body. Most calls have a few; calls with two thousand in two bytes would make ten
/// seconds of work of a megabyte.
const CALL_VALUES_PER_BYTE: usize = 8;

/// A tier of two that share a name: one that compiles functions in one pass, and another.
pub struct FastTier<T> {
    other: T,
    asked_first: Asked,
}

/// Which of the two is asked for a function first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// The single pass. Functions that it does not know are for the other.
    SinglePass,
    /// The other. Functions that are too large for it are for the single pass.
    Other,
}

impl<T: Tier> FastTier<T> {
    /// The single pass for everything that it knows, on top of a tier that compiles the rest.
    pub fn new(other: T) -> Self {
        Self {
            other,
            asked_first: Asked::SinglePass,
        }
    }

    /// The single pass for functions that are too large for another tier.
    pub fn behind(other: T) -> Self {
        Self {
            other,
            asked_first: Asked::Other,
        }
    }
}

impl<T: Tier> Tier for FastTier<T> {
    fn name(&self) -> &'static str {
        self.other.name()
    }

    fn module_compiler(&self, unit: Arc<ModuleUnit>) -> Box<dyn ModuleCompiler> {
        Box::new(FastCompiler {
            name: self.name(),
            asked_first: self.asked_first,
            other: self.other.module_compiler(Arc::clone(&unit)),
            unit,
        })
    }
}

/// Compiles functions of one module.
struct FastCompiler {
    name: &'static str,
    asked_first: Asked,
    other: Box<dyn ModuleCompiler>,
    unit: Arc<ModuleUnit>,
}

impl FastCompiler {
    /// Fills `scratch` with the function's code. Whether that is of use.
    fn emit_code(
        &self,
        scratch: &mut Scratch,
        request: CompileRequest,
        stop: Stop<'_>,
    ) -> Result<bool, CompileError> {
        if request.entry != EntryPoint::Function {
            return Ok(false);
        }
        let module = &self.unit.module;
        let refuse = |error| CompileError::of_walk(self.name, &error);
        validate(module, request.function, stop).map_err(refuse)?;
        let shape = FunctionShape::new(module, request.function).map_err(refuse)?;
        let mut emitter = FastEmitter::new(&self.unit, &shape, request.function, scratch);
        let of_bytes = CALL_VALUES_PER_BYTE.saturating_mul(self.bytes_of(request));
        let mode = Mode {
            limits: CostLimits {
                call_values: CALL_VALUES.saturating_add(of_bytes),
                ..CostLimits::NONE
            },
            stop,
            ..Mode::from(request.entry)
        };
        translate(module, request.function, &mut emitter, mode).map_err(refuse)?;
        Ok(emitter.finish())
    }

    /// Bytes of the function's body.
    fn bytes_of(&self, request: CompileRequest) -> usize {
        let body = self.unit.module.bodies.get(request.function);
        body.map_or(0, |body| body.range.len())
    }

    fn install(
        &self,
        scratch: &Scratch,
        request: CompileRequest,
    ) -> Result<Arc<InstalledCode>, CompileError> {
        let function = self.unit.module.function_index(request.function);
        let out_of_memory = |source| CompileError::CodeMemory { function, source };
        let code = scratch.code();
        let placed = self.unit.code.place(code, ALIGNMENT, CodePurpose::Running);
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
        &self,
        request: CompileRequest,
        work: impl FnOnce(&mut Scratch) -> Result<Option<T>, CompileError>,
    ) -> Result<Option<T>, CompileError> {
        let mut scratch = SCRATCH.take().unwrap_or_default();
        let result = work(&mut scratch);
        if self.bytes_of(request) <= LARGE_BODY {
            SCRATCH.set(Some(scratch));
        }
        result
    }
}

impl FastCompiler {
    /// Compiles a function here. Nothing if it takes the other tier.
    fn compile_in_one_pass(
        &self,
        request: CompileRequest,
        stop: Stop<'_>,
        tell: &mut dyn FnMut(&[DirectCall]),
    ) -> Result<Option<Compiled>, CompileError> {
        let code = self.with_scratch(request, |scratch| {
            if !self.emit_code(scratch, request, stop)? {
                return Ok(None);
            }
            tell(scratch.calls.as_slice());
            self.install(scratch, request).map(Some)
        })?;
        Ok(code.map(|code| Compiled {
            bytes: code.len,
            code,
            inlined: Vec::new(),
        }))
    }
}

impl ModuleCompiler for FastCompiler {
    fn compile(&self, request: CompileRequest) -> Result<Compiled, CompileError> {
        self.compile_until(request, Stop::NEVER, &mut |_| ())
    }

    fn compile_until(
        &self,
        request: CompileRequest,
        stop: Stop<'_>,
        tell: &mut dyn FnMut(&[DirectCall]),
    ) -> Result<Compiled, CompileError> {
        if self.asked_first == Asked::SinglePass {
            return match self.compile_in_one_pass(request, stop, tell)? {
                Some(compiled) => Ok(compiled),
                None => self.other.compile_until(request, stop, tell),
            };
        }
        match self.other.compile_until(request, stop, tell) {
            Err(too_large @ CompileError::TooLarge { .. }) => {
                let compiled = self.compile_in_one_pass(request, stop, tell)?;
                compiled.ok_or(too_large)
            }
            result => result,
        }
    }

    fn emit(&self, request: CompileRequest, form: CodeForm) -> Result<String, CompileError> {
        let text = match form {
            // There is none here: the other tier's form of the function tells more than nothing.
            CodeForm::Intermediate => None,
            CodeForm::Assembly if self.asked_first == Asked::Other => None,
            CodeForm::Assembly => self.with_scratch(request, |scratch| {
                let is_of_use = self.emit_code(scratch, request, Stop::NEVER)?;
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
