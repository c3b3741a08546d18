//! Modules: validated, and compiled function by function when called.

use std::path::Path;
use std::sync::Arc;

use upshift_module::{Entity, FuncIndex, LoopIndex, ResourcesRequired};
use upshift_runtime::ModuleRuntime;
use upshift_tiering::{
    CallSiteStats, EntryPoint, FunctionStats, FunctionTier, ModuleTiering, TierMode, TierStats,
};
use upshift_translate::{self as translate, CodeForm, CompileRequest};

use crate::error::ErrorKind;
use crate::{Engine, Error, ExportType, ExternType, FuncType, ImportType, MemoryType, Result};

/// A validated module, ready to be instantiated.
///
/// Cloning it is cheap. Threads share it, and with it the code of functions that have been called.
///
/// ```
/// use upshift::{Engine, ExternType, Module};
///
/// # fn main() -> upshift::Result<()> {
/// let engine = Engine::default();
/// let module = Module::new(
///     &engine,
///     r#"(module $shop
///          (import "env" "log" (func (param i32)))
///          (memory (export "memory") 1)
///          (func (export "price") (param i32) (result i64) (i64.const 3)))"#,
/// )?;
/// assert_eq!(module.name(), Some("shop"));
///
/// let import = module.imports().next().unwrap();
/// assert_eq!((import.module(), import.name()), ("env", "log"));
/// let exports: Vec<_> = module.exports().map(|export| export.name()).collect();
/// assert_eq!(exports, ["memory", "price"]);
/// let Some(ExternType::Func(price)) = module.get_export("price") else { panic!() };
/// assert_eq!(price.to_string(), "(i32) -> (i64)");
///
/// // Errors say where.
/// let error = Module::validate(&engine, b"\0asm\x01\0\0\0\x03\x02\x01\x09").unwrap_err();
/// assert!(error.to_string().contains("offset"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Module(Arc<Inner>);

struct Inner {
    engine: Engine,
    runtime: Arc<ModuleRuntime>,
    tiering: Arc<ModuleTiering>,
}

impl Module {
    /// Validates a module, in the binary or the text format, on all processors if it is large. Compiles
    /// nothing, unless [`Config::eager`](crate::Config::eager) says so; and see
    /// [`Config::lazy_validation`](crate::Config::lazy_validation).
    ///
    /// # Errors
    /// When the bytes are not a module that the engine allows; says where, down to the byte.
    pub fn new(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<Self> {
        Self::read(engine, None, bytes.as_ref().to_vec())
    }

    /// The same from a file.
    ///
    /// # Errors
    /// When the file can't be read, or as for [`new`](Self::new).
    pub fn from_file(engine: &Engine, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = crate::file::read_file(path).map_err(|source| {
            Error::from_kind(ErrorKind::File {
                path: path.to_owned(),
                source,
            })
        })?;
        Self::read(engine, Some(path), bytes)
    }

    /// The same as [`new`](Self::new), but the bytes become the module's: for large modules, of which there
    /// need not be a second copy.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn from_vec(engine: &Engine, bytes: Vec<u8>) -> Result<Self> {
        Self::read(engine, None, bytes)
    }

    /// The same of a binary that is known to be one: text is refused.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn from_binary(engine: &Engine, binary: &[u8]) -> Result<Self> {
        let config = engine.config();
        let module = upshift_module::Module::parse_owned_binary(
            binary.to_vec(),
            &config.features,
            config.validation(),
        )?;
        Self::from_parsed(engine, module)
    }

    /// Tells whether these bytes are a valid module that the engine allows, and if not, why. Always validates
    /// all of them.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn validate(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<()> {
        Ok(upshift_module::Module::validate(
            bytes.as_ref(),
            &engine.config().features,
        )?)
    }

    fn read(engine: &Engine, path: Option<&Path>, bytes: Vec<u8>) -> Result<Self> {
        let config = engine.config();
        let module = upshift_module::Module::parse_owned(
            path,
            bytes,
            &config.features,
            config.validation(),
        )?;
        Self::from_parsed(engine, module)
    }

    fn from_parsed(engine: &Engine, module: upshift_module::Module) -> Result<Self> {
        let module = Arc::new(module);
        let tiering = engine
            .tiering()
            .module(Arc::clone(&module), engine.codegen_settings())
            .map_err(|error| Error::resource(format_args!("no memory for code: {error}")))?;
        let code = Arc::clone(&tiering.unit().code);
        let offsets = tiering.unit().offsets.clone();
        let hooks = Arc::clone(&tiering) as Arc<_>;
        let runtime = ModuleRuntime::new(module, offsets, code, engine.types(), hooks);
        let inner = Inner {
            engine: engine.clone(),
            runtime: Arc::new(runtime),
            tiering,
        };
        let module = Self(Arc::new(inner));
        if engine.config().eager || engine.config().tier_mode() == TierMode::Optimizing {
            module.compile_all()?;
        }
        Ok(module)
    }

    /// Bytes of code memory that it holds: pages, which
    /// [`code_bytes`](crate::TierStats::code_bytes) do not fill. See
    /// [`Config::max_module_code_memory`](crate::Config::max_module_code_memory).
    #[must_use]
    pub fn code_memory(&self) -> usize {
        self.runtime().code.mapped_bytes()
    }

    /// Compiles, on all processors, every function that has not been called yet.
    ///
    /// # Errors
    /// When a function can't be compiled, or is invalid and was not validated before; says which.
    pub fn compile_all(&self) -> Result<()> {
        self.0
            .tiering
            .compile_all()
            .map_err(|error| Error::compile(error.into()))
    }

    /// The engine that it was made with.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// The name that its name section gives it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.parsed().names.module()
    }

    /// Its memories, imported ones first.
    pub fn memories(&self) -> impl ExactSizeIterator<Item = MemoryType> {
        self.parsed().memories.values().map(|&ty| MemoryType(ty))
    }

    /// Its imports, in its order.
    pub fn imports(&self) -> impl ExactSizeIterator<Item = ImportType<'_>> {
        self.parsed().imports.iter().map(|import| {
            ImportType::new(
                &import.module,
                &import.name,
                self.entity_type(import.entity),
            )
        })
    }

    /// Its exports, in its order.
    pub fn exports(&self) -> impl ExactSizeIterator<Item = ExportType<'_>> {
        self.parsed()
            .exports
            .iter()
            .map(|export| ExportType::new(&export.name, self.entity_type(export.entity)))
    }

    /// The type of the export of this name.
    #[must_use]
    pub fn get_export(&self, name: &str) -> Option<ExternType> {
        Some(self.entity_type(self.parsed().export(name)?.entity))
    }

    /// The contents of all custom sections of this name.
    ///
    /// ```
    /// # fn main() -> upshift::Result<()> {
    /// let engine = upshift::Engine::default();
    /// let module = upshift::Module::new(&engine, r#"(module (@custom "note" "hello"))"#)?;
    /// assert!(module.custom_sections("note").eq([b"hello"]));
    /// assert_eq!(module.custom_section_names().collect::<Vec<_>>(), ["note"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn custom_sections<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.parsed().custom_sections_named(name)
    }

    /// The names of all custom sections, in the module's order.
    pub fn custom_section_names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.parsed()
            .custom_sections
            .iter()
            .map(|section| section.name.as_ref())
    }

    /// The functions that the module defines, imports not included.
    ///
    /// ```
    /// # fn main() -> upshift::Result<()> {
    /// let engine = upshift::Engine::default();
    /// let module = upshift::Module::new(
    ///     &engine,
    ///     r#"(module (import "" "" (func)) (func $f (param i32)))"#,
    /// )?;
    /// let f = module.functions().next().unwrap();
    /// assert_eq!((f.index(), f.name()), (1, Some("f")));
    /// assert_eq!(f.code_size(), 2); // no locals; `end`
    /// # Ok(())
    /// # }
    /// ```
    pub fn functions(&self) -> impl ExactSizeIterator<Item = FunctionInfo<'_>> {
        let module = self.parsed();
        module.bodies.keys().map(|defined| FunctionInfo {
            module,
            index: module.function_index(defined),
            code_size: module.code_size(defined),
        })
    }

    /// The name of the function of this index, imports first, by the name section, an export or else an import.
    ///
    /// ```
    /// # fn main() -> upshift::Result<()> {
    /// let engine = upshift::Engine::default();
    /// let text = r#"(module (import "env" "log" (func)) (func $f) (func))"#;
    /// let module = upshift::Module::new(&engine, text)?;
    /// assert_eq!([0, 1, 2, 3].map(|index| module.function_name(index)), [Some("log"), Some("f"), None, None]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn function_name(&self, index: u32) -> Option<&str> {
        self.parsed().function_name(FuncIndex::of_number(index)?)
    }

    /// The module's binary; for a module in the text format, its translation.
    #[must_use]
    pub fn binary(&self) -> &[u8] {
        &self.parsed().bytes
    }

    /// The parts of its store that each instance takes before any code of the module runs. Tells in advance whether a store's
    /// [limits](crate::Store::limits) let it be instantiated.
    ///
    /// ```
    /// use upshift::{Engine, Module};
    ///
    /// # fn main() -> upshift::Result<()> {
    /// let module = Module::new(&Engine::default(), "(module (memory 2 4) (table 10 funcref))")?;
    /// let required = module.resources_required();
    /// assert_eq!((required.memories, required.memory_bytes), (1, 2 << 16));
    /// assert_eq!(required.max_memory_bytes, Some(4 << 16));
    /// assert_eq!((required.table_elements, required.max_table_elements), (10, None));
    /// assert_eq!(required.total_bytes(), (2 << 16) + 80);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn resources_required(&self) -> ResourcesRequired {
        self.parsed().resources_required()
    }

    /// The compiles until now, by tier, and how long they took.
    #[must_use]
    pub fn tier_stats(&self) -> TierStats {
        let calls = self.runtime().call_counts();
        let mut stats = self.0.tiering.stats();
        stats.calls = calls.map(|calls| calls.values().sum());
        stats
    }

    /// The same for each function that the module defines.
    pub fn function_stats(&self) -> impl ExactSizeIterator<Item = FunctionStats> {
        let calls = self.runtime().call_counts();
        let functions = self.parsed().bodies.keys();
        let functions = functions.zip(self.0.tiering.function_stats());
        functions.map(move |(defined, mut stats)| {
            stats.calls = calls.as_ref().map(|calls| calls[defined]);
            stats
        })
    }

    /// Samples of the module's calls through tables while their functions were in the baseline: the
    /// optimizing tier's guesses rest on them. In the order of the module's bytes.
    #[must_use]
    pub fn call_site_stats(&self) -> Vec<CallSiteStats> {
        self.0.tiering.call_site_stats()
    }

    /// A tier's code for a function, as text for people: its intermediate language or machine code,
    /// entered at the function's start or at a loop. Nothing is installed.
    ///
    /// [`FunctionTier::Optimizing`] asks the LLVM tier and [`FunctionTier::Middle`] the middle tier, where there is one;
    /// everything else asks the baseline.
    ///
    /// ```
    /// use upshift::{CodeForm, Engine, EntryPoint, FunctionTier, Module};
    ///
    /// # fn main() -> upshift::Result<()> {
    /// let text = "(module (func (param i32 i32) (result i32) (i32.mul (local.get 0) (local.get 1))))";
    /// let module = Module::new(&Engine::default(), text)?;
    /// let entry = EntryPoint::Function;
    /// let assembly = module.emit(0, FunctionTier::Baseline, entry, CodeForm::Assembly)?;
    /// assert!(assembly.contains("imul"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the module does not define function `function` (imports first), or the tier can't compile it.
    pub fn emit(
        &self,
        function: u32,
        tier: FunctionTier,
        entry: EntryPoint,
        form: CodeForm,
    ) -> Result<String> {
        let module = self.parsed();
        let defined = FuncIndex::of_number(function)
            .and_then(|function| module.defined_function(function))
            .filter(|&defined| module.bodies.is_valid(defined));
        let missing = |what: String| Error::compile(format!("the module defines no {what}").into());
        let entry = match entry {
            EntryPoint::Function => translate::EntryPoint::Function,
            EntryPoint::Loop(number) => translate::EntryPoint::Loop(
                LoopIndex::of_number(number).ok_or_else(|| missing(format!("loop {number}")))?,
            ),
        };
        let request = CompileRequest {
            function: defined.ok_or_else(|| missing(format!("function {function}")))?,
            entry,
        };
        self.0
            .tiering
            .emit(tier, request, form)
            .map_err(|error| Error::compile(error.into()))
    }

    fn entity_type(&self, entity: Entity) -> ExternType {
        ExternType::from_raw(self.parsed().entity_type(entity))
    }

    pub(crate) fn parsed(&self) -> &Arc<upshift_module::Module> {
        &self.0.runtime.module
    }

    pub(crate) fn runtime(&self) -> &Arc<ModuleRuntime> {
        &self.0.runtime
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

/// A function that a module defines.
#[derive(Clone, Copy)]
pub struct FunctionInfo<'module> {
    module: &'module upshift_module::Module,
    index: FuncIndex,
    code_size: usize,
}

impl<'module> FunctionInfo<'module> {
    /// Its index, imports first.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index.as_u32()
    }

    /// The name that the name section gives it, or, failing that, an export's.
    #[must_use]
    pub fn name(&self) -> Option<&'module str> {
        self.module.function_name(self.index)
    }

    /// Its type.
    #[must_use]
    pub fn ty(&self) -> FuncType {
        FuncType(self.module.func_type(self.index).clone())
    }

    /// Bytes of its body in the binary: locals and code.
    #[must_use]
    pub fn code_size(&self) -> usize {
        self.code_size
    }
}

impl std::fmt::Debug for FunctionInfo<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FunctionInfo")
            .field("index", &self.index())
            .field("name", &self.name())
            .field("code_size", &self.code_size)
            .finish()
    }
}
