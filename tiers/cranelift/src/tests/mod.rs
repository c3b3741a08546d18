//! Small modules, compiled and run. What the specification says of each operator is tested by its own
//! suite, elsewhere; here is what this tier decides for itself.

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
