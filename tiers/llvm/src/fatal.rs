//! LLVM's fatal errors: it ends the process unless a handler keeps the thread from returning.

use std::ffi::{CStr, c_char};
use std::sync::Once;

use inkwell::llvm_sys::error_handling::LLVMInstallFatalErrorHandler;
use upshift_runtime::fork;
use upshift_translate::report_fatal;

/// Makes fatal errors cost a thread instead of the process.
pub(crate) fn install_handler() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        // SAFETY: the handler is a function of this program, which is never unloaded.
        unsafe { LLVMInstallFatalErrorHandler(Some(on_fatal_error)) };
    });
}

extern "C" fn on_fatal_error(reason: *const c_char) {
    let message = if reason.is_null() {
        "no reason given".to_owned()
    } else {
        // SAFETY: LLVM passes a C string that lives as long as this call.
        unsafe { CStr::from_ptr(reason) }
            .to_string_lossy()
            .into_owned()
    };
    give_up(message)
}

/// Reports an error that ends the compile, and this thread's work with it.
pub(crate) fn give_up(message: String) -> ! {
    report_fatal(message);
    fork::leave_for_good();
    // LLVM's data structures are in no state to go on with, and returning would end the process.
    loop {
        std::thread::park();
    }
}
