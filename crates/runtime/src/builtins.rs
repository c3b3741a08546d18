//! The table of entry points from generated code into the runtime, and their signatures as data that
//! both tiers read. The work of each is in `libcalls`; how it is entered, in `arch`.

use std::mem::offset_of;

use crate::offsets::immediate;

/// The representation of a parameter or result of a builtin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltinType {
    /// 32-bit integer.
    I32,
    /// 64-bit integer, or a reference.
    I64,
    /// A pointer.
    Pointer,
}

macro_rules! builtins {
    ($($(#[$doc:meta])* $variant:ident $field:ident ($($param:ident),*) $(-> $result:ident)?;)*) => {
        /// An entry point into the runtime. The first parameter, always, is the `VMContext`, not listed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Builtin {
            $($(#[$doc])* $variant,)*
        }

        /// Addresses of the entry stubs; every `VMContext` points at one table.
        #[repr(C)]
        pub struct VMBuiltins {
            $($(#[$doc])* pub $field: unsafe extern "C" fn(),)*
        }

        impl Builtin {
            /// All of them.
            pub const ALL: &[Builtin] = &[$(Builtin::$variant),*];

            /// Its place among all of them.
            #[must_use]
            pub const fn place(self) -> usize {
                // Variants are numbered from 0 on.
                self as usize
            }

            /// Offset of its address in [`VMBuiltins`].
            #[must_use]
            pub const fn offset(self) -> i32 {
                match self { $(Builtin::$variant => immediate(offset_of!(VMBuiltins, $field)),)* }
            }

            /// Its parameters after the `VMContext`; never more than five, so all are in registers.
            #[must_use]
            pub const fn params(self) -> &'static [BuiltinType] {
                match self { $(Builtin::$variant => &[$(BuiltinType::$param),*],)* }
            }

            /// Its result, if any.
            #[must_use]
            pub const fn result(self) -> Option<BuiltinType> {
                match self { $(Builtin::$variant => builtins!(@result $($result)?),)* }
            }
        }
    };
    (@result) => { None };
    (@result $result:ident) => { Some(BuiltinType::$result) };
}

builtins! {
    /// `memory.grow`: memory, pages; the old size in pages, or -1.
    MemoryGrow memory_grow(I32, I32) -> I32;
    /// `memory.copy`: destination memory, source memory, destination, source, length.
    MemoryCopy memory_copy(I32, I32, I32, I32, I32);
    /// `memory.fill`: memory, destination, value, length.
    MemoryFill memory_fill(I32, I32, I32, I32);
    /// `memory.init`: memory, data segment, destination, source, length.
    MemoryInit memory_init(I32, I32, I32, I32, I32);
    /// `data.drop`: data segment.
    DataDrop data_drop(I32);
    /// `table.grow`: table, elements, initial value; the old size, or -1.
    TableGrow table_grow(I32, I32, I64) -> I32;
    /// `table.fill`: table, destination, value, length.
    TableFill table_fill(I32, I32, I64, I32);
    /// `table.copy`: destination table, source table, destination, source, length.
    TableCopy table_copy(I32, I32, I32, I32, I32);
    /// `table.init`: table, element segment, destination, source, length.
    TableInit table_init(I32, I32, I32, I32, I32);
    /// `elem.drop`: element segment.
    ElemDrop elem_drop(I32);
    /// `ref.func`: function index (imports first); the reference.
    RefFunc ref_func(I32) -> I64;
    /// The budget of a defined function ran out at its entry. Not called but jumped to, before the
    /// function has touched an argument or the stack; goes on at the given place, or in better code. Its
    /// arguments are in registers that are no parameters: on x86-64 the defined function in `eax`, where
    /// to go on in `r10`.
    BudgetAtEntry budget_at_entry();
    /// The budget ran out at a loop header: defined function, loop number within it, frame cells.
    /// The result is an OSR entry to move into (`OsrEntry`), or null to go on. For the entry, the stack's limit is lower:
    /// the code that moves reads `VMStore::limit_before_move` before it calls the entry, and puts it back behind.
    BudgetAtLoop budget_at_loop(I32, I32, Pointer) -> Pointer;
    /// The same for code of the middle tier, whose values stay in registers meanwhile: a call that changes no
    /// register. The fourth parameter is where to put the result.
    BudgetAtMiddleLoop budget_at_middle_loop(I32, I32, Pointer, Pointer);
    /// Ends the activation with a trap: trap code. Does not return.
    Trap trap(I32);
}

/// The C signature of an OSR entry: context, frame cells of the frame that is left, 16-byte result cells.
pub type OsrEntry = unsafe extern "C" fn(*mut crate::VMContext, *mut u8, *mut u128);
