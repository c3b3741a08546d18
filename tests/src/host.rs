//! `cargo xtask fuzz --host`: an embedder that does all at once what embedders may do. Threads with small stacks and with
//! blocked signals, coroutines, nested calls that change their thread or stack, forks in the middle of calls,
//! interruptions at random moments, signals from outside, libraries that come and go, modules and engines that go away.
//!
//! A *worker* process does it, in rounds of so many acts a thread; what it is at stands in a journal that the
//! [supervisor] reads when the worker crashes or hangs. Results are compared with what Rust computes.

mod acts;
mod coroutines;
mod counts;
mod debugger;
mod forks;
mod growth;
mod guest;
mod interruptions;
mod itinerary;
mod journal;
mod journey;
mod libraries;
mod modules;
mod provoke;
mod signals;
pub mod supervisor;
mod visit;
pub mod worker;

pub use provoke::Provoke;
