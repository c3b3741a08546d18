//! Work of LLVM's on our units that gains nothing, or that changes copies of numbers, switched off or limited. These are options of
//! LLVM as a whole, which belong to the process and are set once; settings of a single unit are in `compile`.

use std::ffi::{CStr, c_int};
use std::ptr;
use std::sync::Once;

use inkwell::llvm_sys::support::LLVMParseCommandLineOptions;

/// As on the command line of LLVM's tools, the first being a program's name. LLVM ignores options that it does not know.
const OPTIONS: [&CStr; 7] = [
    c"upshift",
    // Our debug information says where code comes from and describes no variables. LLVM's way to follow
    // variables by instructions goes through each function whether it has any or not.
    c"-experimental-debug-variable-locations=false",
    // Blocks in which the source of a load's value is looked for: 200 for LLVM. Where functions with
    // loops were inlined, most of the time went there.
    c"-memdep-block-number-limit=50",
    // Beside sums of floats, a float that is only copied would become a sum with -0, which quiets a signalling NaN.
    c"-slp-copyable-elements=false",
    // Stores are forwarded to the next round's loads without a check before the loop only, see `masked_counters`.
    c"-loop-load-elimination-scev-check-threshold=0",
    // Accesses to memory that schedulers compare each access of a block with: 1000 for LLVM. The time for a block of
    // thousands of stores was the square of their number.
    c"-dag-maps-huge-region=200",
    // Operands that a node takes over from others that only order accesses: 2048 for LLVM. Each load of a block was looked
    // at for each other one; operands that are not taken over stay in order all the same.
    c"-combiner-tokenfactor-inline-limit=64",
];

/// Sets them. To be called before anything is compiled, and after LLVM's constructors, which make the options known.
pub(crate) fn set() {
    static SET: Once = Once::new();
    SET.call_once(|| {
        let options = OPTIONS.map(CStr::as_ptr);
        // SAFETY: as many C strings as it says, and LLVM copies those that it keeps. No description of the program.
        unsafe {
            LLVMParseCommandLineOptions(OPTIONS.len() as c_int, options.as_ptr(), ptr::null());
        }
    });
}
