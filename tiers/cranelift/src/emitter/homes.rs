//! Values that a whole function needs: its context, the bases of its memories, where results go. Each has
//! a home, a stack slot of its own, from which a block that needs it loads it once.
//!
//! Were they ordinary values used in many blocks, the single-pass register allocator would keep them in
//! spill slots and load them again for every single use. Where locals are values, so are these.

use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, StackSlot, StackSlotData, StackSlotKind, Value};
use upshift_module::MemoryIndex;
use upshift_runtime::offsets;

use super::state::ClifEmitter;

/// The values that have a home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resident {
    /// The context.
    Context,
    /// Where results are returned through memory.
    Results,
    /// The base address of a memory. It never changes.
    Memory(MemoryIndex),
}

/// A resident that the function has used.
pub(super) struct Home {
    resident: Resident,
    /// Made when a block other than the first needs it.
    slot: Option<StackSlot>,
    /// Its value, where the current block has it.
    known: Option<Value>,
}

impl ClifEmitter<'_> {
    /// States that the current, first block has this resident's value.
    pub(super) fn move_in(&mut self, resident: Resident, value: Value) {
        let known = Some(value);
        self.scratch.homes.push(Home {
            resident,
            slot: None,
            known,
        });
    }

    /// The context.
    pub(super) fn context(&mut self) -> Value {
        self.resident(Resident::Context)
    }

    /// A resident's value in the current block.
    pub(super) fn resident(&mut self, resident: Resident) -> Value {
        let mut homes = self.scratch.homes.iter();
        let index = homes
            .position(|home| home.resident == resident)
            .unwrap_or_else(|| {
                self.scratch.homes.push(Home {
                    resident,
                    slot: None,
                    known: None,
                });
                self.scratch.homes.len() - 1
            });
        if let Some(value) = self.scratch.homes[index].known {
            return value;
        }
        if self.as_values() {
            let value = self.in_prologue(|this| this.initial(resident));
            self.scratch.homes[index].known = Some(value);
            return value;
        }
        let slot = self.scratch.homes[index].slot.unwrap_or_else(|| {
            let slot = self.new_home(resident);
            self.scratch.homes[index].slot = Some(slot);
            slot
        });
        let address = self.cursor.ins().stack_addr(I64, slot, 0);
        let value = self.load_at(I64, self.flags.own, address, 0);
        self.scratch.homes[index].known = Some(value);
        value
    }

    fn new_home(&mut self, resident: Resident) -> StackSlot {
        let data = StackSlotData::new(StackSlotKind::ExplicitSlot, 8, 3);
        let slot = self.cursor.func.create_sized_stack_slot(data);
        self.in_prologue(|this| {
            let value = this.initial(resident);
            let address = this.cursor.ins().stack_addr(I64, slot, 0);
            this.store_at(this.flags.own, value, address, 0);
        });
        slot
    }

    /// Its value where the function begins.
    fn initial(&mut self, resident: Resident) -> Value {
        match resident {
            Resident::Context => self.entry_context,
            // Asked for by functions that have it only.
            Resident::Results => self.entry_results.unwrap_or(self.entry_context),
            Resident::Memory(MemoryIndex::FIRST) => {
                let offset = offsets::VMCONTEXT_MEMORY0_BASE;
                self.load_at(I64, self.flags.fixed, self.entry_context, offset)
            }
            Resident::Memory(memory) => {
                let offset = self.unit.offsets.memory(memory);
                let record = self.load_at(I64, self.flags.fixed, self.entry_context, offset);
                self.load_at(I64, self.flags.fixed, record, offsets::VMMEMORY_BASE)
            }
        }
    }

    /// Forgets the residents' values.
    pub(super) fn forget_residents(&mut self) {
        for home in &mut self.scratch.homes {
            home.known = None;
        }
    }
}
