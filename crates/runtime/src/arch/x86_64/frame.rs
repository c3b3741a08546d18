//! Where arguments and results are under the System V convention, as data: both the entry stub and the
//! host call stub move registers from and to a [`CallFrame`], so no code is generated per signature.

use upshift_module::{ValType, to_usize};

/// The argument registers of one call, and its stack arguments.
#[derive(Debug)]
#[repr(C, align(16))]
pub struct CallFrame {
    /// rdi, rsi, rdx, rcx, r8, r9. The first is the context; after the call, the first is rax.
    pub gprs: [u64; 6],
    /// xmm0 to xmm7; after the call, the first is the result's.
    pub xmms: [u128; 8],
    /// Stack arguments, in 8-byte words.
    pub stack: *mut u64,
    /// How many words, even.
    pub stack_words: usize,
    /// Which of the vector registers matter.
    pub vectors: VectorUse,
}

/// How much of the vector registers a signature uses: unused ones are not moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u64)]
pub enum VectorUse {
    /// Nothing.
    None = 0,
    /// Their low 64 bits: `f32` and `f64`.
    Scalar = 1,
    /// All of them: `v128`.
    Full = 2,
}

/// Where one argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgLocation {
    /// In this general-purpose register of [`CallFrame::gprs`].
    Gpr(u8),
    /// In this vector register of [`CallFrame::xmms`].
    Xmm(u8),
    /// In the stack arguments, from this 8-byte word on.
    Stack(u32),
}

/// Hands out the locations of a call's arguments in order, the context already taken.
#[derive(Clone, Copy, Debug)]
pub struct ArgCursor {
    gprs: u8,
    xmms: u8,
    words: u32,
    vectors: VectorUse,
}

impl ArgCursor {
    /// Before the first WebAssembly argument.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "const")]
    pub const fn new() -> Self {
        Self {
            gprs: 1,
            xmms: 0,
            words: 0,
            vectors: VectorUse::None,
        }
    }

    /// The location of the next argument.
    pub const fn next(&mut self, ty: ValType) -> ArgLocation {
        match ty {
            ValType::I32 | ValType::I64 | ValType::FuncRef | ValType::ExternRef => {
                if self.gprs < 6 {
                    self.gprs += 1;
                    return ArgLocation::Gpr(self.gprs - 1);
                }
            }
            ValType::F32 | ValType::F64 | ValType::V128 => {
                self.uses(ty);
                if self.xmms < 8 {
                    self.xmms += 1;
                    return ArgLocation::Xmm(self.xmms - 1);
                }
            }
        }
        if matches!(ty, ValType::V128) {
            self.words = self.words.next_multiple_of(2);
        }
        let word = self.words;
        self.words += ty.cell_size() / 8;
        ArgLocation::Stack(word)
    }

    /// Notes that a value of this type is a result.
    pub const fn uses(&mut self, ty: ValType) {
        match ty {
            ValType::V128 => self.vectors = VectorUse::Full,
            ValType::F32 | ValType::F64 if matches!(self.vectors, VectorUse::None) => {
                self.vectors = VectorUse::Scalar;
            }
            _ => {}
        }
    }

    /// The words of stack that the arguments so far take, rounded up to 16 bytes.
    #[must_use]
    pub const fn stack_words(&self) -> usize {
        to_usize(self.words.next_multiple_of(2))
    }

    /// The use of the vector registers by the arguments so far, and by results told of.
    #[must_use]
    pub const fn vectors(&self) -> VectorUse {
        self.vectors
    }
}
