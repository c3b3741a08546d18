//! Walks of the guest's frames. Both tiers keep frame pointers, and every exit from generated code is
//! noted in the store, so a walk needs no unwind tables: it follows frame pointers within an activation
//! and entry records from one activation to the one around it, which skips the host's frames.

use std::ptr;
use std::sync::Arc;

use upshift_module::{FuncIndex, Module, ModuleOffset, to_usize};

use crate::{EntryRecord, FoundCode, VMStore, find_code};

/// Frames kept of each end of a deep stack.
const MOST_FRAMES: usize = 96;

/// Return addresses of a walk. Fixed in size, so that a signal handler can fill it.
pub(crate) struct PcTrace {
    pcs: [usize; MOST_FRAMES],
    len: usize,
    /// Frames met after the room was used up.
    omitted: usize,
    /// Whether the first one is the address of the very instruction, not a return address.
    first_is_exact: bool,
}

impl Default for PcTrace {
    fn default() -> Self {
        Self {
            pcs: [0; MOST_FRAMES],
            len: 0,
            omitted: 0,
            first_is_exact: false,
        }
    }
}

impl PcTrace {
    /// Walks from the frame `pc`, `fp` of the activation `entry` outwards, through all activations of
    /// the same store. Async-signal-safe.
    ///
    /// # Safety
    /// `entry` is the store's innermost activation, running on this thread, and `fp` is its frame pointer
    /// in generated code at `pc`, or `entry`'s own where no frame of generated code was left.
    pub(crate) unsafe fn capture(
        &mut self,
        mut entry: *const EntryRecord,
        mut pc: usize,
        mut fp: usize,
        first_is_exact: bool,
    ) {
        (self.len, self.omitted, self.first_is_exact) = (0, 0, first_is_exact);
        // SAFETY: generated code keeps frame pointers, so from `fp` on there is a chain of saved frame
        // pointers and return addresses up to the entry stub's; entry records are alive while linked.
        unsafe {
            while let Some(record) = entry.as_ref() {
                while fp != record.fp {
                    self.push(pc);
                    pc = ptr::with_exposed_provenance::<usize>(fp + 8).read();
                    fp = ptr::with_exposed_provenance::<usize>(fp).read();
                }
                pc = record.previous_exit_pc;
                fp = record.previous_exit_fp;
                entry = record.previous_in_store;
            }
        }
    }

    fn push(&mut self, pc: usize) {
        match self.pcs.get_mut(self.len) {
            Some(free) => {
                *free = pc;
                self.len += 1;
            }
            None => self.omitted += 1,
        }
    }
}

/// The guest's frames at some moment, innermost first.
#[derive(Clone, Debug, Default)]
pub struct RawBacktrace {
    /// The innermost frames.
    pub frames: Vec<RawFrame>,
    /// How many more there were.
    pub omitted: usize,
}

/// One frame of a guest.
#[derive(Clone, Debug)]
pub struct RawFrame {
    /// The module.
    pub module: Arc<Module>,
    /// The function.
    pub function: FuncIndex,
    /// Where the operator that is being executed is in the module.
    pub offset: Option<ModuleOffset>,
}

impl RawBacktrace {
    /// The frames of a store whose generated code was left through a stub, or does not run.
    ///
    /// # Safety
    /// The store runs on this thread, or not at all, and nobody else uses it.
    pub(crate) unsafe fn of_store(store: *const VMStore) -> Self {
        let mut trace = PcTrace::default();
        // SAFETY: the last exit was noted by a stub of the innermost activation.
        unsafe { trace.capture((*store).entry, (*store).exit_pc, (*store).exit_fp, false) };
        Self::resolve(&trace)
    }

    pub(crate) fn resolve(trace: &PcTrace) -> Self {
        let mut frames = Vec::with_capacity(trace.len);
        let mut hidden_by_osr = false;
        for (i, &pc) in trace.pcs[..trace.len].iter().enumerate() {
            // A return address may be the first byte behind the code of the call.
            let pc = if i == 0 && trace.first_is_exact {
                pc
            } else {
                pc.wrapping_sub(1)
            };
            let Some(FoundCode { module, code }) = find_code(pc) else {
                continue;
            };
            // The frame that moved into an OSR entry waits below it for nothing.
            if std::mem::replace(&mut hidden_by_osr, code.loop_entry.is_some()) {
                continue;
            }
            let frame = |function, offset| RawFrame {
                module: Arc::clone(module.module()),
                function,
                offset,
            };
            let inlined = code.inlined.as_ref().map(|of| of.module_offsets_at(pc));
            match inlined {
                Some(offsets) if !offsets.is_empty() => {
                    frames.extend(offsets.into_iter().map(|offset| {
                        let function = module.module().function_at(to_usize(offset.as_u32()));
                        frame(function.unwrap_or(code.function), Some(offset))
                    }));
                }
                _ => frames.push(frame(code.function, code.module_offset_at(pc))),
            }
        }
        Self {
            frames,
            omitted: trace.omitted,
        }
    }
}
