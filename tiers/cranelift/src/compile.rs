//! Compiles one function: translates it, runs Cranelift, and installs the code with its tables of traps
//! and offsets. Threads compile at the same time, each with data structures of its own that it reuses.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{SourceLoc, TrapCode as ClifTrap};
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::{CodegenError, CompiledCode, Context};
use upshift_module::{ModuleOffset, to_u32, to_usize};
use upshift_runtime::{CodeOffset, CodePurpose, InstalledCode, TrapCode, TrapSite};
use upshift_translate::{
    CodeForm, CompileError, CompileRequest, Compiled, CostLimits, DirectCall, EntryPoint,
    FunctionShape, LoopLocals, Mode, ModuleCompiler, ModuleUnit, Stop, translate, validate,
};

use crate::arch::{Entry, EntryCheck, PART_SIZE};
use crate::emitter::{ClifEmitter, EmitOptions, Finished, Locals, Scratch};
use crate::place::{PlaceError, Placement};

/// Alignment of functions. Cranelift would prefer 32; most functions are small, and their first
/// instructions are a prologue. The parts before the body keep it.
const FUNCTION_ALIGNMENT: u32 = to_u32(PART_SIZE);
/// A body larger than this has its thread give the memory back that compiling it took.
const LARGE_BODY: usize = 256 << 10;

/// The most bytes of WebAssembly in the copies that make an entry at a loop of the middle tier, which does not do
/// enough with loops for more copies to be worth the time.
const MAX_CHAIN_BYTES: usize = 2 << 10;

thread_local! {
    /// This thread's working memory, between compilations.
    static WORKSPACE: Cell<Option<Box<Workspace>>> = const { Cell::new(None) };
}

struct Workspace {
    context: Context,
    control: ControlPlane,
    registers: regalloc2::Ctx,
    /// The code of the last compile.
    code: Option<CompiledCode>,
    scratch: Scratch,
}

impl Workspace {
    fn new() -> Box<Self> {
        Box::new(Self {
            context: Context::new(),
            control: ControlPlane::default(),
            registers: regalloc2::Ctx::default(),
            code: None,
            scratch: Scratch::default(),
        })
    }
}

/// Compiles functions of one module in one of the tiers.
pub struct CraneliftCompiler {
    /// The tier's name.
    tier: &'static str,
    isa: OwnedTargetIsa,
    options: EmitOptions,
    unit: Arc<ModuleUnit>,
    placement: Placement,
}

impl CraneliftCompiler {
    pub(crate) fn new(
        tier: &'static str,
        isa: OwnedTargetIsa,
        options: EmitOptions,
        unit: Arc<ModuleUnit>,
    ) -> Self {
        let purpose = match options.locals {
            Locals::InCells => CodePurpose::Running,
            Locals::AsValues => CodePurpose::Better,
        };
        let (call_conv, code) = (options.call_conv, Arc::clone(&unit.code));
        Self {
            tier,
            placement: Placement::new(Arc::clone(&isa), call_conv, code, purpose),
            isa,
            options,
            unit,
        }
    }

    /// Bounds for functions that people want to see: no guest waits for these.
    fn limits_of_text(&self) -> CostLimits {
        CostLimits {
            operators: usize::MAX,
            ..self.options.limits
        }
    }

    /// The function in Cranelift's intermediate language, as its code generator gets it.
    fn emit_clif(&self, request: CompileRequest) -> Result<String, CompileError> {
        self.with_workspace(request, |workspace| {
            self.translate(workspace, request, self.limits_of_text(), Stop::NEVER)?;
            Ok(workspace.context.func.display().to_string())
        })
    }

    /// The function as machine code, disassembled.
    fn emit_assembly(&self, request: CompileRequest) -> Result<String, CompileError> {
        self.with_workspace(request, |workspace| {
            let limits = self.limits_of_text();
            let finished = self.translate(workspace, request, limits, Stop::NEVER)?;
            workspace.context.set_disasm(true);
            let code = self.generate(workspace, request)?;
            let body = code.vcode.as_deref().unwrap_or_default();
            Ok(self.entry(finished, request).around_text(body))
        })
    }

    /// Lends this thread's workspace to `work`, and turns a panic into an error.
    fn with_workspace<T>(
        &self,
        request: CompileRequest,
        work: impl FnOnce(&mut Workspace) -> Result<T, CompileError>,
    ) -> Result<T, CompileError> {
        let mut workspace = WORKSPACE.take().unwrap_or_else(Workspace::new);
        // A workspace that a panic left behind is not used again.
        let result = catch_unwind(AssertUnwindSafe(|| {
            let result = work(&mut workspace);
            workspace.context.clear();
            (workspace, result)
        }));
        match result {
            Ok((workspace, result)) => {
                let body = self.unit.module.bodies.get(request.function);
                if body.is_some_and(|body| body.range.len() <= LARGE_BODY) {
                    WORKSPACE.set(Some(workspace));
                }
                result
            }
            Err(panic) => {
                let message = panic.downcast_ref::<&str>().map(|&text| text.to_owned());
                let message = message.or_else(|| panic.downcast_ref::<String>().cloned());
                let message = message.unwrap_or_else(|| "no message".to_owned());
                Err(self.codegen_error(request, format!("internal error: {message}")))
            }
        }
    }

    /// Fills the context's function.
    fn translate(
        &self,
        workspace: &mut Workspace,
        request: CompileRequest,
        limits: CostLimits,
        stop: Stop<'_>,
    ) -> Result<Finished, CompileError> {
        let refuse = |error| CompileError::of_walk(self.tier, &error);
        let module = &self.unit.module;
        validate(module, request.function, stop).map_err(refuse)?;
        let shape = FunctionShape::new(module, request.function).map_err(refuse)?;
        if self.options.locals == Locals::AsValues {
            let locals = LoopLocals::new(module, request.function, limits).map_err(refuse)?;
            workspace.scratch.loop_locals = locals;
        }
        let mut emitter = ClifEmitter::new(
            &mut workspace.context.func,
            &mut workspace.scratch,
            &self.unit,
            &shape,
            request.function,
            request.entry,
            self.options,
        );
        // A single copy would do for the baseline: an optimizing tier needs the chain, so the tests that
        // force OSR entries go through it.
        let mode = match self.options.locals {
            Locals::InCells => Mode {
                limits,
                stop,
                ..Mode::from(request.entry)
            },
            Locals::AsValues => Mode {
                entry: request.entry,
                max_chain_bytes: MAX_CHAIN_BYTES,
                polls_in_entries: true,
                limits,
                stop,
            },
        };
        translate(module, request.function, &mut emitter, mode).map_err(refuse)?;
        Ok(emitter.finish())
    }

    /// How calls and their work are counted, if they are.
    fn entry(&self, finished: Finished, request: CompileRequest) -> Entry {
        let CompileRequest { function, entry } = request;
        let offsets = &self.unit.offsets;
        Entry {
            check: finished.entry_work.map(|work| EntryCheck {
                function,
                budget: offsets.budget(function),
                work,
            }),
            call_count: match entry {
                EntryPoint::Function => offsets.call_count(function),
                // Its frame was called already.
                EntryPoint::Loop(_) => None,
            },
        }
    }

    /// Runs Cranelift on the context's function.
    fn generate<'w>(
        &self,
        workspace: &'w mut Workspace,
        request: CompileRequest,
    ) -> Result<&'w CompiledCode, CompileError> {
        let compile = |workspace: &'w mut Workspace| {
            let Workspace {
                context,
                control,
                registers,
                code,
                ..
            } = workspace;
            if self.options.locals == Locals::AsValues {
                context.optimize(&*self.isa, control)?;
            } else {
                context.verify_if(&*self.isa)?;
                context.compute_cfg();
                context.compute_domtree();
                context.eliminate_unreachable_code(&*self.isa)?;
                // The other steps of `Context::compile` are of no use here: there are no aliases of values to
                // resolve, and too few parameters of blocks that are always the same to look for them.
            }
            let stencil = self.isa.compile_function(
                &context.func,
                &context.domtree,
                registers,
                context.want_disasm,
                control,
            )?;
            Ok(&*code.insert(stencil.apply_params(&context.func.params)))
        };
        compile(workspace)
            .map_err(|error: CodegenError| self.codegen_error(request, describe(&error)))
    }

    fn install(
        &self,
        code: &CompiledCode,
        finished: Finished,
        request: CompileRequest,
    ) -> Result<Arc<InstalledCode>, CompileError> {
        if let Some(relocation) = code.buffer.relocs().first() {
            let message = format!("the code refers to a symbol: {relocation:?}");
            return Err(self.codegen_error(request, message));
        }
        let function = self.unit.module.function_index(request.function);
        let out_of_memory = |source| CompileError::CodeMemory { function, source };
        if code.buffer.alignment > FUNCTION_ALIGNMENT {
            let message = format!("the code wants an alignment of {}", code.buffer.alignment);
            return Err(self.codegen_error(request, message));
        }
        let entry = self.entry(finished, request);
        let bytes = entry.around(code.code_buffer());
        let placed = self.placement.place(&bytes, FUNCTION_ALIGNMENT);
        let address = placed.map_err(|error| match error {
            PlaceError::Memory(source) => out_of_memory(source),
            PlaceError::Refused(error) => self.codegen_error(request, error.to_string()),
        })?;
        // Cranelift's own offsets are 32 bits wide.
        let (body, len) = (to_u32(entry.size()), to_u32(bytes.len()));
        let traps = self.traps(code, body, request)?;
        let (loop_entry, entry_stack) = match request.entry {
            EntryPoint::Function => (None, 0),
            EntryPoint::Loop(number) => {
                let layout = code.buffer.frame_layout();
                let frame = layout.map_or(0, |layout| layout.frame_to_fp_offset);
                (Some(number), to_usize(frame))
            }
        };
        let installed = InstalledCode {
            address,
            len: bytes.len(),
            function,
            loop_entry,
            entry_stack,
            tier: self.tier,
            traps,
            offsets: offsets(code, body, len, finished.first_offset),
            inlined: None,
        };
        self.unit.code.install(installed).map_err(out_of_memory)
    }

    fn traps(
        &self,
        code: &CompiledCode,
        body: u32,
        request: CompileRequest,
    ) -> Result<Box<[TrapSite]>, CompileError> {
        let mut traps = Vec::with_capacity(code.buffer.traps().len());
        for trap in code.buffer.traps() {
            let wasm = wasm_trap(trap.code).ok_or_else(|| {
                self.codegen_error(
                    request,
                    format!("the code has an unknown trap: {}", trap.code),
                )
            })?;
            traps.push(TrapSite {
                code: body + trap.offset,
                trap: wasm,
            });
        }
        traps.sort_unstable_by_key(|site| site.code);
        Ok(traps.into())
    }

    #[cold]
    fn codegen_error(&self, request: CompileRequest, message: String) -> CompileError {
        CompileError::Codegen {
            tier: self.tier,
            function: self.unit.module.function_index(request.function),
            message,
        }
    }
}

impl ModuleCompiler for CraneliftCompiler {
    fn compile(&self, request: CompileRequest) -> Result<Compiled, CompileError> {
        self.compile_until(request, Stop::NEVER, &mut |_| ())
    }

    fn compile_until(
        &self,
        request: CompileRequest,
        stop: Stop<'_>,
        tell: &mut dyn FnMut(&[DirectCall]),
    ) -> Result<Compiled, CompileError> {
        let code = self.with_workspace(request, |workspace| {
            let limits = self.options.limits;
            let finished = self.translate(workspace, request, limits, stop)?;
            tell(workspace.scratch.calls.as_slice());
            let code = self.generate(workspace, request)?;
            self.install(code, finished, request)
        })?;
        Ok(Compiled {
            bytes: code.len,
            code,
            inlined: Vec::new(),
        })
    }

    fn emit(&self, request: CompileRequest, form: CodeForm) -> Result<String, CompileError> {
        match form {
            CodeForm::Intermediate => self.emit_clif(request),
            CodeForm::Assembly => self.emit_assembly(request),
        }
    }
}

/// Cranelift's message; of the verifier's complaints, the first.
fn describe(error: &CodegenError) -> String {
    match error {
        CodegenError::Verifier(errors) if !errors.0.is_empty() => errors.0[0].to_string(),
        other => other.to_string(),
    }
}

/// Which trap of WebAssembly a code of Cranelift's stands for.
fn wasm_trap(code: ClifTrap) -> Option<TrapCode> {
    Some(match code {
        ClifTrap::STACK_OVERFLOW => TrapCode::StackOverflow,
        ClifTrap::HEAP_OUT_OF_BOUNDS => TrapCode::MemoryOutOfBounds,
        ClifTrap::INTEGER_OVERFLOW => TrapCode::IntegerOverflow,
        ClifTrap::INTEGER_DIVISION_BY_ZERO => TrapCode::IntegerDivideByZero,
        ClifTrap::BAD_CONVERSION_TO_INTEGER => TrapCode::InvalidConversionToInteger,
        user => return TrapCode::from_u8(user.as_raw().get()),
    })
}

/// From which code offset on instructions belong to which offset in the module. Code without a location of
/// its own, such as the prologue and its trap at the end, goes with the function's first operator; so does
/// the code around the body, which is `body` bytes from the start of `len` bytes.
fn offsets(code: &CompiledCode, body: u32, len: u32, first: SourceLoc) -> Box<[CodeOffset]> {
    let located = || {
        code.buffer
            .get_srclocs_sorted()
            .iter()
            .filter(|l| !l.loc.is_default())
    };
    let mut offsets: Vec<CodeOffset> = Vec::new();
    let mut add = |code: u32, location: SourceLoc| {
        let module = ModuleOffset::new(location.bits());
        if offsets.last().is_none_or(|last| last.module != module) {
            offsets.push(CodeOffset { code, module });
        }
    };
    let mut end = 0;
    for location in located() {
        if body + location.start > end {
            add(end, first);
        }
        add(body + location.start, location.loc);
        end = body + location.end;
    }
    if end < len {
        add(end, first);
    }
    offsets.into()
}
