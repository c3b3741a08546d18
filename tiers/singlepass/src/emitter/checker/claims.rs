//! What the emitter claims between two of its calls, compared with what the machine holds: locals in registers, operands in
//! registers, at home or to be compared, and stores and accesses that nobody else may make.

use iced_x86::Mnemonic;
use upshift_module::{LocalIndex, ValType};
use upshift_runtime::{TrapCode, TrapSite};
use upshift_translate::FloatType;

use super::machine::{Flags, Store};
use super::values::{Area, Half, Quad, ZERO, known, known_vector, widened};
use super::{Checked, Checker, violation};
use crate::asm::Width;
use crate::emitter::state::{Comparison, FastEmitter, IntOperand, Operand, Pending, Place, Slot};

/// Operands that are looked at between two calls, from the top.
const LOOKED_AT: u32 = 64;

/// Trap records that one operator makes at most.
const TRAPS_OF_AN_OPERATOR: usize = 8;

/// What an operand is, from when it was pushed or, in a later block, first looked at there.
#[derive(Clone, Copy)]
pub(super) enum Known {
    New,
    /// In the block with this number.
    Value(u32, Quad),
    Comparison(u32, Compared),
}

/// What a comparison compares.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Compared {
    left: Quad,
    right: Quad,
    halves: usize,
}

impl Compared {
    /// Whether flags are those of this comparison.
    fn made(&self, flags: &Flags) -> bool {
        let halves = ..self.halves;
        let with_itself = flags.by == Mnemonic::Test
            && flags.right[halves] == flags.left[halves]
            && self.right[halves].iter().all(|&half| half == ZERO);
        flags.halves >= self.halves
            && flags.left[halves] == self.left[halves]
            && (flags.right[halves] == self.right[halves] || with_itself)
    }
}

/// Halves of a value of this type.
pub(super) fn halves_of(ty: ValType) -> usize {
    match ty {
        ValType::I32 | ValType::F32 => 1,
        ValType::V128 => 4,
        _ => 2,
    }
}

/// An operand, as the emitter has it.
pub(super) fn operand(emitter: &FastEmitter<'_>, slot: Slot) -> Operand {
    emitter.s.operands[slot as usize]
}

/// A local's type.
pub(super) fn local_type(emitter: &FastEmitter<'_>, local: LocalIndex) -> ValType {
    emitter.s.locals[local]
}

/// A distance within the frame.
pub(super) fn distance(offset: u32) -> i32 {
    offset.cast_signed()
}

impl Checker {
    /// Everything that is claimed between two calls.
    pub(super) fn check_all(&mut self, emitter: &FastEmitter<'_>) -> Checked {
        if self.machine.is_live {
            self.check_frame(emitter)?;
            self.check_accesses(emitter)?;
            // Behind a jump, the arguments lie where operands were.
            if !matches!(emitter.pending, Pending::Jump(_)) {
                let height = emitter.height();
                for slot in height.saturating_sub(LOOKED_AT)..height {
                    self.settle(emitter, slot)?;
                    self.check_operand(emitter, slot)?;
                }
                self.check_registers(emitter)?;
            }
        }
        if !matches!(emitter.pending, Pending::Branch { .. }) {
            self.machine.awaited = None;
        }
        self.machine.stores.clear();
        self.machine.guest_accesses.clear();
        self.machine.compared.clear();
        Ok(())
    }

    // Operands.

    fn known(&self, slot: Slot) -> Known {
        match self.operands.get(slot as usize) {
            Some(&(Known::Value(epoch, _) | Known::Comparison(epoch, _)))
                if epoch != self.epoch =>
            {
                Known::New
            }
            Some(&known) => known,
            None => Known::New,
        }
    }

    fn set_known(&mut self, slot: Slot, known: Known) {
        let index = slot as usize;
        if self.operands.len() <= index {
            self.operands.resize(index + 1, Known::New);
        }
        self.operands[index] = known;
    }

    /// Takes note of an operand that is new, or of a number that a comparison has become.
    pub(super) fn settle(&mut self, emitter: &FastEmitter<'_>, slot: Slot) -> Checked {
        let Operand { ty, place, .. } = operand(emitter, slot);
        match (self.known(slot), place) {
            (Known::New, Place::Comparison(comparison)) => {
                let compared = self.compared(comparison);
                self.set_known(slot, Known::Comparison(self.epoch, compared));
            }
            (Known::Comparison(_, compared), place) if !matches!(place, Place::Comparison(_)) => {
                self.check_compared(slot, &compared)?;
                self.take_note(emitter, slot)?;
            }
            (Known::New, Place::Gpr(register)) if ty == ValType::I32 => {
                let [_, high] = &mut self.machine.gprs[usize::from(register.0)];
                if self.machine.values.is_truncated(*high) {
                    *high = ZERO;
                }
                self.take_note(emitter, slot)?;
            }
            (Known::New, _) => self.take_note(emitter, slot)?,
            _ => {}
        }
        Ok(())
    }

    pub(super) fn settle_all(&mut self, emitter: &FastEmitter<'_>, slots: &[Slot]) -> Checked {
        if self.machine.is_live {
            for &slot in slots {
                self.settle(emitter, slot)?;
            }
        }
        Ok(())
    }

    fn take_note(&mut self, emitter: &FastEmitter<'_>, slot: Slot) -> Checked {
        let Operand {
            ty, place, home, ..
        } = operand(emitter, slot);
        let value = self.value_at(emitter, ty, place, home);
        self.set_known(slot, Known::Value(self.epoch, value));
        Ok(())
    }

    /// What an operand is known to be. Of a comparison, this has to be made since the last boundary.
    pub(super) fn value_of(
        &mut self,
        emitter: &FastEmitter<'_>,
        slot: Slot,
    ) -> Checked<Option<Quad>> {
        self.settle(emitter, slot)?;
        match self.known(slot) {
            Known::Value(_, value) => Ok(Some(value)),
            Known::Comparison(_, compared) => {
                self.check_compared(slot, &compared)?;
                Ok(None)
            }
            Known::New => Ok(None),
        }
    }

    /// A comparison was made of what it was asked for.
    fn check_compared(&self, slot: Slot, compared: &Compared) -> Checked {
        if self
            .machine
            .compared
            .iter()
            .any(|flags| compared.made(flags))
        {
            return Ok(());
        }
        let text = |a: &Quad, b: &Quad| {
            let values = &self.machine.values;
            let halves = ..compared.halves;
            format!(
                "{} and {}",
                values.describe(&a[halves]),
                values.describe(&b[halves])
            )
        };
        let made = self.machine.compared.iter();
        let found: Vec<_> = made.map(|flags| text(&flags.left, &flags.right)).collect();
        let claim = format!("operand {slot} is the result of its comparison");
        violation(
            claim,
            text(&compared.left, &compared.right),
            found.join("; "),
        )
    }

    /// What is at a place.
    fn value_at(
        &mut self,
        emitter: &FastEmitter<'_>,
        ty: ValType,
        place: Place,
        home: u32,
    ) -> Quad {
        match place {
            Place::Gpr(register) => widened(self.machine.gprs[usize::from(register.0)]),
            Place::Xmm(register) => self.machine.xmms[usize::from(register.0)],
            Place::Constant(bits) => widened(known(bits)),
            Place::Vector(constant) => known_vector(emitter.s.asm.bits_of(constant)),
            Place::Home | Place::Comparison(_) => {
                self.machine
                    .read_frame(Area::Cells, distance(home), halves_of(ty))
            }
        }
    }

    fn compared(&self, comparison: Comparison) -> Compared {
        let gpr = |register: u8| widened(self.machine.gprs[usize::from(register)]);
        let xmm = |register: u8| self.machine.xmms[usize::from(register)];
        match comparison {
            Comparison::Int { width, a, b, .. } => Compared {
                left: gpr(a.0),
                right: match b {
                    IntOperand::Gpr(b) => gpr(b.0),
                    IntOperand::Constant(b) => widened(known(i64::from(b).cast_unsigned())),
                },
                halves: if width == Width::W32 { 1 } else { 2 },
            },
            Comparison::Float { ty, a, b, .. } => Compared {
                left: xmm(a.0),
                right: xmm(b.0),
                halves: if ty == FloatType::F32 { 1 } else { 2 },
            },
            Comparison::Vector { a, .. } => Compared {
                left: xmm(a.0),
                right: xmm(a.0),
                halves: 4,
            },
        }
    }

    /// An operand is everywhere where it is said to be.
    fn check_operand(&mut self, emitter: &FastEmitter<'_>, slot: Slot) -> Checked {
        let Operand {
            ty,
            place,
            at_home,
            home,
        } = operand(emitter, slot);
        let count = halves_of(ty);
        match (self.known(slot), place) {
            (Known::Value(_, value), place) => {
                let now = self.value_at(emitter, ty, place, home);
                self.check_same(
                    || format!("operand {slot} is {}", place_text(place)),
                    &value[..count],
                    &now[..count],
                )?;
                if at_home && place != Place::Home {
                    self.check_home(emitter, slot, value)?;
                }
            }
            (Known::Comparison(_, compared), Place::Comparison(comparison)) => {
                let now = self.compared(comparison);
                let halves = ..compared.halves;
                let claim = || format!("operand {slot} is {}", place_text(place));
                self.check_same(claim, &compared.left[halves], &now.left[halves])?;
                self.check_same(claim, &compared.right[halves], &now.right[halves])?;
            }
            _ => {}
        }
        if let (Place::Gpr(register), ValType::I32) = (place, ty) {
            self.check_short(|| format!("operand {slot}"), register.0)?;
        }
        Ok(())
    }

    /// An operand's home has it.
    pub(super) fn check_home(
        &mut self,
        emitter: &FastEmitter<'_>,
        slot: Slot,
        value: Quad,
    ) -> Checked {
        let Operand { ty, home, .. } = operand(emitter, slot);
        let count = halves_of(ty);
        let at_home = self.machine.read_frame(Area::Cells, distance(home), count);
        let claim = || format!("operand {slot} is at home, {home:#x} bytes above the first cell");
        self.check_same(claim, &value[..count], &at_home[..count])
    }

    pub(super) fn check_same(
        &self,
        claim: impl Fn() -> String,
        expected: &[Half],
        found: &[Half],
    ) -> Checked {
        if expected == found {
            return Ok(());
        }
        let values = &self.machine.values;
        violation(claim(), values.describe(expected), values.describe(found))
    }

    /// A register with an `i32` has zeros in its upper half.
    fn check_short(&self, what: impl Fn() -> String, register: u8) -> Checked {
        let [_, high] = self.machine.gprs[usize::from(register)];
        let claim = || {
            let what = what();
            format!("{what} is an i32: the upper half of register {register} is zero")
        };
        self.check_same(claim, &[ZERO], &[high])
    }

    // Registers.

    fn check_registers(&mut self, emitter: &FastEmitter<'_>) -> Checked {
        let unsettled = emitter.settled..emitter.height();
        let counts = (unsettled.len() <= LOOKED_AT as usize).then(|| {
            let mut counts = [[0u32; 16]; 2];
            for slot in unsettled {
                FastEmitter::each_register(emitter.place_of(slot), |is_float, register| {
                    counts[usize::from(is_float)][usize::from(register)] += 1;
                });
            }
            counts
        });
        for (is_float, registers) in [(false, &emitter.gprs), (true, &emitter.xmms)] {
            for (register, held) in (0u8..).zip(&registers.held) {
                let kind = if is_float {
                    "vector"
                } else {
                    "general-purpose"
                };
                if let Some(counts) = &counts {
                    let count = counts[usize::from(is_float)][usize::from(register)];
                    if count != held.operands {
                        let claim =
                            format!("{kind} register {register} has {} operands", held.operands);
                        return violation(claim, count.to_string(), held.operands.to_string());
                    }
                }
                if let Some(local) = held.local.expand() {
                    self.check_local(emitter, is_float, register, local)?;
                }
            }
        }
        Ok(())
    }

    /// A register has a local.
    fn check_local(
        &mut self,
        emitter: &FastEmitter<'_>,
        is_float: bool,
        register: u8,
        local: LocalIndex,
    ) -> Checked {
        let kind = if is_float {
            "vector"
        } else {
            "general-purpose"
        };
        let claim = || format!("local {local} is in {kind} register {register}");
        let other = emitter.s.known[local];
        if other != Some(register) {
            return violation(claim(), "that register", format!("register {other:?}"));
        }
        let ty = local_type(emitter, local);
        let count = halves_of(ty);
        let offset = distance(emitter.layout.local_offset(local));
        let cell = self.machine.read_frame(Area::Cells, offset, count);
        let held = if is_float {
            self.machine.xmms[usize::from(register)]
        } else {
            widened(self.machine.gprs[usize::from(register)])
        };
        self.check_same(claim, &cell[..count], &held[..count])?;
        if ty == ValType::I32 {
            self.check_short(|| format!("local {local}"), register)?;
        }
        Ok(())
    }

    /// A local, by its cell.
    pub(super) fn local(&mut self, emitter: &FastEmitter<'_>, local: LocalIndex) -> Quad {
        let offset = distance(emitter.layout.local_offset(local));
        let count = halves_of(local_type(emitter, local));
        self.machine.read_frame(Area::Cells, offset, count)
    }

    /// What was read of a local is the local.
    pub(super) fn check_read(
        &mut self,
        emitter: &FastEmitter<'_>,
        local: LocalIndex,
        result: Slot,
    ) -> Checked {
        if !self.machine.is_live {
            return Ok(());
        }
        let Some(value) = self.value_of(emitter, result)? else {
            return Ok(());
        };
        let count = halves_of(local_type(emitter, local));
        let cell = self.local(emitter, local);
        let claim = || format!("operand {result} is local {local}");
        self.check_same(claim, &cell[..count], &value[..count])
    }

    /// What was written to a local is in its cell, and nowhere else in those of locals.
    pub(super) fn check_write(
        &mut self,
        emitter: &FastEmitter<'_>,
        local: LocalIndex,
        value: Slot,
    ) -> Checked {
        if !self.machine.is_live {
            return Ok(());
        }
        let ty = local_type(emitter, local);
        let count = halves_of(ty);
        if let Some(value) = self.value_of(emitter, value)? {
            let cell = self.local(emitter, local);
            let claim = || format!("local {local} is in its cell");
            self.check_same(claim, &value[..count], &cell[..count])?;
        }
        let start = distance(emitter.layout.local_offset(local));
        let end = start + distance(ty.cell_size());
        let is_its = |store: &Store| start <= store.start && store.end <= end;
        self.machine.stores.retain(|store| !is_its(store));
        Ok(())
    }

    // Memory.

    /// Stores go to cells that the frame has, and to those of locals only where one is written.
    fn check_frame(&mut self, emitter: &FastEmitter<'_>) -> Checked {
        let values = &self.machine.values;
        let lowered = distance(emitter.lowered);
        if self.machine.lowered != lowered {
            let claim = "rsp is as low as it is said to be";
            let found = format!("{:#x}", self.machine.lowered);
            return violation(claim, format!("{lowered:#x}"), found);
        }
        let context = self.machine.gprs[3];
        if values.pointer(context) != Some(super::values::Pointer::Context) {
            return violation("rbx has the context", "it", values.describe(&context));
        }
        let locals = distance(emitter.layout.operands_offset());
        let end = distance(emitter.cells.next_multiple_of(16));
        for &Store { start, end: behind } in &self.machine.stores {
            if start >= 0 && (start < locals || behind > end) {
                let claim = "a store goes to the home of an operand";
                let found = format!("{start:#x} to {behind:#x}");
                return violation(claim, format!("{locals:#x} to {end:#x}"), found);
            }
        }
        Ok(())
    }

    /// Each access to linear memory has a trap's record.
    fn check_accesses(&self, emitter: &FastEmitter<'_>) -> Checked {
        for &position in &self.machine.guest_accesses {
            let record = TrapSite {
                code: position,
                trap: TrapCode::MemoryOutOfBounds,
            };
            let mut last = emitter.s.traps.iter().rev().take(TRAPS_OF_AN_OPERATOR);
            if !last.any(|&trap| trap == record) {
                let claim = format!("the access at {position:#x} may trap");
                return violation(claim, "a record of it", "none".to_owned());
            }
        }
        Ok(())
    }

    // Conditions.

    /// Flags are those of an operand that is asked for not being zero. They are awaited then.
    pub(super) fn check_condition(&mut self, emitter: &FastEmitter<'_>, slot: Slot) -> Checked {
        if !self.machine.is_live {
            return Ok(());
        }
        self.settle(emitter, slot)?;
        let compared = match self.known(slot) {
            Known::Comparison(_, compared) => compared,
            Known::Value(_, value) => Compared {
                left: value,
                right: [ZERO; 4],
                halves: 1,
            },
            Known::New => return Ok(()),
        };
        let flags = self.machine.flags;
        if !compared.made(&flags) {
            let values = &self.machine.values;
            let halves = ..compared.halves;
            let expected = values.describe(&compared.left[halves]);
            let found = format!("{} by {:?}", values.describe(&flags.left[halves]), flags.by);
            return violation(
                format!("flags are those of operand {slot}"),
                expected,
                found,
            );
        }
        self.machine.awaited = Some((flags.number, false));
        Ok(())
    }
}

/// For people.
fn place_text(place: Place) -> String {
    match place {
        Place::Home => "at home".to_owned(),
        Place::Gpr(register) => format!("in general-purpose register {}", register.0),
        Place::Xmm(register) => format!("in vector register {}", register.0),
        Place::Constant(bits) => format!("the constant {bits:#x}"),
        Place::Vector(_) => "a constant behind the code".to_owned(),
        Place::Comparison(_) => "a comparison that is still to be made".to_owned(),
    }
}
