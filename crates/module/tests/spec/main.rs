//! Rules for every module of the specification's test suite: the verdicts, and that no damage
//! makes the reader panic.

mod broken_input;
mod lazy;
mod suite;
mod verdicts;
