//! A checker for what the emitter claims while it writes code: which register has which local, where each operand is, that
//! flags are still those of a condition, that an index has nothing in its upper half.
//!
//! A [`machine`] follows the instructions behind each of the emitter's calls. Its registers and its frame hold symbols, which
//! moves copy and every other instruction makes anew. The claims are then compared with what it holds ([`claims`]), as
//! regalloc2's checker does it for a register allocator: a value that is overwritten too early is found at the operator that
//! overwrites it, not where the program goes wrong, and without running it. Blocks know nothing of one another, so each is
//! checked alone.
//!
//! What an operator computes is not followed: that is the business of tests that run the code.

mod access;
mod claims;
mod instructions;
mod machine;
#[cfg(test)]
mod tests;
mod values;
mod ways;

use std::fmt::Write as _;

use iced_x86::{Decoder, DecoderOptions, Formatter, GasFormatter};
use upshift_module::{FuncType, LocalIndex, ValType};
use upshift_translate::ModuleUnit;

use self::access::Layout;
use self::claims::Known;
use self::machine::Machine;
use self::values::Quad;
use self::ways::Moved;
use super::state::{FastEmitter, Label, Slot};

/// A claim that does not hold.
struct Violation {
    claim: String,
    expected: String,
    found: String,
}

/// What following instructions and comparing claims comes to.
type Checked<T = ()> = Result<T, Box<Violation>>;

#[cold]
fn violation<T>(
    claim: impl Into<String>,
    expected: impl Into<String>,
    found: String,
) -> Checked<T> {
    Err(Box::new(Violation {
        claim: claim.into(),
        expected: expected.into(),
        found,
    }))
}

/// Follows one function's code.
pub(super) struct Checker {
    machine: Machine,
    /// What operands are, by their heights.
    operands: Vec<Known>,
    /// How many labels there were.
    epoch: u32,
    /// What was set aside for the second arms of `if`s.
    asides: Vec<Quad>,
    /// What each detour has to move.
    detours: Vec<Vec<Moved>>,
}

impl Checker {
    pub(super) fn new(unit: &ModuleUnit) -> Self {
        Self {
            machine: Machine::new(Layout::new(unit)),
            operands: Vec::new(),
            epoch: 0,
            asides: Vec::new(),
            detours: Vec::new(),
        }
    }

    /// States that an operand was pushed.
    pub(super) fn pushed(&mut self, slot: Slot) {
        self.operands.truncate(slot as usize);
    }

    fn begin_label(&mut self) {
        self.machine.begin_label();
        self.epoch += 1;
    }

    fn report(&self, emitter: &FastEmitter<'_>, violation: &Violation) -> String {
        let function = emitter.module.function_index(emitter.function);
        let Violation {
            claim,
            expected,
            found,
        } = violation;
        let mut text = format!(
            "the single pass's code is not what it claims: function {function}, the operator at {:#x}: {claim}\n\
             expected: {expected}\n\
             found:    {found}\n\
             The last instructions:\n",
            emitter.offset.as_u32(),
        );
        let mut formatter = GasFormatter::new();
        let code = emitter.s.asm.code();
        for &position in self.machine.recent.iter() {
            let Some(bytes) = code.get(position as usize..) else {
                continue;
            };
            let mut decoder = Decoder::with_ip(64, bytes, position.into(), DecoderOptions::NONE);
            let mut line = String::new();
            formatter.format(&decoder.decode(), &mut line);
            // Writing to a string does not fail.
            let _ = writeln!(text, "{position:6x}:  {line}");
        }
        text
    }
}

impl FastEmitter<'_> {
    /// Follows the code so far, and has something checked, if claims are.
    ///
    /// # Panics
    /// When a claim does not hold.
    #[inline]
    fn with_checker(&mut self, act: impl FnOnce(&mut Checker, &Self) -> Checked) {
        if self.checker.is_some() {
            self.with_checker_on(act);
        }
    }

    #[cold]
    fn with_checker_on(&mut self, act: impl FnOnce(&mut Checker, &Self) -> Checked) {
        // Code that is of no use need not be right.
        if !self.is_supported() {
            return;
        }
        let Some(mut checker) = self.checker.take() else {
            return;
        };
        let followed = checker.machine.run(&self.s.asm);
        if let Err(violation) = followed.and_then(|()| act(&mut checker, self)) {
            panic!("{}", checker.report(self, &violation));
        }
        self.checker = Some(checker);
    }

    /// The claims between two of the emitter's calls.
    pub(super) fn check(&mut self) {
        self.with_checker(|checker, this| checker.check_all(this));
    }

    /// The same behind the prologue, with parameters and zeroed locals.
    pub(super) fn check_prologue(&mut self) {
        self.with_checker(|checker, this| checker.check_prologue(this));
        self.check();
    }

    /// Where a block begins: others may jump here, unless the code above goes on.
    pub(super) fn check_label(&mut self, goes_on: bool) {
        self.with_checker(|checker, _| {
            if !goes_on {
                checker.begin_label();
            }
            Ok(())
        });
    }

    /// Looks at operands before they move.
    pub(super) fn check_operands(&mut self, operands: &[Slot]) {
        self.with_checker(|checker, this| checker.settle_all(this, operands));
    }

    /// What branches to these blocks need to be at home, with arguments.
    pub(super) fn check_ways(&mut self, ways: &[(Label, &[Slot])]) {
        self.with_checker(|checker, this| checker.check_ways(this, ways));
    }

    /// Flags are those of a condition.
    pub(super) fn check_condition(&mut self, condition: Slot) {
        self.with_checker(|checker, this| checker.check_condition(this, condition));
    }

    /// The result of a read of a local.
    pub(super) fn check_read(&mut self, local: LocalIndex, result: Slot) {
        self.with_checker(|checker, this| checker.check_read(this, local, result));
    }

    /// A local's cell after a write to it.
    pub(super) fn check_write(&mut self, local: LocalIndex, value: Slot) {
        self.with_checker(|checker, this| checker.check_write(this, local, value));
    }

    /// Arguments of a call, and where results are to go, in bytes above rsp.
    pub(super) fn check_arguments(&mut self, ty: &FuncType, args: &[Slot], area: u32) {
        self.with_checker(|checker, this| checker.check_arguments(this, ty, args, area));
    }

    /// Results of a call that came in memory.
    pub(super) fn check_results(&mut self, types: &[ValType], area: u32, results: &[Slot]) {
        self.with_checker(|checker, this| checker.check_results(this, types, area, results));
    }

    /// Results of this function, before the frame goes.
    pub(super) fn check_returned(&mut self, values: &[Slot]) {
        self.with_checker(|checker, this| checker.check_returned(this, values));
    }

    /// Operands that were set aside.
    pub(super) fn check_aside(&mut self, operands: &[Slot]) {
        self.with_checker(|checker, this| checker.check_aside(this, operands));
    }

    /// So many operands that were taken back, the topmost ones.
    pub(super) fn check_taken_back(&mut self, count: usize) {
        self.with_checker(|checker, this| checker.check_taken_back(this, count));
    }

    // Behind the body.

    /// States that there are only tables so far behind the body.
    pub(super) fn check_behind_tables(&mut self) {
        let position = self.s.asm.position();
        if let Some(checker) = &mut self.checker {
            checker.machine.skip_to(position);
            checker.machine.is_behind = true;
        }
    }

    /// Where code begins that others jump to, not at the beginning of a block.
    pub(super) fn check_label_behind(&mut self) {
        self.check_label(false);
    }

    /// The beginning of a detour.
    pub(super) fn check_detour(&mut self, index: usize) {
        self.with_checker(|checker, _| checker.begin_detour(index));
    }

    /// The end of a detour.
    pub(super) fn check_detour_moved(&mut self, index: usize) {
        self.with_checker(|checker, _| checker.end_detour(index));
    }

    /// Where code begins that the function's first instructions jump to.
    pub(super) fn check_label_of_entry(&mut self) {
        self.with_checker(|checker, _| {
            checker.machine.begin_at_entry();
            Ok(())
        });
    }

    /// The end of the code that is followed.
    pub(super) fn check_end(&mut self) {
        self.with_checker(|_, _| Ok(()));
    }
}
