//! Compiles units, of one function or of several: declares their functions, has the walk fill them, runs LLVM's
//! passes, emits an object in memory and installs it. Threads compile at the same time, each in an LLVM context of
//! its own.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use inkwell::attributes::{Attribute, AttributeLoc};
use inkwell::context::Context;
use inkwell::debug_info::{
    AsDIScope, DICompileUnit, DIFlags, DIFlagsConstants, DISubprogram, DWARFEmissionKind,
    DWARFSourceLanguage, DebugInfoBuilder,
};
use inkwell::module::{FlagBehavior, Linkage, Module as LlvmModule};
use inkwell::passes::PassBuilderOptions;
use inkwell::targets::{FileType, TargetMachine};
use inkwell::values::FunctionValue;
use smallvec::SmallVec;
use upshift_module::DefinedFuncIndex;
use upshift_runtime::fork::LongSection;
use upshift_runtime::{InlinedFrames, InstalledCode, MOST_UNCHECKED_FRAME, has_headroom};
use upshift_translate::{
    BodySummary, CodeForm, CompileError, CompileRequest, Compiled, CostMeasure, Costs, EntryPoint,
    Excess, FunctionShape, LoopLocals, MemoryStyle, Mode, ModuleCompiler, ModuleUnit, Stop,
    translate,
};

use crate::addresses;
use crate::canonicalize;
use crate::chains;
use crate::counters;
use crate::diagnostics::{self, ListenedContext};
use crate::emitter::{LlvmEmitter, Metadata, Shared, Target, Types, flag_attribute};
use crate::endless;
use crate::link::{LinkError, link};
use crate::locations::Locations;
use crate::masked_counters;
use crate::minimums;
use crate::mixed_comparisons;
use crate::nan_selects;
use crate::narrow_products;
use crate::objects;
use crate::pipeline::{INLINING, LIFTING, Pipeline};
use crate::quieting;
use crate::reroll;
use crate::strides;
use crate::tables::Tables;
use crate::target::{self, Processor};
use crate::tier::{NAME, Settings};
use crate::unit::{Callees, Inlining, Knowledge, Member, Plan, Summaries};
use crate::wide_multiply;

/// Compiles functions of one module through LLVM.
pub struct LlvmCompiler {
    settings: Arc<Settings>,
    unit: Arc<ModuleUnit>,
    summaries: Summaries,
    tables: Tables,
}

/// An LLVM module, filled.
struct Built<'ctx> {
    module: LlvmModule<'ctx>,
    /// The names of the members' functions.
    names: Vec<String>,
    /// Their costs together.
    costs: Costs,
    listened: &'ctx ListenedContext,
}

impl LlvmCompiler {
    pub(crate) fn new(settings: Arc<Settings>, unit: Arc<ModuleUnit>) -> Self {
        let summaries = Summaries::new(&unit.module);
        Self {
            settings,
            unit,
            summaries,
            tables: Tables::default(),
        }
    }

    /// Runs `work` on the LLVM module of a plan after all passes. Errors name the function of `request`.
    fn with_optimized<T>(
        &self,
        request: CompileRequest,
        plan: impl FnOnce() -> Result<Plan, CompileError>,
        work: impl FnOnce(&Plan, &Built<'_>, &TargetMachine) -> Result<T, CompileError>,
    ) -> Result<T, CompileError> {
        let run = || {
            let plan = plan()?;
            let inside = LongSection::enter();
            let machine = target::machine(self.processor(&plan))
                .map_err(|message| self.refuse(request, message))?;
            let mut endless = HashSet::new();
            loop {
                let listened = ListenedContext::new();
                let context = listened.context();
                let built = self.build(&listened, &machine, &plan, request)?;
                inside.pause();
                let pass = self.optimize(context, &built, &machine, &plan, &endless, &inside);
                let found = pass.map_err(|message| self.refuse(request, message))?;
                inside.pause();
                if found.is_empty() || !endless.is_empty() {
                    return work(&plan, &built, &machine);
                }
                endless = found;
            }
        };
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
            Err(self.refuse(
                request,
                format!("internal error: {}", panic_message(&*panic)),
            ))
        })
    }

    fn processor(&self, plan: &Plan) -> &Processor {
        self.settings.processor(plan.uses_vectors)
    }

    fn knowledge(&self) -> Knowledge<'_> {
        Knowledge {
            module: &self.unit.module,
            summaries: &self.summaries,
            tables: &self.tables,
            calls: &self.unit.calls,
            options: &self.settings.options,
        }
    }

    fn plan(&self, request: CompileRequest) -> Result<Plan, CompileError> {
        self.check_size(request.function)?;
        Plan::of_one(self.knowledge(), request.function, request.entry)
            .map_err(|error| self.refuse(request, error.to_string()))
    }

    /// The summary of a function that is not too large.
    fn check_size(&self, function: DefinedFuncIndex) -> Result<&BodySummary, CompileError> {
        let summary = self.summaries.get(&self.unit.module, function);
        let summary =
            summary.map_err(|error| self.refuse(start_of(function), error.to_string()))?;
        let limit = self.settings.options.max_function_operators;
        Excess::check(CostMeasure::Operators, summary.operators, limit).map_err(|excess| {
            CompileError::TooLarge {
                tier: NAME,
                function: self.unit.module.function_index(function),
                excess,
            }
        })?;
        Ok(summary)
    }

    /// Compiles functions in one unit.
    fn compile_unit(&self, functions: &[DefinedFuncIndex]) -> Result<Vec<Compiled>, CompileError> {
        let request = start_of(functions[0]);
        let plan = || {
            Plan::of_several(self.knowledge(), functions)
                .map_err(|error| self.refuse(request, error.to_string()))
        };
        self.with_optimized(request, plan, |plan, built, machine| {
            self.install(plan, built, machine, request)
        })
    }

    // From WebAssembly to IR.

    fn build<'ctx>(
        &self,
        listened: &'ctx ListenedContext,
        machine: &TargetMachine,
        plan: &Plan,
        request: CompileRequest,
    ) -> Result<Built<'ctx>, CompileError> {
        let context = listened.context();
        let module = context.create_module("unit");
        module.set_triple(&target::triple());
        module.set_data_layout(&machine.get_target_data().get_data_layout());
        let version = context.i32_type().const_int(3, false);
        module.add_basic_value_flag("Debug Info Version", FlagBehavior::Warning, version);
        let (debug, debug_unit) = debug_info(&module);
        let builder = context.create_builder();
        let shared = Shared {
            context,
            llvm_module: &module,
            builder: &builder,
            debug: &debug,
            types: Types::new(context),
            metadata: Metadata::new(context),
            unit: &self.unit,
            module: &self.unit.module,
            summaries: &self.summaries,
            tables: &self.tables,
            options: &self.settings.options,
        };
        let names: Vec<String> = (0..plan.members.len())
            .map(|member| self.name_of(plan, member))
            .collect();
        let functions: SmallVec<[FunctionValue<'_>; 8]> = plan
            .members
            .iter()
            .zip(&names)
            .enumerate()
            .map(|(place, (member, name))| {
                let is_root = place < plan.roots();
                self.declare(&shared, member, name, is_root, self.processor(plan))
            })
            .collect();
        let mut costs = Costs::default();
        for (place, member) in plan.members.iter().enumerate() {
            let scope = subprogram(&debug, &debug_unit, &names[place]);
            functions[place].set_subprogram(scope);
            let callees = Callees {
                plan,
                functions: &functions,
                member: place,
            };
            let target = Target {
                function: functions[place],
                scope,
                entry: member.entry,
                callees,
                checks_stack: member.makes_calls,
            };
            costs = costs.and(self.fill(&shared, target, member)?);
        }
        debug.finalize();
        drop(builder);
        module
            .verify()
            .map_err(|error| self.refuse(request, format!("invalid IR: {error}")))?;
        Ok(Built {
            module,
            names,
            costs,
            listened,
        })
    }

    fn fill<'u, 'ctx>(
        &'u self,
        shared: &Shared<'u, 'ctx>,
        target: Target<'u, 'ctx>,
        member: &Member,
    ) -> Result<Costs, CompileError> {
        let refuse = |error| CompileError::of_walk(NAME, &error);
        let module = &self.unit.module;
        let limits = self.settings.options.limits;
        // Locals are memory in emitted IR, and become values where control joins.
        let locals = LoopLocals::new(module, member.defined, limits).map_err(refuse)?;
        let shape = FunctionShape::new(module, member.defined).map_err(refuse)?;
        let mut emitter = LlvmEmitter::new(shared, target, &shape, locals.used());
        let mode = Mode {
            entry: member.entry,
            max_chain_bytes: self.settings.options.max_osr_chain_bytes,
            polls_in_entries: false,
            limits,
            stop: Stop::NEVER,
        };
        let costs = translate(module, member.defined, &mut emitter, mode).map_err(refuse)?;
        emitter.finish();
        Ok(Costs {
            nested_locals: locals.nested(),
            ..costs
        })
    }

    /// `f3` for function 3, `f3.loop0` for an entry of it, `f3.copy2` for a copy that comes along.
    fn name_of(&self, plan: &Plan, place: usize) -> String {
        let member = &plan.members[place];
        let function = self.unit.module.function_index(member.defined);
        match member.entry {
            EntryPoint::Loop(number) => format!("f{function}.loop{number}"),
            EntryPoint::Function if place < plan.roots() => format!("f{function}"),
            EntryPoint::Function => format!("f{function}.copy{place}"),
        }
    }

    fn declare<'ctx>(
        &self,
        shared: &Shared<'_, 'ctx>,
        member: &Member,
        name: &str,
        is_root: bool,
        processor: &Processor,
    ) -> FunctionValue<'ctx> {
        let (context, types) = (shared.context, &shared.types);
        let signature = match member.entry {
            EntryPoint::Loop(_) => types.osr_signature(context),
            EntryPoint::Function => {
                let function = shared.module.function_index(member.defined);
                types.signature(context, shared.module.func_type(function))
            }
        };
        let linkage = if is_root {
            Linkage::External
        } else {
            Linkage::Internal
        };
        let function = shared
            .llvm_module
            .add_function(name, signature, Some(linkage));
        if is_root {
            // Calls of it within the unit need no indirection.
            function
                .as_global_value()
                .set_visibility(inkwell::GlobalVisibility::Hidden);
        }
        let inline = match member.inlining {
            Inlining::AsItSeesFit => None,
            Inlining::Hinted => Some("inlinehint"),
            Inlining::Always => Some("alwaysinline"),
        };
        if let Some(inline) = inline {
            function.add_attribute(AttributeLoc::Function, flag_attribute(context, inline));
        }
        function.add_attribute(AttributeLoc::Function, flag_attribute(context, "nounwind"));
        let vector_bits = self.settings.options.vector_bits.to_string();
        for (key, value) in [
            // Else mutual recursion becomes an endless loop that no stack check ends.
            ("disable-tail-calls", "true"),
            // Backtraces walk them.
            ("frame-pointer", "all"),
            // There is no library to call.
            ("no-builtins", ""),
            // A large frame touches the guard page before it is used.
            ("probe-stack", "inline-asm"),
            ("target-cpu", &processor.cpu),
            ("target-features", &processor.features),
            ("tune-cpu", &processor.tune),
            ("prefer-vector-width", &vector_bits),
        ] {
            let attribute = context.create_string_attribute(key, value);
            function.add_attribute(AttributeLoc::Function, attribute);
        }
        match member.entry {
            // The runtime makes room for it.
            EntryPoint::Loop(_) => diagnostics::ask_for_frame_size(context, function),
            EntryPoint::Function => diagnostics::bound_frame(context, function),
        }
        let vmctx = AttributeLoc::Param(0);
        let enum_attribute = |name: &str, value: u64| {
            context.create_enum_attribute(Attribute::get_named_enum_kind_id(name), value)
        };
        let size = u64::from(self.unit.offsets.size());
        function.add_attribute(vmctx, enum_attribute("dereferenceable", size));
        function.add_attribute(vmctx, enum_attribute("align", 16));
        function.add_attribute(vmctx, enum_attribute("nonnull", 0));
        function.add_attribute(vmctx, enum_attribute("noundef", 0));
        function
    }

    // From IR to machine code.

    /// Runs all passes. Returns the functions of whose loops some proved to be without a way out; where those are
    /// `endless`, accesses in loops stay.
    fn optimize(
        &self,
        context: &Context,
        built: &Built<'_>,
        machine: &TargetMachine,
        plan: &Plan,
        endless: &HashSet<String>,
        inside: &LongSection,
    ) -> Result<HashSet<String>, String> {
        let module = &built.module;
        let pipeline = Pipeline::of(plan, built.costs, &self.settings.options);
        let passes = PassBuilderOptions::create();
        passes.set_loop_vectorization(true);
        passes.set_loop_slp_vectorization(true);
        passes.set_loop_interleaving(true);
        passes.set_loop_unrolling(true);
        let run = |pipeline: &str, passes| {
            inside.pause();
            let result = module.run_passes(pipeline, machine, passes);
            result.map_err(|error| format!("the pipeline `{pipeline}` failed: {error}"))
        };
        run(LIFTING, PassBuilderOptions::create())?;
        let unit = &self.unit.settings;
        // Precise accesses stay as they are, and compared addresses are ways out.
        let keeps = !unit.precise_traps && unit.memory != MemoryStyle::Checked;
        if keeps {
            endless::keep(module, context, endless);
        }
        quieting::guard(module);
        run(pipeline.simplification, PassBuilderOptions::create())?;
        if plan.multiplications >= wide_multiply::MULTIPLICATIONS {
            wide_multiply::replace(module, context);
        }
        if plan.members.len() > 1 {
            // Callees write through pointers to parts of their caller's frame, which is best known there.
            run(INLINING, PassBuilderOptions::create())?;
            if keeps {
                endless::keep(module, context, endless);
                endless::keep_in_callees(module, context, endless);
            }
            run(pipeline.preparation, PassBuilderOptions::create())?;
        }
        if keeps {
            endless::keep_stores(module, context);
        }
        let without_exit = keeps.then(|| endless::count(module));
        // The following passes take it for granted that addresses do not wrap around soon behind one that was accessed.
        let has_headroom = self.unit.module.memories.values().all(has_headroom);
        if has_headroom && reroll::roll_up(module, context) {
            run(pipeline.preparation, PassBuilderOptions::create())?;
        }
        counters::start_at_zero(module, context);
        if has_headroom {
            addresses::relate(module, context);
            strides::widen(module, context);
        }
        objects::separate(module, context);
        masked_counters::keep_scalar(module);
        mixed_comparisons::keep_scalar(module);
        if pipeline.is_costly {
            chains::part(module);
        }
        run(pipeline.rest, passes)?;
        mixed_comparisons::release(module);
        objects::join(module);
        minimums::choose(module, context);
        quieting::release(module);
        if canonicalize::widen(module) {
            run("always-inline", PassBuilderOptions::create())?;
        }
        narrow_products::guard(module);
        nan_selects::guard(module);
        let found = without_exit.map(|before| endless::came_up(&before, &endless::count(module)));
        Ok(found.unwrap_or_default())
    }

    /// Puts the code of all members into code memory. Says where the roots' is, in their order.
    fn install(
        &self,
        plan: &Plan,
        built: &Built<'_>,
        machine: &TargetMachine,
        request: CompileRequest,
    ) -> Result<Vec<Compiled>, CompileError> {
        let object = machine
            .write_to_memory_buffer(&built.module, FileType::Object)
            .map_err(|error| self.refuse(request, format!("no object: {error}")))?;
        if let Some(size) = built.listened.too_large_frame() {
            let most = MOST_UNCHECKED_FRAME;
            let message = format!("a frame has {size} bytes of stack, {most} are the most");
            return Err(self.refuse(request, message));
        }
        let out_of_memory = |source| CompileError::CodeMemory {
            function: self.unit.module.function_index(request.function),
            source,
        };
        let linked = link(object.as_slice(), &self.unit.code).map_err(|error| match error {
            LinkError::Memory(source) => out_of_memory(source),
            other => self.refuse(request, other.to_string()),
        })?;
        let frames: Arc<dyn InlinedFrames> = Arc::new(Locations::new(&linked));
        let places: HashMap<&str, usize> =
            built.names.iter().map(String::as_str).zip(0..).collect();
        let mut installed = vec![None; plan.roots()];
        for function in &linked.functions {
            let place = places.get(function.name.as_str()).copied();
            let member = &plan.members[place.unwrap_or(0)];
            let (loop_entry, entry_stack) = match member.entry {
                EntryPoint::Function => (None, 0),
                EntryPoint::Loop(number) => (Some(number), built.listened.frame_size()),
            };
            let code = InstalledCode {
                address: function.address,
                len: function.len,
                function: self.unit.module.function_index(member.defined),
                loop_entry,
                entry_stack,
                tier: NAME,
                traps: Box::default(),
                offsets: Box::default(),
                inlined: Some(Arc::clone(&frames)),
            };
            let code = self.unit.code.install(code).map_err(out_of_memory)?;
            if let Some(root) = place.and_then(|place| installed.get_mut(place)) {
                *root = Some(code);
            }
        }
        let of_roots: usize = installed.iter().flatten().map(|code| code.len).sum();
        // Copies that came along, and constants: shared, and put down to the first.
        let mut shared = linked.allocation.size.saturating_sub(of_roots);
        let mut compiled = Vec::with_capacity(installed.len());
        for (root, code) in installed.into_iter().enumerate() {
            let code = code.ok_or_else(|| {
                let missing = LinkError::NoSuchFunction(built.names[root].clone());
                self.refuse(request, missing.to_string())
            })?;
            let along = plan.along[root].iter();
            let module = &self.unit.module;
            compiled.push(Compiled {
                bytes: code.len + mem::take(&mut shared),
                inlined: along.map(|&it| module.function_index(it)).collect(),
                code,
            });
        }
        Ok(compiled)
    }

    #[cold]
    fn refuse(&self, request: CompileRequest, message: String) -> CompileError {
        CompileError::Codegen {
            tier: NAME,
            function: self.unit.module.function_index(request.function),
            message,
        }
    }
}

impl ModuleCompiler for LlvmCompiler {
    fn compile(&self, request: CompileRequest) -> Result<Compiled, CompileError> {
        let compiled = self.with_optimized(
            request,
            || self.plan(request),
            |plan, built, machine| self.install(plan, built, machine, request),
        )?;
        let first = compiled.into_iter().next();
        first.ok_or_else(|| self.refuse(request, "the unit is empty".to_owned()))
    }

    fn compile_together(
        &self,
        functions: &[DefinedFuncIndex],
    ) -> Vec<Result<Compiled, CompileError>> {
        let mut results: Vec<_> = functions.iter().map(|_| None).collect();
        // Those with vectors are compiled for another processor.
        let mut groups = [Vec::new(), Vec::new()];
        for (place, &function) in functions.iter().enumerate() {
            match self.check_size(function) {
                Ok(summary) => groups[usize::from(summary.uses_vectors)].push(place),
                Err(error) => results[place] = Some(Err(error)),
            }
        }
        for group in groups.iter().filter(|group| group.len() > 1) {
            let members: Vec<_> = group.iter().map(|&place| functions[place]).collect();
            // If there is an error, single units find out which function has it.
            let Ok(compiled) = self.compile_unit(&members) else {
                continue;
            };
            for (&place, compiled) in group.iter().zip(compiled) {
                results[place] = Some(Ok(compiled));
            }
        }
        let on_its_own = |(result, &function): (Option<_>, &DefinedFuncIndex)| {
            result.unwrap_or_else(|| self.compile(start_of(function)))
        };
        results.into_iter().zip(functions).map(on_its_own).collect()
    }

    fn emit(&self, request: CompileRequest, form: CodeForm) -> Result<String, CompileError> {
        let plan = || self.plan(request);
        self.with_optimized(request, plan, |_, built, machine| match form {
            CodeForm::Intermediate => Ok(built.module.print_to_string().to_string()),
            CodeForm::Assembly => {
                let text = machine
                    .write_to_memory_buffer(&built.module, FileType::Assembly)
                    .map_err(|error| self.refuse(request, format!("no assembly: {error}")))?;
                Ok(String::from_utf8_lossy(text.as_slice()).into_owned())
            }
        })
    }
}

fn start_of(function: DefinedFuncIndex) -> CompileRequest {
    CompileRequest {
        function,
        entry: EntryPoint::Function,
    }
}

// Debug information: one file, whose lines are the module's bytes.

fn debug_info<'ctx>(module: &LlvmModule<'ctx>) -> (DebugInfoBuilder<'ctx>, DICompileUnit<'ctx>) {
    module.create_debug_info_builder(
        true,
        DWARFSourceLanguage::C,
        "module.wasm",
        "",
        "upshift",
        true,
        "",
        0,
        "",
        DWARFEmissionKind::LineTablesOnly,
        0,
        true,
        false,
        "",
        "",
    )
}

fn subprogram<'ctx>(
    debug: &DebugInfoBuilder<'ctx>,
    unit: &DICompileUnit<'ctx>,
    name: &str,
) -> DISubprogram<'ctx> {
    let file = unit.get_file();
    let ty = debug.create_subroutine_type(file, None, &[], DIFlags::PUBLIC);
    debug.create_function(
        unit.as_debug_info_scope(),
        name,
        None,
        file,
        0,
        ty,
        true,
        true,
        0,
        DIFlags::PUBLIC,
        true,
    )
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}
