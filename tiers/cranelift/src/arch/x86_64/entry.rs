//! The check that counts a call, around the body that Cranelift made. Within the body it would split the
//! first block, and everything known there, parameters first, would be stored and loaded again.
//!
//! ```text
//! +-----------------------------------+ entry, aligned like the body
//! | sub dword [rdi + budget], work    | rdi is the context; nothing else is touched
//! | js out                            |
//! +-----------------------------------+ CHECK_SIZE
//! | body                              |
//! +-----------------------------------+
//! | out: mov eax, function            |
//! |      lea r10, [body]              |
//! |      mov r11, [rdi + builtins]    |
//! |      jmp [r11 + budget_at_entry]  |
//! +-----------------------------------+
//! ```

use upshift_runtime::{Builtin, offsets};

/// Bytes in front of the body.
pub(crate) const CHECK_SIZE: usize = 16;

/// How one function counts its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryCheck {
    /// The function, imports not counted.
    pub function: u32,
    /// Where its budget is in the context.
    pub budget: i32,
    /// What a call takes from it.
    pub work: i32,
}

impl EntryCheck {
    /// `body` with this check around it. It is aligned as it was if the whole is aligned to no more than
    /// [`CHECK_SIZE`].
    pub(crate) fn around(&self, body: &[u8]) -> Vec<u8> {
        let out = CHECK_SIZE + body.len();
        let mut code = Vec::with_capacity(out + 32);
        // sub dword ptr [rdi + budget], work
        code.extend([0x81, 0xaf]);
        code.extend(self.budget.to_le_bytes());
        code.extend(self.work.to_le_bytes());
        // js out
        code.extend([0x0f, 0x88]);
        code.extend(distance(CHECK_SIZE, out));
        code.extend_from_slice(body);
        // mov eax, function
        code.push(0xb8);
        code.extend(self.function.to_le_bytes());
        // lea r10, [rip + body]
        code.extend([0x4c, 0x8d, 0x15]);
        code.extend(distance(code.len() + 4, CHECK_SIZE));
        // mov r11, [rdi + builtins]
        code.extend([0x4c, 0x8b, 0x9f]);
        code.extend(offsets::VMCONTEXT_BUILTINS.to_le_bytes());
        // jmp [r11 + budget_at_entry]
        code.extend([0x41, 0xff, 0xa3]);
        code.extend(Builtin::BudgetAtEntry.offset().to_le_bytes());
        code
    }

    /// The same as text.
    pub(crate) fn around_text(&self, body: &str) -> String {
        let Self {
            function,
            budget,
            work,
        } = self;
        let builtins = offsets::VMCONTEXT_BUILTINS;
        let target = Builtin::BudgetAtEntry.offset();
        format!(
            "  subl ${work:#x}, {budget:#x}(%rdi)\n  js out\nbody:\n{body}out:\n  movl ${function:#x}, %eax\n  \
             leaq body(%rip), %r10\n  movq {builtins:#x}(%rdi), %r11\n  jmp *{target:#x}(%r11)\n"
        )
    }
}

/// The operand of a jump whose next instruction is at `from`.
fn distance(from: usize, to: usize) -> [u8; 4] {
    // Cranelift refuses functions of anything near 2 GiB.
    (to as i64 - from as i64).to_le_bytes()[..4]
        .try_into()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_fills_its_place_and_its_jumps_hit() {
        let check = EntryCheck {
            function: 7,
            budget: 0x120,
            work: 300,
        };
        let body = [0x90; 21];
        let code = check.around(&body);
        assert_eq!(&code[CHECK_SIZE..][..21], &body);
        assert_eq!(code[2..10], [0x20, 1, 0, 0, 0x2c, 1, 0, 0]);
        let operand = |at: usize| i32::from_le_bytes(code[at..at + 4].try_into().unwrap());
        let target = |at: usize| (at as i32 + 4 + operand(at)) as usize;
        let out = CHECK_SIZE + 21;
        assert_eq!(target(12), out);
        assert_eq!(operand(out + 1), 7);
        assert_eq!(target(out + 8), CHECK_SIZE);
        assert_eq!(operand(code.len() - 4), Builtin::BudgetAtEntry.offset());
    }
}
