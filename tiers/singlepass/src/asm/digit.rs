//! Digits of opcodes that have one in the `reg` field.

#![allow(missing_docs, reason = "named as in the manual")]

// Of 81 and 83.
pub const ADD: u8 = 0;
pub const OR: u8 = 1;
pub const AND: u8 = 4;
pub const SUB: u8 = 5;
pub const XOR: u8 = 6;
pub const CMP: u8 = 7;
// Of C1 and D3.
pub const ROL: u8 = 0;
pub const ROR: u8 = 1;
pub const SHL: u8 = 4;
pub const SHR: u8 = 5;
pub const SAR: u8 = 7;
// Of vector shifts.
pub const PSRL: u8 = 2;
pub const PSRA: u8 = 4;
pub const PSLL: u8 = 6;
// Of F7.
pub const DIV: u8 = 6;
pub const IDIV: u8 = 7;
