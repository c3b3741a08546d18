//! What the emitter claims where values leave a block or a function: at branches and on the way to their targets, at calls,
//! at the prologue and at returns.

use upshift_module::{FuncType, ValType};

use super::claims::{distance, halves_of, operand};
use super::values::{Area, Half, Pointer, Quad, ZERO, widened};
use super::{Checked, Checker, violation};
use crate::emitter::calls::{Argument, Arguments};
use crate::emitter::state::{
    Aside, Block, FRAME_TOP, FastEmitter, Label, Operand, RESULTS, Slot, home_behind, in_xmm,
};

/// Operands below a block's parameters that are looked at, from the top.
const LOOKED_AT: u32 = 256;

/// Where arguments that came on the stack are, from rbp.
const STACK_ARGUMENTS: i32 = 16;
/// Bytes of a cell for a result.
const RESULT_CELL: i32 = 16;

/// A value on the way to a block.
#[derive(Clone, Copy)]
pub(super) struct Moved {
    ty: ValType,
    from: u32,
    to: u32,
    /// What it is, once the way begins.
    value: Quad,
}

/// Where a block expects an operand of this type.
#[derive(Clone, Copy)]
struct Home {
    ty: ValType,
    /// From the first cell of the frame, in bytes.
    offset: u32,
}

impl Checker {
    // Branches.

    fn block(emitter: &FastEmitter<'_>, label: Label) -> Block {
        emitter.s.blocks[label]
    }

    /// The parameters of a block, and where they are at home.
    fn homes(emitter: &FastEmitter<'_>, target: Label) -> Vec<Home> {
        let block = Self::block(emitter, target);
        let types = &emitter.s.params[block.params.0 as usize..block.params.1 as usize];
        let mut end = emitter.end_of_homes(block.height);
        let next = |&ty: &ValType| {
            let home = home_behind(end, ty);
            end = home + ty.cell_size();
            Home { ty, offset: home }
        };
        types.iter().map(next).collect()
    }

    pub(super) fn check_ways(
        &mut self,
        emitter: &FastEmitter<'_>,
        ways: &[(Label, &[Slot])],
    ) -> Checked {
        for &(target, args) in ways {
            let homes = Self::homes(emitter, target);
            let detour = emitter.s.detours.get(self.detours.len());
            let detour = detour.filter(|detour| detour.target == target);
            if self.machine.is_live {
                let height = Self::block(emitter, target).height.min(emitter.height());
                for slot in height.saturating_sub(LOOKED_AT)..height {
                    if let Some(value) = self.value_of(emitter, slot)? {
                        self.check_home(emitter, slot, value)?;
                    }
                }
                for (&Home { ty, offset: home }, &arg) in homes.iter().zip(args) {
                    let Some(value) = self.value_of(emitter, arg)? else {
                        continue;
                    };
                    if detour.is_some() {
                        self.check_home(emitter, arg, value)?;
                        continue;
                    }
                    let count = halves_of(ty);
                    let found = self.machine.read_frame(Area::Cells, distance(home), count);
                    let block = target.as_u32();
                    let claim =
                        || format!("operand {arg} is where block {block} expects it, at {home:#x}");
                    self.check_same(claim, &value[..count], &found[..count])?;
                }
            }
            if detour.is_some() {
                let moved = |(&Home { ty, offset: to }, &arg): (&Home, &Slot)| Moved {
                    ty,
                    from: emitter.home_offset(arg),
                    to,
                    value: [ZERO; 4],
                };
                self.detours
                    .push(homes.iter().zip(args).map(moved).collect());
            }
        }
        Ok(())
    }

    pub(super) fn begin_detour(&mut self, index: usize) -> Checked {
        self.begin_label();
        if let Some(moves) = self.detours.get_mut(index) {
            for moved in moves {
                let count = halves_of(moved.ty);
                moved.value = self
                    .machine
                    .read_frame(Area::Cells, distance(moved.from), count);
            }
        }
        Ok(())
    }

    pub(super) fn end_detour(&mut self, index: usize) -> Checked {
        let Some(moves) = self.detours.get_mut(index) else {
            return violation("a detour belongs to a branch", "one", "none".to_owned());
        };
        for Moved {
            ty,
            from,
            to,
            value,
        } in std::mem::take(moves)
        {
            let count = halves_of(ty);
            let found = self.machine.read_frame(Area::Cells, distance(to), count);
            let claim = || format!("a branch moves an operand from {from:#x} to {to:#x}");
            self.check_same(claim, &value[..count], &found[..count])?;
        }
        Ok(())
    }

    // The second arm of an `if`.

    pub(super) fn check_aside(&mut self, emitter: &FastEmitter<'_>, operands: &[Slot]) -> Checked {
        let first = emitter.s.asides.len() - operands.len();
        self.asides.resize(first, [ZERO; 4]);
        for (&Aside { ty, depth, .. }, &slot) in emitter.s.asides[first..].iter().zip(operands) {
            let count = halves_of(ty);
            let place = -distance(FRAME_TOP + depth);
            let aside = self.machine.read_frame(Area::Top, place, count);
            self.asides.push(aside);
            if !self.machine.is_live {
                continue;
            }
            if let Some(value) = self.value_of(emitter, slot)? {
                let claim = || format!("operand {slot} was set aside");
                self.check_same(claim, &value[..count], &aside[..count])?;
            }
        }
        Ok(())
    }

    pub(super) fn check_taken_back(&mut self, emitter: &FastEmitter<'_>, count: usize) -> Checked {
        let height = emitter.s.operands.len();
        let slots = (height - count) as Slot..height as Slot;
        let first = self.asides.len().saturating_sub(count);
        let asides: Vec<Quad> = self.asides.drain(first..).collect();
        for (slot, aside) in slots.zip(asides) {
            let Some(value) = self.value_of(emitter, slot)? else {
                continue;
            };
            let Operand { ty, .. } = operand(emitter, slot);
            let halves = halves_of(ty);
            let claim = || format!("operand {slot} is what was set aside");
            self.check_same(claim, &aside[..halves], &value[..halves])?;
        }
        Ok(())
    }

    // Calls.

    /// A value is where a callee, or a caller, has an argument.
    fn check_argument(
        &mut self,
        claim: impl Fn() -> String,
        argument: &Argument,
        value: &[Half],
    ) -> Checked {
        let found = match *argument {
            Argument::Gpr(register) => widened(self.machine.gprs[usize::from(register.0)]),
            Argument::Xmm(register) => self.machine.xmms[usize::from(register.0)],
            Argument::Stack(offset) => {
                let place = distance(offset) - self.machine.lowered;
                self.machine.read_frame(Area::Cells, place, value.len())
            }
        };
        self.check_same(claim, value, &found[..value.len()])
    }

    pub(super) fn check_arguments(
        &mut self,
        emitter: &FastEmitter<'_>,
        ty: &FuncType,
        args: &[Slot],
        area: u32,
    ) -> Checked {
        if !self.machine.is_live {
            return Ok(());
        }
        let mut places = Arguments::new();
        for (index, (&param, &arg)) in ty.params().iter().zip(args).enumerate() {
            let place = places.next(param);
            if let Some(value) = self.value_of(emitter, arg)? {
                let claim = || format!("operand {arg} is argument {index} of the call");
                self.check_argument(claim, &place, &value[..halves_of(param)])?;
            }
        }
        if ty.results().len() < 2 {
            return Ok(());
        }
        let pointer = match places.next(ValType::I64) {
            Argument::Gpr(register) => self.machine.gprs[usize::from(register.0)],
            Argument::Stack(offset) => {
                let place = distance(offset) - self.machine.lowered;
                let [low, high, ..] = self.machine.read_frame(Area::Cells, place, 2);
                [low, high]
            }
            Argument::Xmm(_) => {
                return violation("a pointer is no float", "none", "one".to_owned());
            }
        };
        let cells = Pointer::Frame(Area::Cells, distance(area) - self.machine.lowered);
        if self.machine.values.pointer(pointer) != Some(cells) {
            let found = self.machine.values.describe(&pointer);
            return violation(
                "the callee is told where results go",
                format!("{cells:?}"),
                found,
            );
        }
        Ok(())
    }

    pub(super) fn check_results(
        &mut self,
        emitter: &FastEmitter<'_>,
        types: &[ValType],
        area: u32,
        results: &[Slot],
    ) -> Checked {
        if types.len() < 2 || !self.machine.is_live {
            return Ok(());
        }
        let mut place = distance(area) - self.machine.lowered;
        for (&ty, &result) in types.iter().zip(results) {
            let value = self.machine.read_frame(Area::Cells, place, halves_of(ty));
            self.check_home(emitter, result, value)?;
            place += RESULT_CELL;
        }
        Ok(())
    }

    // The function itself.

    /// Parameters are in their cells, other locals are zero, and it is known where results go.
    pub(super) fn check_prologue(&mut self, emitter: &FastEmitter<'_>) -> Checked {
        let mut arguments = Arguments::new();
        let mut params = emitter.ty.params().iter();
        for (local, &ty) in &emitter.s.locals {
            let count = halves_of(ty);
            let cell = self.local(emitter, local);
            let expected = match params.next() {
                Some(&param) => {
                    let argument = arguments.next(param);
                    self.parameter(&argument, count)
                }
                None => [ZERO; 4],
            };
            let claim = || format!("local {local} is in its cell at the function's beginning");
            self.check_same(claim, &expected[..count], &cell[..count])?;
        }
        if emitter.ty.results().len() > 1 {
            let argument = arguments.next(ValType::I64);
            let expected = self.parameter(&argument, 2);
            let found = self.machine.read_frame(Area::Top, RESULTS, 2);
            let claim = || "it is kept where results go".to_owned();
            self.check_same(claim, &expected[..2], &found[..2])?;
            let results = self
                .machine
                .values
                .new_pointer(Pointer::Frame(Area::Results, 0));
            self.machine.write_frame(Area::Top, RESULTS, &results);
        }
        self.machine.end_prologue();
        Ok(())
    }

    /// What the caller has given.
    fn parameter(&mut self, argument: &Argument, count: usize) -> Quad {
        match *argument {
            Argument::Gpr(register) => widened(self.machine.callers[usize::from(register.0)]),
            Argument::Xmm(register) => self.machine.callers_xmms[usize::from(register.0)],
            Argument::Stack(offset) => {
                let place = STACK_ARGUMENTS + distance(offset);
                self.machine.read_frame(Area::Top, place, count)
            }
        }
    }

    pub(super) fn check_returned(&mut self, emitter: &FastEmitter<'_>, values: &[Slot]) -> Checked {
        if !self.machine.is_live {
            return Ok(());
        }
        let mut place = 0;
        for (index, (&ty, &slot)) in emitter.ty.results().iter().zip(values).enumerate() {
            let cell = place;
            place += RESULT_CELL;
            let Some(value) = self.value_of(emitter, slot)? else {
                continue;
            };
            let count = halves_of(ty);
            let found = match values.len() {
                1 if in_xmm(ty) => self.machine.xmms[0],
                1 => widened(self.machine.gprs[0]),
                _ => self.machine.read_frame(Area::Results, cell, count),
            };
            let claim = || format!("operand {slot} is result {index}");
            self.check_same(claim, &value[..count], &found[..count])?;
        }
        Ok(())
    }
}
