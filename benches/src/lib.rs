//! Shared by the criterion benches.
