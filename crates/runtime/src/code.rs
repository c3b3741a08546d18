//! Compiled code of a module and what is known about it: which function, which traps, which offsets.
//! Where the bytes live is in `code_memory`.
