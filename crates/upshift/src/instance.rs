//! Instances: a module that has been given its imports.

use std::ptr::NonNull;

use upshift_runtime::{
    ExternPtr, Instance as RawInstance, InstantiateError, Instantiated, StoreId, matches,
};

use crate::error::{ErrorKind, LinkProblem};
use crate::store::{StoreInner, assert_store, check_store};
use crate::{
    AsContext, AsContextMut, Error, Export, Extern, ExternType, Func, Global, Memory, Module,
    Result, Table, Trap, TypedFunc, WasmParams, WasmResults,
};

/// An instance of a module.
///
/// It lives as long as its store. Instantiating compiles nothing.
///
/// ```
/// use upshift::{Engine, Func, Instance, Module, Store};
///
/// # fn main() -> upshift::Result<()> {
/// let engine = Engine::default();
/// let module = Module::new(
///     &engine,
///     r#"(module
///          (import "host" "base" (func $base (result i32)))
///          (global (export "calls") (mut i32) (i32.const 0))
///          (func (export "add") (param i32) (result i32)
///            (global.set 0 (i32.add (global.get 0) (i32.const 1)))
///            (i32.add (call $base) (local.get 0))))"#,
/// )?;
/// let mut store = Store::new(&engine, ());
/// let base = Func::wrap(&mut store, || 40);
/// let instance = Instance::new(&mut store, &module, &[base.into()])?;
///
/// let add = instance.get_typed_func::<i32, i32>(&mut store, "add")?;
/// assert_eq!(add.call(&mut store, 2)?, 42);
/// let calls = instance.get_global(&mut store, "calls").unwrap();
/// assert_eq!(calls.get(&store)?.unwrap_i32(), 1);
///
/// let exports: Vec<_> = instance.exports(&mut store).map(|e| e.name().to_owned()).collect();
/// assert_eq!(exports, ["calls", "add"]);
///
/// // Imports that do not fit are named, with both types.
/// let wrong = Func::wrap(&mut store, |_: i64| {});
/// let error = Instance::new(&mut store, &module, &[wrong.into()]).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "incompatible import type for `host::base`: wanted function () -> (i32), \
///      given function (i64) -> ()"
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Instance {
    store: StoreId,
    raw: NonNull<RawInstance>,
}

// SAFETY: only used together with its store, which is with one thread at a time.
unsafe impl Send for Instance {}
// SAFETY: as above.
unsafe impl Sync for Instance {}

impl Instance {
    /// Instantiates a module with these imports, in the module's order, and runs its start function.
    ///
    /// A [`Linker`](crate::Linker) finds imports by name.
    ///
    /// # Errors
    /// When the imports are too few, too many or of other types (all that don't fit are listed), belong to
    /// another store or engine, or a limit of the store is reached: nothing has changed then. The [`Trap`] of a
    /// segment that does not fit, or the error of the start function: writes until then stay.
    pub fn new(mut store: impl AsContextMut, module: &Module, imports: &[Extern]) -> Result<Self> {
        let store = store.as_context_mut().0;
        module.engine().check("module", &store.opaque.engine)?;
        let id = store.opaque.core.id;
        for import in imports {
            import.check(id)?;
        }
        let raw: Vec<ExternPtr> = imports.iter().map(Extern::raw).collect();
        // SAFETY: module and imports have been checked; stores are boxed.
        let made = unsafe { store.opaque.core.instantiate(module.runtime(), &raw) };
        let Instantiated {
            instance,
            start,
            trap,
        } = made.map_err(|error| link_error(error, store, module, imports))?;
        if let Some(code) = trap {
            return Err(Trap::from(code).into());
        }
        if let Some(start) = start {
            // SAFETY: start functions are of this store, and take and return nothing.
            unsafe {
                TypedFunc::<(), ()>::new_unchecked(Func::from_raw(start, id))
                    .call(crate::StoreContextMut(store), ())?;
            }
        }
        Ok(Self {
            store: id,
            raw: instance,
        })
    }

    /// The module's exports, in its order.
    ///
    /// # Panics
    /// When it belongs to another store.
    pub fn exports<'a, T: 'static>(
        &self,
        store: impl Into<crate::StoreContextMut<'a, T>>,
    ) -> impl ExactSizeIterator<Item = Export<'a>> {
        let store = store.into();
        let id = self.store;
        assert_store("instance", id, store.0.opaque.core.id);
        // SAFETY: it lives as long as its store, which is borrowed for `'a`.
        let raw: &'a RawInstance = unsafe { self.raw.as_ref() };
        raw.module().module.exports.iter().map(move |export| {
            // SAFETY: an instance's exports are of its store.
            Export::new(&export.name, unsafe {
                Extern::from_raw(raw.export(export.entity), id)
            })
        })
    }

    /// The export of this name.
    ///
    /// # Panics
    /// When it belongs to another store.
    #[must_use]
    pub fn get_export(&self, store: impl AsContext, name: &str) -> Option<Extern> {
        assert_store("instance", self.store, store.as_context().0.opaque.core.id);
        // SAFETY: it lives as long as its store, which is this one.
        let raw = unsafe { self.raw.as_ref() };
        let entity = raw.module().module.export(name)?.entity;
        // SAFETY: an instance's exports are of its store.
        Some(unsafe { Extern::from_raw(raw.export(entity), self.store) })
    }

    /// The exported function of this name.
    ///
    /// # Panics
    /// When it belongs to another store.
    #[must_use]
    pub fn get_func(&self, store: impl AsContext, name: &str) -> Option<Func> {
        self.get_export(store, name)?.into_func()
    }

    /// The exported function of this name, to be called with Rust values.
    ///
    /// # Errors
    /// When there is no such function, it has other types, or this belongs to another store.
    pub fn get_typed_func<Params: WasmParams, Results: WasmResults>(
        &self,
        store: impl AsContext,
        name: &str,
    ) -> Result<TypedFunc<Params, Results>> {
        check_store("instance", self.store, store.as_context().0.opaque.core.id)?;
        match self.get_export(&store, name) {
            Some(Extern::Func(func)) => func.typed(&store),
            Some(other) => Err(Error::from_kind(ErrorKind::WrongExport {
                name: name.to_owned(),
                given: other.ty(&store),
                wanted: "function",
            })),
            None => Err(self.unknown_export(name)),
        }
    }

    /// The exported memory of this name.
    ///
    /// # Panics
    /// When it belongs to another store.
    #[must_use]
    pub fn get_memory(&self, store: impl AsContext, name: &str) -> Option<Memory> {
        self.get_export(store, name)?.into_memory()
    }

    /// The exported table of this name.
    ///
    /// # Panics
    /// When it belongs to another store.
    #[must_use]
    pub fn get_table(&self, store: impl AsContext, name: &str) -> Option<Table> {
        self.get_export(store, name)?.into_table()
    }

    /// The exported global of this name.
    ///
    /// # Panics
    /// When it belongs to another store.
    #[must_use]
    pub fn get_global(&self, store: impl AsContext, name: &str) -> Option<Global> {
        self.get_export(store, name)?.into_global()
    }

    #[inline]
    pub(crate) fn check(&self, store: StoreId) -> Result<()> {
        check_store("instance", self.store, store)
    }

    #[cold]
    fn unknown_export(&self, name: &str) -> Error {
        // SAFETY: the caller has checked the store, in which it lives.
        let module = &unsafe { self.raw.as_ref() }.module().module;
        Error::from_kind(ErrorKind::UnknownExport {
            name: name.to_owned(),
            exports: module
                .exports
                .iter()
                .map(|export| export.name.to_string())
                .collect(),
        })
    }
}

/// The runtime stops at the first import that does not fit; embedders want to know all of them.
#[cold]
fn link_error<T>(
    error: InstantiateError,
    store: &StoreInner<T>,
    module: &Module,
    imports: &[Extern],
) -> Error {
    match error {
        InstantiateError::ImportCount { wanted, given } => {
            Error::link(vec![LinkProblem::Count { wanted, given }])
        }
        InstantiateError::ImportType(_) => {
            let module = module.parsed();
            let problems = module
                .imports
                .iter()
                .zip(imports)
                .filter_map(|(import, given)| {
                    let wanted = module.entity_type(import.entity);
                    // SAFETY: the imports have been checked to be of this store.
                    let given = unsafe { given.raw().ty(store.opaque.engine.types()) };
                    (!matches(&given, &wanted)).then(|| LinkProblem::Incompatible {
                        module: import.module.to_string(),
                        name: import.name.to_string(),
                        wanted: ExternType::from_raw(wanted),
                        given: ExternType::from_raw(given),
                    })
                });
            Error::link(problems.collect())
        }
        other => Error::instantiate(other),
    }
}
