//! Registers that may be added to an address.
//!
//! Memories and tables are addressed with all 64 bits of a register, for an instruction has no other way to add one. An
//! `i32` is 32 of them. The sandbox rests on this invariant: *a register that holds an operand or a local of type `i32` has
//! zeros in its upper half.* Every instruction of 32 bits clears that half, so each that computes an `i32` upholds the invariant
//! by its width. A value from elsewhere is extended where it comes in: parameters in the prologue, results of calls behind
//! the call. Cells of the frame are read with 32 bits.
//!
//! [`Index`] is the invariant as a type. Nothing else can be added to an address that is accessed, and only the functions of
//! this file make one. [`Assembler::i32_index`] is the one that takes the emitter's word; in code that checks itself
//! ([`CodegenSettings::check_indices`](upshift_translate::CodegenSettings::check_indices)) the processor does not.

use super::{Assembler, Flag, Gpr, Width, op};

/// A register whose 64 bits are an index or the sum of an index and an offset, each of 32 bits, without wrapping around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Index(Gpr);

impl Index {
    /// The register.
    pub const fn register(self) -> Gpr {
        self.0
    }
}

impl Assembler {
    /// The index in a register that holds an `i32`. With a register for the comparison, the code compares, and runs into an
    /// undefined instruction, which is listed as no trap, if the register's upper half is not zero.
    pub fn i32_index(&mut self, register: Gpr, check_with: Option<Gpr>) -> Index {
        if let Some(scratch) = check_with {
            self.mov(Width::W32, scratch, register);
            self.int(Width::W64, op::CMP, scratch, register);
            let as_it_should_be = self.skip_if(Flag::E);
            self.undefined();
            self.end_skip(as_it_should_be);
        }
        Index(register)
    }

    /// The sum of an index and an offset, in another register.
    pub fn index_sum(&mut self, to: Gpr, index: Index, offset: u32) -> Index {
        debug_assert_ne!(to, index.0, "the offset would overwrite the index");
        self.mov_imm(to, u64::from(offset));
        self.int(Width::W64, op::ADD, to, index.0);
        Index(to)
    }

    /// The sum of a constant index and an offset.
    pub fn constant_index(&mut self, to: Gpr, index: u32, offset: u32) -> Index {
        self.mov_imm(to, u64::from(index) + u64::from(offset));
        Index(to)
    }
}
