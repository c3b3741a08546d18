//! Tests that cross crates. What they share, and what is also run by command, is here; the tests are in `tests`.

pub mod differential;
pub mod host;
pub mod modes;
pub mod shapes;
