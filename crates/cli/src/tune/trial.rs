//! The search's needs of the world: to run the program under a profile, a clock, and to be told to stop. Tests
//! put a model in its place.

use std::time::Duration;

use upshift::TieringProfile;

/// Runs a program under profiles.
pub(crate) trait Trial {
    /// Runs it once, for no longer than `limit`. Returns how long it took, in seconds.
    fn run(&mut self, profile: &TieringProfile, limit: Duration) -> Result<f64, Failure>;

    /// How long the search has been going on.
    fn elapsed(&self) -> Duration;

    /// Whether it is to end with its findings so far.
    fn is_stopped(&self) -> bool;

    /// Hears the subject of the search now.
    fn begin(&mut self, subject: &str);
}

/// Why a run gave no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// It was ended after so long.
    #[error("not over after {:.1} s", .0.as_secs_f64())]
    TooLong(Duration),
    /// It ended in another way than it should.
    #[error("{0}")]
    Failed(String),
    /// It was ended because everything is to end.
    #[error("interrupted")]
    Stopped,
}
