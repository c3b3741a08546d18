//! Stores: the owners of everything that instances use, and of the embedder's own data beside it.

use std::collections::HashMap;
use std::ptr::NonNull;
use std::sync::Arc;

use upshift_runtime::{
    InterruptState, LimitError, Resource, ResourceLimits, StoreConfig, StoreCore, StoreId,
    VMFuncRef,
};

use crate::context::{AsContext, AsContextMut, StoreContext, StoreContextMut};
use crate::error::ErrorKind;
use crate::func::HostFunc;
use crate::{Engine, Error, Result};

/// Everything that instances own, and data of yours that host functions can reach.
///
/// A store is used by one thread at a time; it may move between threads between calls. Instances, memories
/// and all other objects live as long as their store, and so do values that guests refer to: a server makes
/// a store per request, or per guest. The handles to them ([`Instance`](crate::Instance),
/// [`Func`](crate::Func), ...) are plain numbers, cheap to copy. Using one with another store is an error.
///
/// ```
/// use upshift::{Caller, Engine, Linker, Module, Store};
///
/// # fn main() -> upshift::Result<()> {
/// struct State {
///     log: Vec<i32>,
/// }
/// let engine = Engine::default();
/// let mut linker = Linker::new(&engine);
/// linker.func_wrap("env", "log", |mut caller: Caller<'_, State>, value: i32| {
///     caller.data_mut().log.push(value);
/// })?;
/// let module = Module::new(
///     &engine,
///     r#"(module
///          (import "env" "log" (func $log (param i32)))
///          (func (export "run") (call $log (i32.const 7)) (call $log (i32.const 8))))"#,
/// )?;
/// let mut store = Store::new(&engine, State { log: Vec::new() });
/// let instance = linker.instantiate(&mut store, &module)?;
/// instance.get_typed_func::<(), ()>(&mut store, "run")?.call(&mut store, ())?;
/// assert_eq!(store.data().log, [7, 8]);
/// let State { log } = store.into_data();
/// # assert_eq!(log.len(), 2);
/// # Ok(())
/// # }
/// ```
pub struct Store<T: 'static> {
    /// Boxed, since instances and host functions point at it.
    inner: Box<StoreInner<T>>,
}

/// A store at its fixed address. The runtime hands host functions a pointer to `opaque.core`, from which
/// [`StoreInner::from_core`] gets here.
#[repr(C)]
pub(crate) struct StoreInner<T> {
    pub(crate) opaque: StoreOpaque,
    pub(crate) data: T,
}

/// The part of a store that does not depend on the embedder's data.
#[repr(C)]
pub(crate) struct StoreOpaque {
    pub(crate) core: StoreCore,
    pub(crate) engine: Engine,
    /// Host functions that linkers have put into this store, by the address of their definition, which is
    /// kept alive so that no other gets the same.
    host_funcs: HashMap<usize, (Arc<HostFunc>, NonNull<VMFuncRef>)>,
}

// SAFETY: the pointers are to host functions that the core owns, which is `Send`.
unsafe impl Send for StoreOpaque {}

impl<T> StoreInner<T> {
    /// The store around a core.
    ///
    /// # Safety
    /// The core is that of a `Store<T>` which this thread has, and which nobody uses meanwhile.
    #[inline]
    pub(crate) unsafe fn from_core<'a>(core: NonNull<StoreCore>) -> &'a mut Self {
        // SAFETY: both structs are `repr(C)` and begin with the next inner one.
        unsafe { core.cast::<Self>().as_mut() }
    }

    /// The runtime's pointer: one that may be used for the whole of the store.
    #[inline]
    pub(crate) fn core_ptr(&mut self) -> NonNull<StoreCore> {
        NonNull::from(self).cast()
    }
}

impl StoreOpaque {
    /// The host function in this store, made at the first question.
    pub(crate) fn host_func(&mut self, func: &Arc<HostFunc>) -> NonNull<VMFuncRef> {
        let address = Arc::as_ptr(func).addr();
        if let Some((_, raw)) = self.host_funcs.get(&address) {
            return *raw;
        }
        let raw = func.instantiate(self);
        self.host_funcs.insert(address, (Arc::clone(func), raw));
        raw
    }
}

impl<T: 'static> Store<T> {
    /// An empty store.
    #[must_use]
    pub fn new(engine: &Engine, data: T) -> Self {
        let config = engine.config();
        let interrupt = InterruptState::new(config.interrupt_signal)
            .expect("the engine has installed this signal's handler");
        let core = StoreCore::new(
            Arc::clone(engine.types()),
            StoreConfig {
                max_wasm_stack: config.max_wasm_stack,
                host_stack: config.host_stack,
                memory_plan: engine.memory_plan(),
                ..StoreConfig::new(interrupt)
            },
        );
        let opaque = StoreOpaque {
            core,
            engine: engine.clone(),
            host_funcs: HashMap::new(),
        };
        Self {
            inner: Box::new(StoreInner { opaque, data }),
        }
    }

    /// Your data.
    #[inline]
    #[must_use]
    pub fn data(&self) -> &T {
        &self.inner.data
    }

    /// Your data, to be changed.
    #[inline]
    #[must_use]
    pub fn data_mut(&mut self) -> &mut T {
        &mut self.inner.data
    }

    /// Ends the store, and gives your data back.
    #[must_use]
    pub fn into_data(self) -> T {
        // The parts that move here are only dropped: nothing runs in the store any more that points at them.
        let StoreInner { opaque, data } = *self.inner;
        drop(opaque);
        data
    }

    /// Sets the bounds on the store's contents from now on. Present contents stay.
    ///
    /// To a guest, growing beyond a limit is `-1`; creating something beyond it is an error.
    ///
    /// ```
    /// use upshift::{Engine, Instance, Module, ResourceLimits, Store};
    ///
    /// # fn main() -> upshift::Result<()> {
    /// let engine = Engine::default();
    /// let module = Module::new(
    ///     &engine,
    ///     r#"(module (memory 1)
    ///          (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#,
    /// )?;
    /// let mut store = Store::new(&engine, ());
    /// store.limits(ResourceLimits {
    ///     memory_bytes: Some(2 << 16),
    ///     instances: Some(1),
    ///     ..ResourceLimits::default()
    /// });
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let grow = instance.get_typed_func::<i32, i32>(&mut store, "grow")?;
    /// assert_eq!(grow.call(&mut store, 1)?, 1);
    /// assert_eq!(grow.call(&mut store, 1)?, -1);
    /// let error = Instance::new(&mut store, &module, &[]).unwrap_err();
    /// assert!(error.to_string().contains("limit of 1 instances is reached"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn limits(&mut self, limits: ResourceLimits) {
        self.inner.opaque.core.set_limits(limits);
    }

    /// How much of a resource the store holds.
    #[must_use]
    pub fn used(&self, resource: Resource) -> u64 {
        self.inner.opaque.core.used(resource)
    }

    /// The last refusal by the limit of a resource, if there was one. The guest
    /// may have been told by `-1` only, and have ended for that reason in its own way.
    ///
    /// ```
    /// use upshift::{Engine, Linker, Module, Resource, ResourceLimits, Store};
    ///
    /// # fn main() -> upshift::Result<()> {
    /// let engine = Engine::default();
    /// let text = "(module (memory 1) (func $s (drop (memory.grow (i32.const 9)))) (start $s))";
    /// let mut store = Store::new(&engine, ());
    /// let memory_bytes = Some(4 << 16);
    /// store.limits(ResourceLimits { memory_bytes, ..ResourceLimits::default() });
    /// Linker::new(&engine).instantiate(&mut store, &Module::new(&engine, text)?)?;
    /// let refused = store.refused(Resource::MemoryBytes).unwrap();
    /// assert_eq!((refused.used, refused.requested), (1 << 16, 9 << 16));
    /// assert!(store.refused(Resource::Tables).is_none());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn refused(&self, resource: Resource) -> Option<LimitError> {
        self.inner.opaque.core.refused(resource)
    }

    /// A handle with which another thread can stop code that runs in this store.
    #[must_use]
    pub fn interrupt_handle(&self) -> InterruptHandle {
        InterruptHandle(Arc::clone(self.inner.opaque.core.interrupt_state()))
    }

    /// The engine that it was made with.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.inner.opaque.engine
    }
}

impl<T: 'static> AsContext for Store<T> {
    type Data = T;

    #[inline]
    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext(&self.inner)
    }
}

impl<T: 'static> AsContextMut for Store<T> {
    #[inline]
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        StoreContextMut(&mut self.inner)
    }
}

impl<T: std::fmt::Debug + 'static> std::fmt::Debug for Store<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("id", &self.inner.opaque.core.id.get())
            .field("data", &self.inner.data)
            .finish_non_exhaustive()
    }
}

/// Stops the guest that runs in a store, from any thread.
///
/// A running guest pays nothing for this being possible. The call that it is in ends with
/// [`TrapCode::Interrupted`](crate::TrapCode::Interrupted); the store can be used again afterwards. A host
/// function that blocks is not cut short: the guest is stopped when it returns. One that waits asks
/// [`is_requested`](Self::is_requested) of its [caller's handle](crate::Caller::interrupt_handle); system
/// calls that no signal restarts, `poll` among them, end early with `EINTR`.
///
/// ```
/// use std::time::Duration;
/// use upshift::{Engine, Instance, Module, Store, TrapCode};
///
/// # fn main() -> upshift::Result<()> {
/// let engine = Engine::default();
/// let module = Module::new(&engine, r#"(module (func (export "spin") (loop br 0)))"#)?;
/// let mut store = Store::new(&engine, ());
/// let spin = Instance::new(&mut store, &module, &[])?
///     .get_typed_func::<(), ()>(&mut store, "spin")?;
///
/// let handle = store.interrupt_handle();
/// let timer = std::thread::spawn(move || {
///     std::thread::sleep(Duration::from_millis(10));
///     handle.interrupt();
/// });
/// let error = spin.call(&mut store, ()).unwrap_err();
/// assert_eq!(error.as_trap().unwrap().code(), TrapCode::Interrupted);
/// # timer.join().unwrap();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct InterruptHandle(pub(crate) Arc<InterruptState>);

impl InterruptHandle {
    /// Asks for the guest to be stopped, and does not wait for it. If none runs now, the next call is.
    pub fn interrupt(&self) {
        self.0.interrupt();
    }

    /// Takes back a request that has not been obeyed yet. Returns whether there was one.
    pub fn clear(&self) -> bool {
        self.0.clear()
    }

    /// Whether there is a request that has not been obeyed yet.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.is_requested()
    }
}

/// # Errors
/// When an object of the store `owner` is used with another.
#[inline]
pub(crate) fn check_store(object: &'static str, owner: StoreId, store: StoreId) -> Result<()> {
    if owner == store {
        Ok(())
    } else {
        Err(wrong_store(object, owner, store))
    }
}

#[cold]
fn wrong_store(object: &'static str, owner: StoreId, store: StoreId) -> Error {
    let (owner, store) = (owner.get().get(), store.get().get());
    Error::from_kind(ErrorKind::WrongStore {
        object,
        owner,
        store,
    })
}

/// For methods that cannot return an error.
///
/// # Panics
/// When an object of the store `owner` is used with another.
#[inline]
#[track_caller]
pub(crate) fn assert_store(object: &'static str, owner: StoreId, store: StoreId) {
    if owner != store {
        panic!("{}", wrong_store(object, owner, store));
    }
}
