//! Ways to reach a store: from outside, through the store; from a host function, through its caller.

use std::ptr::NonNull;
use std::sync::Arc;

use upshift_runtime::Instance as RawInstance;

use crate::store::StoreInner;
use crate::{Engine, Extern, InterruptHandle};

/// A store that can be read.
#[derive(Debug)]
#[repr(transparent)]
pub struct StoreContext<'a, T: 'static>(pub(crate) &'a StoreInner<T>);

/// A store that can be used in any way.
#[derive(Debug)]
#[repr(transparent)]
pub struct StoreContextMut<'a, T: 'static>(pub(crate) &'a mut StoreInner<T>);

impl<T> std::fmt::Debug for StoreInner<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("id", &self.opaque.core.id.get())
            .finish_non_exhaustive()
    }
}

impl<T> Clone for StoreContext<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for StoreContext<'_, T> {}

impl<'a, T: 'static> StoreContext<'a, T> {
    /// The embedder's data.
    #[inline]
    #[must_use]
    pub fn data(&self) -> &'a T {
        &self.0.data
    }

    /// The store's engine.
    #[must_use]
    pub fn engine(&self) -> &'a Engine {
        &self.0.opaque.engine
    }
}

impl<'a, T: 'static> StoreContextMut<'a, T> {
    /// The embedder's data.
    #[inline]
    #[must_use]
    pub fn data(&self) -> &T {
        &self.0.data
    }

    /// The embedder's data, to be changed.
    #[inline]
    #[must_use]
    pub fn data_mut(&mut self) -> &mut T {
        &mut self.0.data
    }

    /// The store's engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.0.opaque.engine
    }
}

/// The argument of methods that read a store: `&Store<T>`, `&Caller<'_, T>`, [`StoreContext`].
pub trait AsContext {
    /// The embedder's data in the store.
    type Data: 'static;

    /// The store.
    fn as_context(&self) -> StoreContext<'_, Self::Data>;
}

/// The argument of methods that use a store: `&mut Store<T>`, `&mut Caller<'_, T>`, [`StoreContextMut`].
///
/// Functions of your own that take `impl AsContextMut` work from inside and outside of host functions:
///
/// ```
/// use upshift::{AsContextMut, Engine, Memory, MemoryType, Result, Store};
///
/// fn put(mut store: impl AsContextMut, memory: &Memory, text: &str) -> Result<()> {
///     memory.write(store.as_context_mut(), 0, text.as_bytes())
/// }
///
/// # fn main() -> Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let memory = Memory::new(&mut store, MemoryType::new(1, None))?;
/// put(&mut store, &memory, "hello")?;
/// assert_eq!(&memory.data(&store)[..5], b"hello");
/// # Ok(())
/// # }
/// ```
pub trait AsContextMut: AsContext {
    /// The store.
    fn as_context_mut(&mut self) -> StoreContextMut<'_, Self::Data>;
}

impl<S: AsContext + ?Sized> AsContext for &S {
    type Data = S::Data;

    #[inline]
    fn as_context(&self) -> StoreContext<'_, S::Data> {
        S::as_context(self)
    }
}

impl<S: AsContext + ?Sized> AsContext for &mut S {
    type Data = S::Data;

    #[inline]
    fn as_context(&self) -> StoreContext<'_, S::Data> {
        S::as_context(self)
    }
}

impl<S: AsContextMut + ?Sized> AsContextMut for &mut S {
    #[inline]
    fn as_context_mut(&mut self) -> StoreContextMut<'_, S::Data> {
        S::as_context_mut(self)
    }
}

impl<T: 'static> AsContext for StoreContext<'_, T> {
    type Data = T;

    #[inline]
    fn as_context(&self) -> StoreContext<'_, T> {
        *self
    }
}

impl<T: 'static> AsContext for StoreContextMut<'_, T> {
    type Data = T;

    #[inline]
    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext(self.0)
    }
}

impl<T: 'static> AsContextMut for StoreContextMut<'_, T> {
    #[inline]
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        StoreContextMut(self.0)
    }
}

impl<'a, S: AsContext> From<&'a S> for StoreContext<'a, S::Data> {
    fn from(store: &'a S) -> Self {
        store.as_context()
    }
}

impl<'a, S: AsContext> From<&'a mut S> for StoreContext<'a, S::Data> {
    fn from(store: &'a mut S) -> Self {
        S::as_context(store)
    }
}

impl<'a, S: AsContextMut> From<&'a mut S> for StoreContextMut<'a, S::Data> {
    fn from(store: &'a mut S) -> Self {
        store.as_context_mut()
    }
}

/// A host function's view of its caller: the store, and the exports of the calling instance.
///
/// ```
/// use upshift::{Caller, Engine, Error, Extern, Linker, Module, Result, Store};
///
/// # fn main() -> Result<()> {
/// let engine = Engine::default();
/// let mut linker = Linker::new(&engine);
/// linker.func_wrap(
///     "env",
///     "print",
///     |mut caller: Caller<'_, String>, pointer: u32, length: u32| -> Result<()> {
///         let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
///             return Err(Error::msg("the guest exports no memory"));
///         };
///         let (bytes, output) = memory.data_and_store_mut(&mut caller);
///         let start = pointer as usize;
///         let text = bytes
///             .get(start..start + length as usize)
///             .and_then(|text| str::from_utf8(text).ok())
///             .ok_or_else(|| Error::msg("no text there"))?;
///         output.push_str(text);
///         Ok(())
///     },
/// )?;
/// let module = Module::new(
///     &engine,
///     r#"(module
///          (import "env" "print" (func $print (param i32 i32)))
///          (memory (export "memory") 1)
///          (data (i32.const 8) "hello")
///          (func (export "run") (call $print (i32.const 8) (i32.const 5))))"#,
/// )?;
/// let mut store = Store::new(&engine, String::new());
/// let instance = linker.instantiate(&mut store, &module)?;
/// instance.get_typed_func::<(), ()>(&mut store, "run")?.call(&mut store, ())?;
/// assert_eq!(store.data(), "hello");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Caller<'a, T: 'static> {
    store: StoreContextMut<'a, T>,
    instance: Option<NonNull<RawInstance>>,
}

impl<'a, T: 'static> Caller<'a, T> {
    /// The instance, if any, is one of the store's.
    #[inline]
    pub(crate) fn new(
        store: &'a mut StoreInner<T>,
        instance: Option<NonNull<RawInstance>>,
    ) -> Self {
        Self {
            store: StoreContextMut(store),
            instance,
        }
    }

    /// The embedder's data in the store.
    #[inline]
    #[must_use]
    pub fn data(&self) -> &T {
        self.store.data()
    }

    /// The embedder's data in the store, to be changed.
    #[inline]
    #[must_use]
    pub fn data_mut(&mut self) -> &mut T {
        self.store.data_mut()
    }

    /// The export of this name of the instance that calls. `None` if there is none, or if the host
    /// itself calls.
    #[must_use]
    pub fn get_export(&mut self, name: &str) -> Option<Extern> {
        // SAFETY: instances live as long as their store.
        let instance = unsafe { self.instance?.as_ref() };
        let entity = instance.module().module.export(name)?.entity;
        // SAFETY: an instance's exports are of its store.
        Some(unsafe { Extern::from_raw(instance.export(entity), self.store.0.opaque.core.id) })
    }

    /// The store's engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        self.store.engine()
    }

    /// A handle that tells whether the guest is to be stopped: for host functions that wait.
    #[must_use]
    pub fn interrupt_handle(&self) -> InterruptHandle {
        let state = self.store.0.opaque.core.interrupt_state();
        InterruptHandle(Arc::clone(state))
    }
}

impl<T: 'static> AsContext for Caller<'_, T> {
    type Data = T;

    #[inline]
    fn as_context(&self) -> StoreContext<'_, T> {
        self.store.as_context()
    }
}

impl<T: 'static> AsContextMut for Caller<'_, T> {
    #[inline]
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        self.store.as_context_mut()
    }
}
