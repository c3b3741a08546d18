//! Imports and exports as objects of a store.

use upshift_runtime::{ExternPtr, StoreId};

use crate::{AsContext, ExternType, Func, Global, Memory, Result, Table};

/// A function, global, table or memory of a store.
///
/// ```
/// use upshift::{Engine, Extern, Instance, Module, Store};
///
/// # fn main() -> upshift::Result<()> {
/// let engine = Engine::default();
/// let text = r#"(module (memory (export "m") 1 2) (func (export "f") (param i32)))"#;
/// let module = Module::new(&engine, text)?;
/// let mut store = Store::new(&engine, ());
/// let instance = Instance::new(&mut store, &module, &[])?;
/// let items: Vec<_> = instance.exports(&mut store).map(|export| export.into_extern()).collect();
/// let types: Vec<_> = items.iter().map(|item| item.ty(&store).to_string()).collect();
/// assert_eq!(types, ["(memory 1 2)", "function (i32) -> ()"]);
/// assert!(items[0].into_memory().is_some() && items[0].into_func().is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Extern {
    /// A function.
    Func(Func),
    /// A global.
    Global(Global),
    /// A table.
    Table(Table),
    /// A linear memory.
    Memory(Memory),
}

macro_rules! kinds {
    ($($variant:ident $into:ident $what:literal;)*) => {
        impl Extern {
            $(
                #[doc = concat!("The ", $what, ", if it is one.")]
                #[must_use]
                pub fn $into(self) -> Option<$variant> {
                    match self {
                        Self::$variant(item) => Some(item),
                        _ => None,
                    }
                }
            )*

            /// Its type; of a table or memory, the size now is the minimum.
            ///
            /// # Panics
            /// When it belongs to another store.
            #[must_use]
            pub fn ty(&self, store: impl AsContext) -> ExternType {
                match self {
                    $(Self::$variant(item) => ExternType::$variant(item.ty(store)),)*
                }
            }

            pub(crate) fn check(&self, store: StoreId) -> Result<()> {
                match self {
                    $(Self::$variant(item) => item.check(store),)*
                }
            }

            pub(crate) fn raw(&self) -> ExternPtr {
                match self {
                    $(Self::$variant(item) => ExternPtr::$variant(item.raw()),)*
                }
            }

            /// # Safety
            /// It belongs to this store.
            pub(crate) unsafe fn from_raw(raw: ExternPtr, store: StoreId) -> Self {
                match raw {
                    // SAFETY: as the caller says.
                    $(ExternPtr::$variant(item) => unsafe {
                        Self::$variant($variant::from_raw(item, store))
                    },)*
                }
            }
        }

        $(impl From<$variant> for Extern {
            fn from(item: $variant) -> Self {
                Self::$variant(item)
            }
        })*
    };
}

kinds! {
    Func into_func "function";
    Global into_global "global";
    Table into_table "table";
    Memory into_memory "memory";
}

/// An export of an instance: a name and an object.
#[derive(Clone, Copy, Debug)]
pub struct Export<'instance> {
    name: &'instance str,
    item: Extern,
}

impl<'instance> Export<'instance> {
    pub(crate) fn new(name: &'instance str, item: Extern) -> Self {
        Self { name, item }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &'instance str {
        self.name
    }

    /// The object.
    #[must_use]
    pub fn into_extern(self) -> Extern {
        self.item
    }

    /// The function, if it is one.
    #[must_use]
    pub fn into_func(self) -> Option<Func> {
        self.item.into_func()
    }

    /// The global, if it is one.
    #[must_use]
    pub fn into_global(self) -> Option<Global> {
        self.item.into_global()
    }

    /// The table, if it is one.
    #[must_use]
    pub fn into_table(self) -> Option<Table> {
        self.item.into_table()
    }

    /// The memory, if it is one.
    #[must_use]
    pub fn into_memory(self) -> Option<Memory> {
        self.item.into_memory()
    }

    /// Its type; of a table or memory, the size now is the minimum.
    ///
    /// # Panics
    /// When it belongs to another store.
    #[must_use]
    pub fn ty(&self, store: impl AsContext) -> ExternType {
        self.item.ty(store)
    }
}
