//! The ways to run a module that whole suites go through: each tier alone, and every move between them.

use upshift::{BaselineCompiler, Config, TierMode, TieringProfile};

/// A way to run a module.
#[derive(Clone, Copy, Debug)]
pub struct Mode {
    /// How names of its tests begin.
    pub name: &'static str,
    /// Functions run in the optimizing tier, or move there.
    pub optimizes: bool,
    /// Makes a configuration one of this mode.
    pub set: fn(&mut Config) -> &mut Config,
}

/// All modes; without LLVM, those of the baseline and the middle tier.
pub const MODES: &[Mode] = &[
    Mode {
        name: "baseline",
        optimizes: false,
        set: |config| config.tier(TierMode::Baseline).check_claims(true),
    },
    // Everything by Cranelift, also what the single-pass compiler knows.
    Mode {
        name: "eager",
        optimizes: false,
        set: |config| {
            let mut profile = TieringProfile::default();
            profile.baseline.compiler = BaselineCompiler::Cranelift;
            config.profile(profile).tier(TierMode::Baseline).eager(true)
        },
    },
    Mode {
        name: "osr",
        optimizes: false,
        set: |config| {
            let config = config.tier(TierMode::Baseline).force_osr(true);
            config.check_indices(true)
        },
    },
    // Code that compares addresses itself, that does not count its work, and that checks its indices. Claims of the
    // single pass are checked, as in `baseline`.
    Mode {
        name: "checked",
        optimizes: false,
        set: |config| {
            let config = config.tier(TierMode::Baseline).check_indices(true);
            let config = config.check_claims(true);
            config.bounds_checks(true).count_work(false)
        },
    },
    // The middle tier is what everything moves up to, and every loop is entered in the middle.
    #[cfg(not(feature = "llvm"))]
    Mode {
        name: "middle",
        optimizes: false,
        set: |config| through_the_middle(config).force_osr(true),
    },
    // LLVM's modes run the pipeline that users get, `default<O3>`: over functions as small as these it takes hardly
    // longer than `default<O1>`.
    #[cfg(feature = "llvm")]
    Mode {
        name: "llvm",
        optimizes: true,
        set: optimizing,
    },
    #[cfg(feature = "llvm")]
    Mode {
        name: "llvm-precise",
        optimizes: true,
        set: |config| optimizing(config).precise_traps(true),
    },
    #[cfg(feature = "llvm")]
    Mode {
        name: "llvm-checked",
        optimizes: true,
        set: |config| optimizing(config).bounds_checks(true),
    },
    // Every function moves up when it is called for the second time, and whoever calls it waits.
    #[cfg(feature = "llvm")]
    Mode {
        name: "auto",
        optimizes: true,
        set: moving_up,
    },
    // The same from Cranelift's first code, under the profile of that name.
    #[cfg(feature = "llvm")]
    Mode {
        name: "cranelift",
        optimizes: true,
        set: |config| moving_up_under(config, named("cranelift")),
    },
    // Calls move to the middle tier at once; every loop is entered in the middle, from the baseline in the middle tier
    // and from there in LLVM.
    #[cfg(feature = "llvm")]
    Mode {
        name: "auto-osr",
        optimizes: true,
        set: |config| through_the_middle(config).force_osr(true),
    },
];

/// Calls and loops move to the middle tier at once.
fn through_the_middle(config: &mut Config) -> &mut Config {
    let mut profile = TieringProfile::default();
    profile.middle.threshold_in_operators = Some(1);
    config
        .tier(TierMode::Auto)
        .synchronous_tiering(true)
        .profile(profile)
}

#[cfg(feature = "llvm")]
fn optimizing(config: &mut Config) -> &mut Config {
    config.tier(TierMode::Optimizing)
}

#[cfg(feature = "llvm")]
fn moving_up(config: &mut Config) -> &mut Config {
    moving_up_under(config, TieringProfile::default())
}

#[cfg(feature = "llvm")]
fn named(profile: &str) -> TieringProfile {
    TieringProfile::named(profile).expect("it comes with Upshift")
}

/// Everything moves up at once, by the rest of a profile.
#[cfg(feature = "llvm")]
fn moving_up_under(config: &mut Config, mut profile: TieringProfile) -> &mut Config {
    profile.tier_up.threshold_in_calls = None;
    profile.tier_up.threshold_in_operators = Some(1);
    profile.speculation.least_call_samples = 1;
    config
        .tier(TierMode::Auto)
        .synchronous_tiering(true)
        .profile(profile)
}
