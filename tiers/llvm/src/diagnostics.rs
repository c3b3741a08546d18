//! What LLVM has to say of a compile: how large a frame became, and errors, at which it would end the process.

use std::cell::Cell;
use std::ffi::{CStr, c_void};

use inkwell::attributes::{Attribute, AttributeLoc};
use inkwell::context::{AsContextRef, Context};
use inkwell::llvm_sys::LLVMDiagnosticSeverity;
use inkwell::llvm_sys::core::{
    LLVMContextSetDiagnosticHandler, LLVMDisposeMessage, LLVMGetDiagInfoDescription,
    LLVMGetDiagInfoSeverity,
};
use inkwell::llvm_sys::prelude::LLVMDiagnosticInfoRef;
use inkwell::values::FunctionValue;

use crate::fatal::give_up;

/// A context that tells how large the frame of a function became.
pub(crate) struct ListenedContext {
    // Before what it writes to, for fields are dropped in this order.
    context: Context,
    frame: Box<Cell<Option<usize>>>,
}

impl ListenedContext {
    pub fn new() -> Self {
        let context = Context::create();
        let frame = Box::new(Cell::new(None));
        let place: *const Cell<Option<usize>> = &*frame;
        // SAFETY: the context is alive. The handler keeps to the signature, and is called with a place that outlives the
        // context, by the thread that has the context.
        unsafe {
            LLVMContextSetDiagnosticHandler(
                (&context).as_ctx_ref(),
                Some(on_diagnostic),
                place.cast_mut().cast(),
            );
        }
        Self { context, frame }
    }

    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The size of the frame of the function that was asked about, once there is code of it: 0 where it has none.
    pub fn frame_size(&self) -> usize {
        self.frame.get().unwrap_or(0)
    }
}

/// Asks how large a function's frame becomes: LLVM warns of each that is larger than nothing.
pub(crate) fn ask_for_frame_size(context: &Context, function: FunctionValue<'_>) {
    let attribute: Attribute = context.create_string_attribute("warn-stack-size", "0");
    function.add_attribute(AttributeLoc::Function, attribute);
}

extern "C" fn on_diagnostic(diagnostic: LLVMDiagnosticInfoRef, frame: *mut c_void) {
    // SAFETY: LLVM passes a diagnostic that lives as long as this call, and the place that the handler was set with. The
    // message is a C string that is ours to dispose of.
    let (severity, message, frame) = unsafe {
        let description = LLVMGetDiagInfoDescription(diagnostic);
        let message = CStr::from_ptr(description).to_string_lossy().into_owned();
        LLVMDisposeMessage(description);
        let frame = &*frame.cast::<Cell<Option<usize>>>();
        (LLVMGetDiagInfoSeverity(diagnostic), message, frame)
    };
    if let LLVMDiagnosticSeverity::LLVMDSError = severity {
        // Code that is wrong is what comes next.
        give_up(message);
    }
    if let Some(size) = frame_size(&message) {
        frame.set(Some(size));
    }
}

/// The size in "module.wasm:0:0: stack frame size (120) exceeds limit (0) in function 'f'".
fn frame_size(message: &str) -> Option<usize> {
    let (_, size) = message.split_once("stack frame size (")?;
    size.split_once(')')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_found_in_what_llvm_says_of_frames_and_nowhere_else() {
        let message = "stack frame size (120) exceeds limit (0) in function 'f'";
        assert_eq!(frame_size(message), Some(120));
        let located = format!("module.wasm:0:0: {message}");
        assert_eq!(frame_size(&located), Some(120));
        assert_eq!(frame_size("loop not vectorized (3)"), None);
    }
}
