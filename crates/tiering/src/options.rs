//! The rules of tiering. None has an effect on what a program computes.

/// How functions move through the tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TieringOptions {
    /// Work that an instance may do in a function before it asks again, in operators. At least 1.
    pub grant_in_operators: i32,
    /// Moves into an OSR entry at every loop header that polls. For tests.
    pub force_osr: bool,
}

impl Default for TieringOptions {
    fn default() -> Self {
        Self {
            grant_in_operators: 1 << 24,
            force_osr: false,
        }
    }
}
