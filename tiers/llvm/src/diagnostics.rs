//! LLVM's messages about a compile: sizes of frames, and errors, at which it would end the process.
//!
//! LLVM compares the stack pointer before it takes a frame, or not at all, so a frame has to fit into the space
//! below the limit: larger ones are refused. For an entry at a loop the runtime makes room.

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
use upshift_runtime::MOST_UNCHECKED_FRAME;

use crate::fatal::give_up;

/// A context that tells how large frames became.
pub(crate) struct ListenedContext {
    // Before the object that it writes to, for fields are dropped in this order.
    context: Context,
    frames: Box<Frames>,
}

/// Sizes of frames, in bytes.
#[derive(Default)]
struct Frames {
    /// That of the function which was asked about.
    asked: Cell<usize>,
    /// The largest of others that are too large.
    largest: Cell<usize>,
}

impl ListenedContext {
    pub fn new() -> Self {
        let context = Context::create();
        let frames = Box::<Frames>::default();
        let place: *const Frames = &*frames;
        // SAFETY: the context is alive. The handler keeps to the signature, and is called with a place that outlives the
        // context, by the thread that has the context.
        unsafe {
            LLVMContextSetDiagnosticHandler(
                (&context).as_ctx_ref(),
                Some(on_diagnostic),
                place.cast_mut().cast(),
            );
        }
        Self { context, frames }
    }

    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The size of the frame of the function that was asked about, once there is code of it: 0 where it has none.
    pub fn frame_size(&self) -> usize {
        self.frames.asked.get()
    }

    /// The size of a frame that is too large, once there is code of it.
    pub fn too_large_frame(&self) -> Option<usize> {
        Some(self.frames.largest.get()).filter(|&size| size > 0)
    }
}

/// Asks how large a function's frame becomes: LLVM warns of each that is larger than nothing.
pub(crate) fn ask_for_frame_size(context: &Context, function: FunctionValue<'_>) {
    warn_above(context, function, ASKED);
}

/// Has LLVM warn of a function's frame if it is too large.
pub(crate) fn bound_frame(context: &Context, function: FunctionValue<'_>) {
    warn_above(context, function, MOST_UNCHECKED_FRAME);
}

/// The limit of the function that is asked about.
const ASKED: usize = 0;

fn warn_above(context: &Context, function: FunctionValue<'_>, limit: usize) {
    let limit = limit.to_string();
    let attribute: Attribute = context.create_string_attribute("warn-stack-size", &limit);
    function.add_attribute(AttributeLoc::Function, attribute);
}

extern "C" fn on_diagnostic(diagnostic: LLVMDiagnosticInfoRef, frames: *mut c_void) {
    // SAFETY: LLVM passes a diagnostic that lives as long as this call, and the place that the handler was set with. The
    // message is a C string that is ours to dispose of.
    let (severity, message, frames) = unsafe {
        let description = LLVMGetDiagInfoDescription(diagnostic);
        let message = CStr::from_ptr(description).to_string_lossy().into_owned();
        LLVMDisposeMessage(description);
        let frames = &*frames.cast::<Frames>();
        (LLVMGetDiagInfoSeverity(diagnostic), message, frames)
    };
    if let LLVMDiagnosticSeverity::LLVMDSError = severity {
        // Wrong code comes next.
        give_up(message);
    }
    if let Some(frame) = frame_of(&message) {
        match frame.limit {
            ASKED => frames.asked.set(frame.size),
            _ => frames.largest.set(frames.largest.get().max(frame.size)),
        }
    }
}

/// LLVM's account of a frame, in bytes.
#[derive(Debug, PartialEq)]
struct FrameWarning {
    size: usize,
    limit: usize,
}

/// The frame in "module.wasm:0:0: stack frame size (120) exceeds limit (0) in function 'f'".
fn frame_of(message: &str) -> Option<FrameWarning> {
    let (_, rest) = message.split_once("stack frame size (")?;
    let (size, rest) = rest.split_once(") exceeds limit (")?;
    let (limit, _) = rest.split_once(')')?;
    Some(FrameWarning {
        size: size.parse().ok()?,
        limit: limit.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_found_in_what_llvm_says_of_frames_and_nowhere_else() {
        let message = "stack frame size (120) exceeds limit (0) in function 'f'";
        let (size, limit) = (120, 0);
        assert_eq!(frame_of(message), Some(FrameWarning { size, limit }));
        let located = format!("module.wasm:0:0: {message}");
        assert_eq!(frame_of(&located), Some(FrameWarning { size, limit }));
        assert_eq!(frame_of("loop not vectorized (3)"), None);
    }
}
