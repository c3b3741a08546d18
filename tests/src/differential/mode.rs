//! The ways in which Upshift runs every generated module.

use upshift::Config;

/// A way to run: a name and how the engine is configured for it.
#[derive(Clone, Copy)]
pub struct Mode {
    /// For people, and for the command line.
    pub name: &'static str,
    /// Sets the mode.
    pub configure: fn(&mut Config),
}

/// All modes. Another tier is another line.
pub const MODES: &[Mode] = &[
    Mode {
        name: "baseline",
        configure: |_| {},
    },
    Mode {
        name: "eager",
        configure: |config| {
            config.eager(true);
        },
    },
    Mode {
        name: "osr",
        configure: |config| {
            config.force_osr(true);
        },
    },
    Mode {
        name: "checked",
        configure: |config| {
            config.bounds_checks(true).count_work(false);
        },
    },
];

impl std::fmt::Debug for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
