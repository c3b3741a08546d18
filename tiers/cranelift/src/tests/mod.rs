//! Small modules, compiled and run. The specification's rules of each operator are tested by its own
//! suite, elsewhere; here are the choices of this tier.

mod calls;
mod code;
mod counting;
mod indices;
mod lab;
mod listings;
mod loops;
mod memory;
mod middle;
mod operators;
mod vectors;
