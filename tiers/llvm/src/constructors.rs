//! The constructors of LLVM's global objects, more than six hundred, most of which register an option. Where a
//! program's linker is told to collect them in a section of their own (`crates/cli/lazy_llvm.ld`), they have not
//! run when the program starts, and have to before anything else of LLVM does: half of the time and of the memory
//! that a program takes which needs no LLVM. In other programs that section has one empty entry.

use std::sync::Once;

/// An entry of `.init_array` in an object file.
type Constructor = Option<unsafe extern "C" fn()>;

// Makes sure that there is such a section, for the linker knows its ends by name then. Of the same type as its
// entries, so that it can be read-only once the program is loaded.
std::arch::global_asm!(
    ".pushsection upshift_llvm_init, \"aw\", @init_array",
    ".balign 8",
    ".globl upshift_llvm_no_constructor",
    ".hidden upshift_llvm_no_constructor",
    "upshift_llvm_no_constructor: .quad 0",
    ".popsection",
);

unsafe extern "C" {
    /// The ends of the section.
    #[link_name = "__start_upshift_llvm_init"]
    static START: Constructor;
    #[link_name = "__stop_upshift_llvm_init"]
    static STOP: Constructor;
    /// The entry that is always there.
    #[link_name = "upshift_llvm_no_constructor"]
    static NONE: Constructor;
}

/// Runs the constructors that were left for later. To be called before any function of LLVM.
pub(crate) fn run() {
    static RUN: Once = Once::new();
    RUN.call_once(|| {
        // An unreferenced static is not linked.
        std::hint::black_box(&raw const NONE);
        let (start, stop) = (&raw const START, &raw const STOP);
        // SAFETY: the linker has put both at the ends of one section, which has `NONE` in it.
        let count = unsafe { stop.offset_from_unsigned(start) };
        for place in 0..count {
            // SAFETY: it is within the section, all of whose entries have this type. Volatile, for to the compiler
            // `START` is one entry.
            let constructor = unsafe { start.add(place).read_volatile() };
            if let Some(constructor) = constructor {
                // SAFETY: the C++ compiler made it for this; it is called once, in the order that it would
                // have been in at the program's start.
                unsafe { constructor() };
            }
        }
    });
}
