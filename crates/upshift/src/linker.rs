//! Linkers: definitions by name, for the imports of modules.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::error::LinkProblem;
use crate::func::HostFunc;
use crate::store::StoreOpaque;
use crate::types::check_size;
use crate::{
    AsContext, AsContextMut, Caller, Engine, Error, Extern, Func, FuncType, ImportType, Instance,
    IntoFunc, Module, Result, StoreContextMut, Val,
};

/// Definitions for imports, by module name and name.
///
/// Host functions that it defines belong to no store: one linker serves many, on many threads, and each
/// store gets its own copy when it first needs one. Objects that it defines work with their own store only.
///
/// ```
/// use upshift::{Caller, Engine, Linker, Module, Store};
///
/// # fn main() -> upshift::Result<()> {
/// let engine = Engine::default();
/// let mut linker = Linker::new(&engine);
/// linker
///     .func_wrap("math", "add", |a: i32, b: i32| a + b)?
///     .func_wrap("env", "count", |mut caller: Caller<'_, u32>| {
///         *caller.data_mut() += 1;
///     })?;
///
/// // An instance defines everything that it exports.
/// let mut store = Store::new(&engine, 0);
/// let library = Module::new(
///     &engine,
///     r#"(module
///          (import "math" "add" (func $add (param i32 i32) (result i32)))
///          (func (export "twice") (param i32) (result i32)
///            (call $add (local.get 0) (local.get 0))))"#,
/// )?;
/// let library = linker.instantiate(&mut store, &library)?;
/// linker.instance(&mut store, "library", library)?;
///
/// let program = Module::new(
///     &engine,
///     r#"(module
///          (import "library" "twice" (func $twice (param i32) (result i32)))
///          (import "env" "count" (func $count))
///          (func (export "run") (result i32) (call $count) (call $twice (i32.const 21))))"#,
/// )?;
/// let program = linker.instantiate(&mut store, &program)?;
/// let run = program.get_typed_func::<(), i32>(&mut store, "run")?;
/// assert_eq!(run.call(&mut store, ())?, 42);
/// assert_eq!(*store.data(), 1);
///
/// // Missing imports are listed, all of them, with the types that are wanted.
/// let wants = Module::new(
///     &engine,
///     r#"(module (import "a" "b" (func (param f32))) (import "math" "add" (memory 1)))"#,
/// )?;
/// assert_eq!(
///     linker.instantiate(&mut store, &wants).unwrap_err().to_string(),
///     "2 imports do not fit:\n  \
///      unknown import `a::b`: wanted function (f32) -> (), but nothing of that name is defined\n  \
///      incompatible import type for `math::add`: wanted (memory 1), \
///      given function (i32, i32) -> (i32)"
/// );
/// # Ok(())
/// # }
/// ```
pub struct Linker<T: 'static> {
    engine: Engine,
    /// By module name, then name.
    definitions: HashMap<Box<str>, HashMap<Box<str>, Definition>>,
    allow_shadowing: bool,
    /// Host functions take callers of `T`; the linker itself has none.
    data: PhantomData<fn(T)>,
}

#[derive(Clone)]
enum Definition {
    /// An object of some store.
    Extern(Extern),
    /// A host function, for any store of the linker's data type.
    HostFunc(Arc<HostFunc>),
}

impl Definition {
    /// The object in this store.
    fn get(&self, store: &mut StoreOpaque) -> Extern {
        match self {
            Self::Extern(item) => *item,
            Self::HostFunc(func) => {
                let raw = store.host_func(func);
                // SAFETY: the function has been made in this store.
                Extern::Func(unsafe { Func::from_raw(raw, store.core.id) })
            }
        }
    }
}

impl<T: 'static> Linker<T> {
    /// A linker without definitions.
    #[must_use]
    pub fn new(engine: &Engine) -> Self {
        Self {
            engine: engine.clone(),
            definitions: HashMap::new(),
            allow_shadowing: false,
            data: PhantomData,
        }
    }

    /// The engine whose modules and stores it works with.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether a name may be defined again; the later definition wins then. By default it is an error.
    pub fn allow_shadowing(&mut self, allow: bool) -> &mut Self {
        self.allow_shadowing = allow;
        self
    }

    /// Defines a host function from a closure over Rust types: see [`IntoFunc`].
    ///
    /// # Errors
    /// When the name is taken.
    pub fn func_wrap<Params, Results>(
        &mut self,
        module: &str,
        name: &str,
        func: impl IntoFunc<T, Params, Results>,
    ) -> Result<&mut Self> {
        let func = func.into_host_func().into_inner();
        self.insert(module, name, Definition::HostFunc(Arc::new(func)))
    }

    /// Defines a host function whose type is known at run time only: see [`Func::new`].
    ///
    /// # Errors
    /// When the name is taken, or the type has more parameters or results than a module's function may have.
    pub fn func_new(
        &mut self,
        module: &str,
        name: &str,
        ty: FuncType,
        func: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Result<&mut Self> {
        check_size(&ty.0)?;
        self.insert(
            module,
            name,
            Definition::HostFunc(Arc::new(HostFunc::dynamic(ty, func))),
        )
    }

    /// Defines an object of a store.
    ///
    /// # Errors
    /// When the name is taken, or the object belongs to another store.
    pub fn define(
        &mut self,
        store: impl AsContext<Data = T>,
        module: &str,
        name: &str,
        item: impl Into<Extern>,
    ) -> Result<&mut Self> {
        let item = item.into();
        item.check(store.as_context().0.opaque.core.id)?;
        self.insert(module, name, Definition::Extern(item))
    }

    /// Defines everything that an instance exports.
    ///
    /// # Errors
    /// When a name is taken (nothing is defined then), or the instance belongs to another store.
    pub fn instance(
        &mut self,
        mut store: impl AsContextMut<Data = T>,
        module: &str,
        instance: Instance,
    ) -> Result<&mut Self> {
        let mut store = store.as_context_mut();
        instance.check(store.0.opaque.core.id)?;
        let taken = self
            .definitions
            .get(module)
            .filter(|_| !self.allow_shadowing);
        let mut added = Vec::new();
        for export in instance.exports(&mut store) {
            if taken.is_some_and(|taken| taken.contains_key(export.name())) {
                return Err(duplicate(module, export.name()));
            }
            added.push((
                Box::from(export.name()),
                Definition::Extern(export.into_extern()),
            ));
        }
        self.definitions
            .entry(module.into())
            .or_default()
            .extend(added);
        Ok(self)
    }

    /// Instantiates a module and defines everything that it exports.
    ///
    /// # Errors
    /// As for [`instantiate`](Self::instantiate) and [`instance`](Self::instance).
    pub fn module(
        &mut self,
        mut store: impl AsContextMut<Data = T>,
        module_name: &str,
        module: &Module,
    ) -> Result<&mut Self> {
        let instance = self.instantiate(&mut store, module)?;
        self.instance(store, module_name, instance)
    }

    /// Gives a definition a second name.
    ///
    /// # Errors
    /// When there is no such definition, or the new name is taken.
    pub fn alias(
        &mut self,
        module: &str,
        name: &str,
        as_module: &str,
        as_name: &str,
    ) -> Result<&mut Self> {
        let Some(definition) = self.find(module, name).cloned() else {
            let (module, name) = (module.to_owned(), name.to_owned());
            return Err(Error::link(vec![LinkProblem::Undefined { module, name }]));
        };
        self.insert(as_module, as_name, definition)
    }

    /// The definition of a name in this store.
    #[must_use]
    pub fn get(
        &self,
        mut store: impl AsContextMut<Data = T>,
        module: &str,
        name: &str,
    ) -> Option<Extern> {
        Some(
            self.find(module, name)?
                .get(&mut store.as_context_mut().0.opaque),
        )
    }

    /// The definition of an import in this store. Its type may be another than the import's.
    #[must_use]
    pub fn get_by_import(
        &self,
        store: impl AsContextMut<Data = T>,
        import: &ImportType<'_>,
    ) -> Option<Extern> {
        self.get(store, import.module(), import.name())
    }

    /// All definitions: module name, name, and the object in this store; in no particular order.
    pub fn iter<'a>(
        &'a self,
        store: impl Into<StoreContextMut<'a, T>>,
    ) -> impl Iterator<Item = (&'a str, &'a str, Extern)> {
        let opaque = &mut store.into().0.opaque;
        self.definitions
            .iter()
            .flat_map(|(module, names)| {
                names
                    .iter()
                    .map(move |(name, item)| (&**module, &**name, item))
            })
            .map(|(module, name, item)| (module, name, item.get(opaque)))
    }

    /// Instantiates a module, with the definitions of the names that it imports.
    ///
    /// # Errors
    /// When imports are not defined, or with other types: all of them are listed. And as for
    /// [`Instance::new`].
    pub fn instantiate(
        &self,
        mut store: impl AsContextMut<Data = T>,
        module: &Module,
    ) -> Result<Instance> {
        let store = store.as_context_mut();
        self.engine.check("linker", &store.0.opaque.engine)?;
        module.engine().check("module", &self.engine)?;
        let wanted = &module.parsed().imports;
        let mut imports = Vec::with_capacity(wanted.len());
        for import in wanted {
            let Some(definition) = self.find(&import.module, &import.name) else {
                return Err(self.link_error(store, module));
            };
            imports.push(definition.get(&mut store.0.opaque));
        }
        Instance::new(store, module, &imports)
    }

    /// Finds a module's imports once, for many instantiations in any store.
    ///
    /// ```
    /// use upshift::{Engine, Linker, Module, Store};
    ///
    /// # fn main() -> upshift::Result<()> {
    /// let engine = Engine::default();
    /// let mut linker = Linker::new(&engine);
    /// linker.func_wrap("env", "id", || 7)?;
    /// let module = Module::new(
    ///     &engine,
    ///     r#"(module (import "env" "id" (func (result i32))) (export "id" (func 0)))"#,
    /// )?;
    /// let ready = linker.instantiate_pre(&module)?;
    /// for _request in 0..3 {
    ///     let mut store = Store::new(&engine, ());
    ///     let instance = ready.instantiate(&mut store)?;
    ///     let id = instance.get_typed_func::<(), i32>(&mut store, "id")?;
    ///     assert_eq!(id.call(&mut store, ())?, 7);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When imports are not defined: all of them are listed. Types are compared when there is a store.
    pub fn instantiate_pre(&self, module: &Module) -> Result<InstancePre<T>> {
        module.engine().check("module", &self.engine)?;
        let (mut imports, mut problems) = (Vec::new(), Vec::new());
        for import in module.imports() {
            let (module, name) = (import.module(), import.name());
            match self.find(module, name) {
                Some(definition) => imports.push(definition.clone()),
                None => problems.push(LinkProblem::Unknown {
                    module: module.to_owned(),
                    name: name.to_owned(),
                    wanted: import.ty(),
                }),
            }
        }
        if !problems.is_empty() {
            return Err(Error::link(problems));
        }
        Ok(InstancePre {
            module: module.clone(),
            imports: imports.into(),
            data: PhantomData,
        })
    }

    fn find(&self, module: &str, name: &str) -> Option<&Definition> {
        self.definitions.get(module)?.get(name)
    }

    fn insert(&mut self, module: &str, name: &str, definition: Definition) -> Result<&mut Self> {
        if !self.allow_shadowing && self.find(module, name).is_some() {
            return Err(duplicate(module, name));
        }
        self.definitions
            .entry(module.into())
            .or_default()
            .insert(name.into(), definition);
        Ok(self)
    }

    /// Every import that is not defined, or not as wanted. At least one is not defined.
    #[cold]
    fn link_error(&self, store: StoreContextMut<'_, T>, module: &Module) -> Error {
        let id = store.0.opaque.core.id;
        let mut problems = Vec::new();
        for import in module.imports() {
            let names = || (import.module().to_owned(), import.name().to_owned());
            let given = match self.find(import.module(), import.name()) {
                None => {
                    let ((module, name), wanted) = (names(), import.ty());
                    problems.push(LinkProblem::Unknown {
                        module,
                        name,
                        wanted,
                    });
                    continue;
                }
                Some(Definition::HostFunc(func)) => func.ty().clone().into(),
                Some(Definition::Extern(item)) => match item.check(id) {
                    Ok(()) => item.ty(&store),
                    Err(wrong_store) => return wrong_store,
                },
            };
            let wanted = import.ty();
            if !given.matches(&wanted) {
                let (module, name) = names();
                problems.push(LinkProblem::Incompatible {
                    module,
                    name,
                    wanted,
                    given,
                });
            }
        }
        Error::link(problems)
    }
}

/// A module whose imports a [`Linker`] has found: see [`Linker::instantiate_pre`].
pub struct InstancePre<T: 'static> {
    module: Module,
    /// In the module's order.
    imports: Arc<[Definition]>,
    /// Host functions among them take callers of `T`.
    data: PhantomData<fn(T)>,
}

impl<T: 'static> InstancePre<T> {
    /// Instantiates the module.
    ///
    /// # Errors
    /// As for [`Instance::new`].
    pub fn instantiate(&self, mut store: impl AsContextMut<Data = T>) -> Result<Instance> {
        let store = store.as_context_mut();
        self.module
            .engine()
            .check("module", &store.0.opaque.engine)?;
        let imports: Vec<_> = self
            .imports
            .iter()
            .map(|item| item.get(&mut store.0.opaque))
            .collect();
        Instance::new(store, &self.module, &imports)
    }

    /// The module.
    #[must_use]
    pub fn module(&self) -> &Module {
        &self.module
    }
}

impl<T: 'static> Clone for InstancePre<T> {
    fn clone(&self) -> Self {
        let (module, imports) = (self.module.clone(), Arc::clone(&self.imports));
        Self {
            module,
            imports,
            data: PhantomData,
        }
    }
}

impl<T: 'static> std::fmt::Debug for InstancePre<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InstancePre")
            .field("module", &self.module)
            .finish_non_exhaustive()
    }
}

#[cold]
fn duplicate(module: &str, name: &str) -> Error {
    let (module, name) = (module.to_owned(), name.to_owned());
    Error::link(vec![LinkProblem::Duplicate { module, name }])
}

impl<T: 'static> Clone for Linker<T> {
    fn clone(&self) -> Self {
        Self {
            engine: self.engine.clone(),
            definitions: self.definitions.clone(),
            allow_shadowing: self.allow_shadowing,
            data: PhantomData,
        }
    }
}

impl<T: 'static> std::fmt::Debug for Linker<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count: usize = self.definitions.values().map(HashMap::len).sum();
        f.debug_struct("Linker")
            .field("definitions", &count)
            .finish_non_exhaustive()
    }
}
