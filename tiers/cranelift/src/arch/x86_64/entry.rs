//! The code around the body that Cranelift made: the check that counts a call's work, and the number of calls.
//! Within the body the check would split the first block, and everything known there, parameters first, would be
//! stored and loaded again.
//!
//! ```text
//! +-----------------------------------+ entry, aligned like the body
//! | sub dword [rdi + budget], work    | rdi is the context; nothing else is touched
//! | js out                            |
//! +-----------------------------------+ go_on, PART_SIZE behind the entry
//! | inc qword [rdi + call count]      |
//! | nop                               |
//! +-----------------------------------+ body, PART_SIZE further
//! | body                              |
//! +-----------------------------------+
//! | out: mov eax, function            |
//! |      lea r10, [go_on]             |
//! |      mov r11, [rdi + builtins]    |
//! |      jmp [r11 + budget_at_entry]  |
//! +-----------------------------------+
//! ```
//!
//! Both parts are there only if they are wanted. A call that the check sends to better code is not one of this
//! code's calls.

use std::borrow::Cow;

use upshift_module::{DefinedFuncIndex, to_u32};
use upshift_runtime::{Builtin, offsets};

/// Bytes of each part in front of the body: the body is aligned as it was if the whole is aligned to no more.
pub(crate) const PART_SIZE: usize = 16;

/// The code before the body of one function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The check, where work is counted.
    pub check: Option<EntryCheck>,
    /// Where in the context calls are counted, if they are.
    pub call_count: Option<i32>,
}

/// How one function counts the work of its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryCheck {
    /// The function.
    pub function: DefinedFuncIndex,
    /// Where its budget is in the context.
    pub budget: i32,
    /// The work that a call takes from it.
    pub work: i32,
}

impl Entry {
    /// Bytes in front of the body.
    pub(crate) fn size(&self) -> usize {
        let parts = usize::from(self.check.is_some()) + usize::from(self.call_count.is_some());
        parts * PART_SIZE
    }

    /// `body` with the wanted parts around it.
    pub(crate) fn around<'b>(&self, body: &'b [u8]) -> Cow<'b, [u8]> {
        if self.size() == 0 {
            return Cow::Borrowed(body);
        }
        let out = self.size() + body.len();
        let mut code = Vec::with_capacity(out + 32);
        if let Some(check) = self.check {
            check.begin(&mut code, out);
        }
        if let Some(offset) = self.call_count {
            // inc qword ptr [rdi + offset]
            code.extend([0x48, 0xff, 0x87]);
            code.extend(offset.to_le_bytes());
            // nop of nine bytes
            code.extend([0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0]);
        }
        code.extend_from_slice(body);
        if let Some(check) = self.check {
            check.end(&mut code);
        }
        Cow::Owned(code)
    }

    /// The same as text.
    pub(crate) fn around_text(&self, body: &str) -> String {
        let counted = self.call_count.map_or_else(String::new, |offset| {
            format!("  incq {offset:#x}(%rdi)\n  nopw 0(%rax,%rax)\n")
        });
        let Some(EntryCheck {
            function,
            budget,
            work,
        }) = self.check
        else {
            return format!("{counted}{body}");
        };
        let builtins = offsets::VMCONTEXT_BUILTINS;
        let target = Builtin::BudgetAtEntry.offset();
        format!(
            "  subl ${work:#x}, {budget:#x}(%rdi)\n  js out\nbody:\n{counted}{body}out:\n  \
             movl ${:#x}, %eax\n  leaq body(%rip), %r10\n  movq {builtins:#x}(%rdi), %r11\n  \
             jmp *{target:#x}(%r11)\n",
            function.as_u32()
        )
    }
}

impl EntryCheck {
    /// The part in front of everything, [`PART_SIZE`] bytes; its other part will be at `out`.
    fn begin(self, code: &mut Vec<u8>, out: usize) {
        // sub dword ptr [rdi + budget], work
        code.extend([0x81, 0xaf]);
        code.extend(self.budget.to_le_bytes());
        code.extend(self.work.to_le_bytes());
        // js out
        code.extend([0x0f, 0x88]);
        code.extend(distance(PART_SIZE, out));
    }

    /// The part behind everything.
    fn end(self, code: &mut Vec<u8>) {
        // mov eax, function
        code.push(0xb8);
        code.extend(self.function.as_u32().to_le_bytes());
        // lea r10, [rip + go_on]
        code.extend([0x4c, 0x8d, 0x15]);
        code.extend(distance(code.len() + 4, PART_SIZE));
        // mov r11, [rdi + builtins]
        code.extend([0x4c, 0x8b, 0x9f]);
        code.extend(offsets::VMCONTEXT_BUILTINS.to_le_bytes());
        // jmp [r11 + budget_at_entry]
        code.extend([0x41, 0xff, 0xa3]);
        code.extend(Builtin::BudgetAtEntry.offset().to_le_bytes());
    }
}

/// The operand of a jump whose next instruction is at `from`.
fn distance(from: usize, to: usize) -> [u8; 4] {
    // Cranelift refuses functions of anything near 2 GiB.
    to_u32(to).wrapping_sub(to_u32(from)).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check() -> EntryCheck {
        EntryCheck {
            function: DefinedFuncIndex::from_u32(7),
            budget: 0x120,
            work: 300,
        }
    }

    #[test]
    fn the_parts_fill_their_places_and_their_jumps_hit() {
        let body = [0x90; 21];
        for call_count in [None, Some(0x340)] {
            let entry = Entry {
                check: Some(check()),
                call_count,
            };
            let code = entry.around(&body);
            assert_eq!(entry.size(), if call_count.is_some() { 32 } else { 16 });
            assert_eq!(&code[entry.size()..][..21], &body);
            assert_eq!(code[2..10], [0x20, 1, 0, 0, 0x2c, 1, 0, 0]);
            let operand = |at: usize| i32::from_le_bytes(code[at..at + 4].try_into().unwrap());
            let target = |at: usize| (at as i32 + 4 + operand(at)) as usize;
            let out = entry.size() + 21;
            assert_eq!(target(12), out);
            assert_eq!(operand(out + 1), 7);
            assert_eq!(
                target(out + 8),
                PART_SIZE,
                "the call is counted after the check"
            );
            assert_eq!(operand(code.len() - 4), Builtin::BudgetAtEntry.offset());
        }
    }

    #[test]
    fn what_nobody_wants_is_not_there() {
        let body = [0x90; 21];
        assert_eq!(*Entry::default().around(&body), body);
        let counted = Entry {
            check: None,
            call_count: Some(0x340),
        };
        let code = counted.around(&body);
        assert_eq!((code.len(), counted.size()), (PART_SIZE + 21, PART_SIZE));
        assert_eq!(code[3..7], [0x40, 3, 0, 0]);
    }
}
