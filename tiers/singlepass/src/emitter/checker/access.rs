//! What instructions of the checker's machine may access, and what they find there: the frame, what the context leads to,
//! and linear memories and tables at indices whose upper half is zero.

use iced_x86::{Instruction, MemorySize, Mnemonic, Register};
use upshift_module::{EntityRef, FuncIndex, GlobalIndex, MemoryIndex, TableIndex};
use upshift_runtime::{GlobalLocation, offsets};
use upshift_translate::{MemoryStyle, ModuleUnit};

use super::machine::{Flags, Machine};
use super::values::{Area, Pair, Pointer, Quad, ZERO, known_vector, widened};
use super::{Checked, violation};
use crate::asm::Assembler;

/// Bytes of a pointer, and of a function's record.
const POINTER: i32 = 8;
const REFERENCE: i32 = 24;

/// Where an instruction's operand in memory is.
#[derive(Clone, Copy)]
pub(super) enum Target {
    Frame(Area, i32),
    /// At a distance from what a pointer points to; of an index, at an unknown distance.
    Pointed(Pointer, i32),
    /// A constant behind the code.
    Constant(u128),
}

/// The parts of a context, in bytes from its start.
pub(super) struct Layout {
    memories: (i32, i32),
    tables: (i32, i32),
    imported_globals: (i32, i32),
    funcrefs: (i32, i32),
    /// Whether accesses are compared with their memory's length.
    compares_lengths: bool,
}

impl Layout {
    pub(super) fn new(unit: &ModuleUnit) -> Self {
        let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        let part = |start: i32, size: i32, n: usize| (start, start + size * count(n));
        let (module, offsets) = (&unit.module, &unit.offsets);
        let imported_globals = match offsets.global(GlobalIndex::new(0)) {
            GlobalLocation::Pointer(start) => {
                part(start, POINTER, module.imported.globals as usize)
            }
            GlobalLocation::Inline(_) => (0, 0),
        };
        Self {
            memories: part(
                offsets.memory(MemoryIndex::FIRST),
                POINTER,
                module.memories.len(),
            ),
            tables: part(
                offsets.table(TableIndex::new(0)),
                POINTER,
                module.tables.len(),
            ),
            imported_globals,
            funcrefs: part(
                offsets.funcref(FuncIndex::new(0)),
                REFERENCE,
                module.functions.len(),
            ),
            compares_lengths: unit.settings.memory == MemoryStyle::Checked,
        }
    }

    /// What is behind a pointer in the context.
    fn in_context(&self, at: i32) -> Option<Pointer> {
        let is_in = |(start, end): (i32, i32)| (start..end).contains(&at);
        Some(match at {
            offsets::VMCONTEXT_STORE => Pointer::Store,
            offsets::VMCONTEXT_SLOTS => Pointer::Slots,
            offsets::VMCONTEXT_BUILTINS => Pointer::Builtins,
            offsets::VMCONTEXT_TYPE_IDS => Pointer::TypeIds,
            offsets::VMCONTEXT_MEMORY0_BASE => Pointer::MemoryBase,
            _ if is_in(self.memories) => Pointer::Memory,
            _ if is_in(self.tables) => Pointer::Table,
            _ if is_in(self.imported_globals) => Pointer::Global,
            _ if is_in(self.funcrefs) => return in_reference((at - self.funcrefs.0) % REFERENCE),
            _ => return None,
        })
    }
}

/// What is behind a pointer in a function's record.
fn in_reference(at: i32) -> Option<Pointer> {
    match at {
        offsets::VMFUNCREF_SLOT => Some(Pointer::CodeSlot),
        offsets::VMFUNCREF_VMCTX => Some(Pointer::CalleeContext),
        _ => None,
    }
}

/// Halves of a number of bytes.
pub(super) fn halves(bytes: usize) -> usize {
    bytes.div_ceil(4)
}

/// Bytes of an instruction's operand in memory.
pub(super) fn bytes_in_memory(instruction: &Instruction) -> usize {
    match instruction.memory_size() {
        MemorySize::Unknown => 8,
        size => size.size(),
    }
}

impl Machine {
    /// A general-purpose register.
    pub(super) fn gpr(&mut self, register: Register) -> Pair {
        match register.full_register() {
            Register::RSP => {
                let here = Pointer::Frame(Area::Cells, -self.lowered);
                self.values.new_pointer(here)
            }
            full => self.gprs[full.number()],
        }
    }

    /// Where an operand in memory is, or a violation if nothing may be accessed there.
    pub(super) fn target(&mut self, instruction: &Instruction, asm: &Assembler) -> Checked<Target> {
        let displacement = instruction.memory_displacement32().cast_signed();
        if instruction.is_ip_rel_memory_operand() {
            // The distance is not filled in yet.
            let end = instruction.next_ip32();
            let Some(bits) = asm.constant_used_before(end) else {
                return violation(
                    "what is read behind the code is a constant",
                    "one",
                    "none".to_owned(),
                );
            };
            return Ok(Target::Constant(bits));
        }
        let base = self.gpr(instruction.memory_base());
        let Some(pointer) = self.values.pointer(base) else {
            let claim = format!(
                "{:?} is a pointer where it is followed",
                instruction.memory_base()
            );
            return violation(
                claim,
                "a pointer to what the engine owns",
                self.values.describe(&base),
            );
        };
        let is_guests = pointer == Pointer::MemoryBase;
        if is_guests {
            self.guest_accesses.push(instruction.ip32());
            self.check_length()?;
        }
        if instruction.memory_index() != Register::None {
            self.check_index(instruction, pointer, displacement)?;
        } else if is_guests && displacement < 0 {
            let found = format!("{displacement:#x}");
            return violation(
                "an access is behind the memory's base",
                "a distance upwards",
                found,
            );
        }
        Ok(match pointer {
            Pointer::Frame(area, offset) => Target::Frame(area, offset + displacement),
            pointer => Target::Pointed(pointer, displacement),
        })
    }

    /// Where accesses are compared with the memory's length, this one was.
    fn check_length(&self) -> Checked {
        let is_length = |flags: &Flags| {
            let [low, high, ..] = flags.right;
            flags.by == Mnemonic::Cmp && self.values.is_length([low, high])
        };
        if !self.layout.compares_lengths || self.compared.iter().any(is_length) {
            return Ok(());
        }
        violation(
            "an access is compared with the memory's length",
            "a comparison",
            "none".to_owned(),
        )
    }

    /// An index was compared with how many elements there are: those of a table, or a number in the code.
    fn check_bound(&self, register: Register, index: Pair, pointer: Pointer) -> Checked {
        let is_bound = |flags: &Flags| {
            let [low, high, ..] = flags.left;
            let [bound_low, bound_high, ..] = flags.right;
            flags.by == Mnemonic::Cmp
                && match pointer {
                    Pointer::TableBase => {
                        [low, high] == index && self.values.is_elements([bound_low, bound_high])
                    }
                    _ => low == index[0],
                }
        };
        if self.compared.iter().any(is_bound) {
            return Ok(());
        }
        let claim = format!("{register:?} is compared with the number of elements");
        violation(claim, "a comparison", "none".to_owned())
    }

    /// What is added to a pointer is an index.
    fn check_index(
        &mut self,
        instruction: &Instruction,
        pointer: Pointer,
        displacement: i32,
    ) -> Checked {
        let register = instruction.memory_index();
        let index = self.gpr(register);
        let scale = match pointer {
            Pointer::MemoryBase => 1,
            Pointer::TableBase => 8,
            Pointer::Code => 4,
            other => {
                let claim = format!("{register:?} is added to memory or a table");
                return violation(claim, "the base of one", format!("{other:?}"));
            }
        };
        // The sum of an index and an offset has no displacement besides.
        let is_sum =
            self.values.is_sum(index) && displacement == 0 && pointer == Pointer::MemoryBase;
        if index[1] != ZERO && !is_sum {
            let claim = format!("{register:?} is an index: its upper half is zero");
            return violation(claim, "0x0", self.values.describe(&index[1..]));
        }
        if instruction.memory_index_scale() != scale || displacement < 0 {
            let found = format!(
                "times {}, plus {displacement:#x}",
                instruction.memory_index_scale()
            );
            return violation(
                "an element is addressed as what it is",
                format!("times {scale}"),
                found,
            );
        }
        match pointer {
            Pointer::TableBase | Pointer::Code => self.check_bound(register, index, pointer),
            _ => Ok(()),
        }
    }

    /// What an instruction loads.
    pub(super) fn load(&mut self, target: Target, bytes: usize) -> Quad {
        match target {
            Target::Frame(area, offset) if bytes >= 4 => {
                self.read_frame(area, offset, halves(bytes))
            }
            Target::Constant(bits) => {
                let mut quad = known_vector(bits);
                quad[halves(bytes).min(4)..].fill(ZERO);
                quad
            }
            Target::Pointed(pointer, at) if bytes == 8 => widened(self.load_pointer(pointer, at)),
            _ => {
                let mut quad = self.values.new_quad();
                quad[halves(bytes).min(4)..].fill(ZERO);
                quad
            }
        }
    }

    fn load_pointer(&mut self, pointer: Pointer, at: i32) -> Pair {
        let found = match (pointer, at) {
            (Pointer::Context, at) => self.layout.in_context(at),
            (Pointer::Memory, offsets::VMMEMORY_BASE) => Some(Pointer::MemoryBase),
            (Pointer::Memory, offsets::VMMEMORY_LENGTH) => return self.values.new_length(),
            (Pointer::Table, offsets::VMTABLE_LENGTH) => return self.values.new_elements(),
            (Pointer::Table, offsets::VMTABLE_BASE) => Some(Pointer::TableBase),
            (Pointer::TableBase, _) => Some(Pointer::Reference),
            (Pointer::Reference, at) => in_reference(at),
            _ => None,
        };
        match found {
            Some(pointer) => self.values.new_pointer(pointer),
            None => self.values.new_pair(),
        }
    }

    /// What an instruction stores.
    pub(super) fn store(&mut self, target: Target, quad: Quad, bytes: usize) -> Checked {
        match target {
            Target::Frame(Area::Cells, offset) if offset < -self.lowered => violation(
                "nothing is stored below rsp",
                "a place above",
                format!("{offset:#x}"),
            ),
            Target::Frame(area, offset) => {
                let mut stored = quad;
                if bytes < 4 {
                    stored = self.values.new_quad();
                }
                self.write_frame(area, offset, &stored[..halves(bytes)]);
                Ok(())
            }
            Target::Pointed(
                Pointer::Context
                | Pointer::Store
                | Pointer::MemoryBase
                | Pointer::TableBase
                | Pointer::Table
                | Pointer::Global,
                _,
            ) => Ok(()),
            Target::Pointed(other, _) => violation(
                "a store goes to what code may change",
                "one of these",
                format!("{other:?}"),
            ),
            Target::Constant(_) => violation(
                "a store goes to what code may change",
                "no constant",
                "one".to_owned(),
            ),
        }
    }
}
