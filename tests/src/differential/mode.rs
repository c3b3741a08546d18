//! The ways in which Upshift runs every generated module.

use upshift::{BaselineCompiler, Config, TierMode, TieringProfile};

/// A way to run: a name and how the engine is configured for it.
#[derive(Clone, Copy)]
pub struct Mode {
    /// For people, and for the command line.
    pub name: &'static str,
    /// Whether what it does is also defined after an access out of bounds.
    pub precise: bool,
    /// Whether LLVM is there and is told to compile nothing, which is no failure then.
    pub without_llvm: bool,
    /// Sets the mode.
    pub configure: fn(&mut Config),
}

impl Mode {
    /// The mode that runs every module where the others take turns: what has the most to get wrong.
    pub const ALWAYS: &str = "llvm";
}

/// More work than any generated module does.
const NEVER: u64 = i64::MAX.cast_unsigned();

/// All modes. Another tier is another line.
pub const MODES: &[Mode] = &[
    Mode {
        name: "baseline",
        precise: true,
        without_llvm: false,
        configure: |config| {
            config.tier(TierMode::Baseline);
        },
    },
    // Everything by Cranelift, also what the single-pass compiler knows.
    Mode {
        name: "eager",
        precise: true,
        without_llvm: false,
        configure: |config| {
            let mut profile = TieringProfile::default();
            profile.baseline.compiler = BaselineCompiler::Cranelift;
            config.profile(profile).tier(TierMode::Baseline).eager(true);
        },
    },
    Mode {
        name: "osr",
        precise: true,
        without_llvm: false,
        configure: |config| {
            let config = config.tier(TierMode::Baseline).force_osr(true);
            config.check_indices(true).check_claims(true);
        },
    },
    Mode {
        name: "checked",
        precise: true,
        without_llvm: false,
        configure: |config| {
            let config = config.tier(TierMode::Baseline).check_indices(true);
            config.check_claims(true);
            config.bounds_checks(true).count_work(false);
        },
    },
    #[cfg(feature = "llvm")]
    Mode {
        name: "llvm",
        precise: false,
        without_llvm: false,
        configure: |config| {
            config.tier(TierMode::Optimizing);
        },
    },
    #[cfg(feature = "llvm")]
    Mode {
        name: "llvm-precise",
        precise: true,
        without_llvm: false,
        configure: |config| {
            let config = config.tier(TierMode::Optimizing).precise_traps(true);
            config.profile(quick_profile());
        },
    },
    // Functions move up when they are called for the second time, and their callers wait.
    #[cfg(feature = "llvm")]
    Mode {
        name: "auto",
        precise: true,
        without_llvm: false,
        configure: |config| {
            move_up(config).precise_traps(true);
        },
    },
    // Loops are entered in the middle.
    #[cfg(feature = "llvm")]
    Mode {
        name: "auto-osr",
        precise: false,
        without_llvm: false,
        configure: |config| {
            move_up(config).force_osr(true);
        },
    },
    // Cranelift's first code, and LLVM's from the second call on.
    #[cfg(feature = "llvm")]
    Mode {
        name: "cranelift",
        precise: false,
        without_llvm: false,
        configure: |config| {
            let named = TieringProfile::named("cranelift");
            let mut profile = named.expect("it comes with Upshift");
            profile.optimizer.pipeline = quick_profile().optimizer.pipeline;
            move_up_under(config, profile);
        },
    },
    // Nothing moves further than to the middle tier, calls as well as loops.
    Mode {
        name: "middle",
        precise: true,
        without_llvm: false,
        configure: |config| {
            let mut profile = TieringProfile::default();
            profile.middle.threshold_in_operators = Some(1);
            profile.tier_up.threshold_in_operators = Some(NEVER);
            config
                .tier(TierMode::Auto)
                .synchronous_tiering(true)
                .profile(profile);
        },
    },
    // Every function and every loop is entered in the middle tier and stays there.
    Mode {
        name: "middle-osr",
        precise: true,
        without_llvm: true,
        configure: |config| {
            let mut profile = TieringProfile::default();
            profile.middle.threshold_in_operators = Some(1);
            profile.optimizer.max_function_operators = 0;
            config
                .tier(TierMode::Auto)
                .synchronous_tiering(true)
                .force_osr(true)
                .profile(profile);
        },
    },
];

#[cfg(feature = "llvm")]
fn move_up(config: &mut Config) -> &mut Config {
    move_up_under(config, quick_profile())
}

#[cfg(feature = "llvm")]
fn move_up_under(config: &mut Config, mut profile: TieringProfile) -> &mut Config {
    profile.middle.threshold_in_operators = Some(1);
    profile.tier_up.threshold_in_calls = None;
    profile.tier_up.threshold_in_operators = Some(1);
    profile.speculation.least_call_samples = 1;
    config
        .tier(TierMode::Auto)
        .synchronous_tiering(true)
        .profile(profile)
}

/// One mode has LLVM try as hard as it does for users. The others are about what it is given and how its code is
/// entered, and get through more modules with less.
#[cfg(feature = "llvm")]
fn quick_profile() -> TieringProfile {
    let mut profile = TieringProfile::default();
    profile.optimizer.pipeline = "default<O1>".to_owned();
    profile
}

impl std::fmt::Debug for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
