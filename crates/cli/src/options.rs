//! The command line: subcommands, options, and the help that teaches them.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use upshift::{Config, FunctionTier, TierMode};

use crate::bench::Bench;
use crate::completions::Completions;
use crate::limits::Limits;
use crate::manual::Manual;
use crate::perf::Perf;
use crate::profile::Profile;
use crate::timeline::TierLog;
use crate::tune::Tune;
use crate::tuning::Tuning;
use crate::wasi::Given;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "upshift",
    version,
    about = "Runs WebAssembly",
    long_about = "Runs WebAssembly: modules in the binary format (.wasm) or as text (.wat).\n\n\
        Functions are compiled when they are called first, so that a program starts at once however \
        large it is.",
    after_help = TOP_EXAMPLES,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const TOP_EXAMPLES: &str = "\
Examples:
  upshift run program.wasm ARGS                 run a program, as if it were one of the system's own
  upshift run fib.wasm --invoke fib 40          call the export `fib` with the argument 40
  upshift inspect fib.wasm                      imports, exports and the size of a module
  upshift profile list                          profiles for short tools, long compute and others
  upshift tune --budget 2m program.wasm         find the profile that suits a program
  upshift bench nbody fib                       measure kernels, tier by tier
  upshift wast tests/*.wast                     run scripts of the specification's test suite
  upshift completions bash                      let a shell complete command lines
  upshift man run                               the manual's page of `upshift run`

Exit status: the program's own, if it has one; 0 when all went well; 1 for a mistake in the command, a
module that cannot be run, or a script that fails; 134 when the program trapped or was stopped at a
limit, with the reason on the standard error.

`upshift help COMMAND` says more on each command.";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a program, or one function of a module.
    #[command(
        long_about = "Runs a program for WASI preview 1 as if it were one of the system's own, or one function of a \
        module.\n\n\
        Options stand before FILE or right after it. From the first word after FILE that is none of these \
        options, all words are the program's; `--` ends the options, too.\n\n\
        Exit status: what the program says (its lowest eight bits), or 0 if it returns; 1 if it can't be \
        run; 134 if it traps or is stopped at a limit, with the reason on the standard error. Results of a \
        function are printed one a line."
    )]
    Run(Box<Run>),
    /// Show what is in a module, without running it.
    #[command(
        long_about = "Shows what is in a module, without running it: imports and exports with their types, \
        memories, tables, how many functions there are, the largest of them, and custom sections."
    )]
    Inspect(Inspect),
    /// Show and check tiering profiles: all that can be tuned.
    Profile(Profile),
    /// Search for the profile under which a program takes the least time.
    #[command(
        long_about = "Searches for the tiering profile under which a program takes the least time, on your input, by \
        running it again and again. Says what makes a difference, and what is noise."
    )]
    Tune(Box<Tune>),
    /// Measure kernels, or a function of a module, in several tiers and profiles.
    #[command(
        long_about = "Measures kernels, or a function of a module, in several tiers and profiles beside each \
        other: until the first result, compiling, warming up, and in the steady state. Results are checked."
    )]
    Bench(Box<Bench>),
    /// Run scripts of the specification's test suite.
    #[command(
        long_about = "Runs scripts of the specification's test suite: modules, calls, and assertions on what \
        comes out. Prints a line for each file, what failed, and a summary. The exit status is 1 if any \
        assertion fails."
    )]
    Wast(Scripts),
    /// Write what a shell needs to complete command lines.
    #[command(
        long_about = "Writes a script to the standard output by which a shell completes commands, options and their \
        values."
    )]
    Completions(Completions),
    /// Write a page of the manual.
    #[command(
        long_about = "Writes a page of the manual to the standard output, as `man` reads it: of `upshift` itself, or of \
        one of its commands."
    )]
    Man(Manual),
}

/// Options of `upshift run`.
#[derive(Args, Debug)]
#[command(after_help = RUN_EXAMPLES)]
pub struct Run {
    /// The module, as binary (.wasm) or text (.wat).
    pub file: PathBuf,

    /// Arguments of the program; or of the function, if it takes some, as its parameter types want them. All
    /// that follows the first one belongs to the program.
    #[arg(
        value_name = "ARGS",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub args: Vec<OsString>,

    /// The exported function to call, instead of `_start`. In a module without `_start`, `_initialize` is called
    /// before, if there is one.
    #[arg(long, value_name = "NAME")]
    pub invoke: Option<String>,

    /// Compile all functions before the start, on all processors, instead of each at its first call.
    #[arg(long)]
    pub eager: bool,

    /// How modules are read.
    #[command(flatten)]
    pub module: ModuleOptions,

    /// What the program is given.
    #[command(flatten)]
    pub given: Given,

    /// What the program may use at most.
    #[command(flatten)]
    pub limits: Limits,

    /// The numbers of tiering.
    #[command(flatten)]
    pub tuning: Tuning,

    /// What is told of the run.
    #[command(flatten)]
    pub watching: Watching,
}

/// The program and its arguments, as a shell would take them.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let invoke = self.invoke.iter().map(|name| ["--invoke", name]);
        let words = [self.file.as_os_str()]
            .into_iter()
            .chain(invoke.flatten().map(OsStr::new))
            .chain(self.args.iter().map(OsString::as_os_str));
        for (index, word) in words.enumerate() {
            let word = word.to_string_lossy();
            let is_plain = |c: char| c.is_alphanumeric() || "-_./:=+,%@".contains(c);
            let space = if index == 0 { "" } else { " " };
            if !word.is_empty() && word.chars().all(is_plain) {
                write!(f, "{space}{word}")?;
            } else {
                write!(f, "{space}'{}'", word.replace('\'', r"'\''"))?;
            }
        }
        Ok(())
    }
}

impl Run {
    /// `upshift run FILE --invoke NAME ARGS`, with no other options.
    pub(crate) fn of(file: PathBuf, invoke: Option<String>, args: &[String]) -> Self {
        let command = ["upshift", "run", "-"];
        let parsed = Cli::try_parse_from(command).map(|cli| cli.command);
        let Ok(Command::Run(mut run)) = parsed else {
            unreachable!("a command line of ours");
        };
        run.file = file;
        run.invoke = invoke;
        run.args = args.iter().map(OsString::from).collect();
        *run
    }
}

/// What is told of a run besides its results.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Looking inside")]
pub struct Watching {
    /// Tell on the standard error what tiering does, as it happens. Given twice, the same as
    /// --tier-log=all.
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "moves",
        action = clap::ArgAction::Append
    )]
    pub tier_log: Vec<TierLog>,

    /// At the end, print a summary on the standard error: functions by tier, calls and work counted in the
    /// baseline, compile times, bytes of code, and where the time went, by tier and function.
    #[arg(long)]
    pub stats: bool,

    /// At the end, write a page of HTML that shows tiers over time, what was compiled when, and where the time
    /// went, function by function. It needs no network and no scripts.
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,

    /// Tell Linux `perf` the names of functions, with the tier of their code.
    #[arg(long, value_name = "HOW", value_enum)]
    pub perf: Option<Perf>,

    /// Print what becomes of a function instead of running anything: its code as `asm` (LLVM's, or the
    /// baseline's with --tier baseline), as `llvm-ir` after optimization, or as `clif`, what Cranelift makes code of.
    /// The function is an index, a name or an export.
    #[arg(long, num_args = 2, value_names = ["FORM", "FUNCTION"])]
    pub emit: Vec<String>,

    /// With --emit: the tier whose code that is. For `clif`, the baseline unless this says otherwise.
    #[arg(long, value_name = "TIER", value_enum, requires = "emit")]
    pub emit_tier: Option<EmitTier>,

    /// With --emit: the code that a running function enters at this loop, counted from 0 in the order of
    /// its `loop` operators.
    #[arg(long, value_name = "N", requires = "emit")]
    pub emit_loop: Option<u32>,
}

const RUN_EXAMPLES: &str = "\
How arguments are written:
  i32, i64     40   -7   0xff   4294967295 (the same i32 as -1)   1_000_000
  f32, f64     1   0.5   -1e-3   0x1.8p4   inf   -inf   nan   nan:0x200000
  v128         0x000102030405060708090a0b0c0d0e0f (an integer; lane 0 has the last digits)
               'i32x4 1 2 3 4' (a shape and its lanes; quoted, for it is one argument)
  externref    null
  funcref      null

Examples:
  upshift run program.wasm --dir . --env LANG=C input.txt
  upshift run program.wasm --dir data::/data --dir-ro /etc --timeout 10s --max-memory 256MiB -- --verbose
  upshift run fib.wasm --invoke fib 40
  upshift run nbody.wasm --eager --invoke nbody 5000000
  upshift run nbody.wasm --tier-log --invoke nbody 5000000
  upshift run nbody.wasm --tier-up-after-calls 100 --workers 2 --invoke nbody 5000000
  upshift run nbody.wasm --profile latency --set tier-up.eagerness=0.2 --invoke nbody 5000000
  upshift run nbody.wasm --stats --invoke nbody 5000000
  upshift run nbody.wasm --emit llvm-ir nbody
  perf record upshift run nbody.wasm --perf map --invoke nbody 5000000
  upshift run shapes.wat --invoke area -1.5 2";

/// Options of `upshift inspect`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  upshift inspect program.wasm\n  upshift inspect program.wasm --largest 50"
)]
pub struct Inspect {
    /// The module, as binary (.wasm) or text (.wat).
    pub file: PathBuf,

    /// How many of the largest functions to list.
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    pub largest: usize,

    /// How modules are read.
    #[command(flatten)]
    pub module: ModuleOptions,
}

/// Options of `upshift wast`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  upshift wast i32.wast\n  upshift wast --features 2.0 spec/test/core/*.wast"
)]
pub struct Scripts {
    /// The scripts.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// Compile all functions of a module at once, instead of each at its first call.
    #[arg(long)]
    pub eager: bool,

    /// How modules are read.
    #[command(flatten)]
    pub module: ModuleOptions,
}

/// How modules are read, whatever is done with them.
#[derive(Args, Debug)]
pub struct ModuleOptions {
    /// Which features of WebAssembly modules may use.
    #[arg(long, value_name = "SET", value_enum, default_value_t = Proposals::All)]
    pub features: Proposals,

    /// Which tiers functions run in, in place of what the profile says [default: auto].
    #[arg(long, value_name = "TIER", value_enum)]
    pub tier: Option<TierChoice>,

    /// Keep memory, globals and tables exact at every trap in LLVM's code too, at the price of speed.
    #[arg(long)]
    pub precise_traps: bool,
}

/// Which tiers functions run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TierChoice {
    /// All start in the baseline; what turns out hot moves to the middle tier and to LLVM while it runs.
    Auto,
    /// In the baseline only.
    Baseline,
    /// In LLVM only, everything compiled ahead of the first call.
    Llvm,
}

/// A tier whose code can be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EmitTier {
    /// The code that functions start with.
    Baseline,
    /// What they move to within milliseconds.
    Middle,
    /// The best there is.
    Llvm,
}

impl EmitTier {
    /// As the library has it.
    #[must_use]
    pub fn function_tier(self) -> FunctionTier {
        match self {
            Self::Baseline => FunctionTier::Baseline,
            Self::Middle => FunctionTier::Middle,
            Self::Llvm => FunctionTier::Optimizing,
        }
    }
}

impl fmt::Display for EmitTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Baseline => "baseline",
            Self::Middle => "middle",
            Self::Llvm => "llvm",
        })
    }
}

/// A set of WebAssembly's features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Proposals {
    /// Exactly what version 2.0 of the specification has.
    #[value(name = "2.0")]
    Version2,
    /// All that is implemented: 2.0, several memories, and arithmetic in constant expressions.
    All,
}

impl ModuleOptions {
    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new();
        if self.features == Proposals::Version2 {
            config.wasm_2_0();
        }
        config.precise_traps(self.precise_traps);
        if let Some(tier) = self.tier {
            config.tier(tier.mode());
        }
        config
    }
}

impl TierChoice {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Baseline => "baseline",
            Self::Llvm => "llvm",
        }
    }

    pub(crate) fn mode(self) -> TierMode {
        match self {
            Self::Auto => TierMode::Auto,
            Self::Baseline => TierMode::Baseline,
            Self::Llvm => TierMode::Optimizing,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    fn run(line: &[&str]) -> Run {
        let line = ["upshift", "run"].iter().chain(line);
        match Cli::try_parse_from(line).unwrap().command {
            Command::Run(run) => *run,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn negative_arguments_need_no_escape() {
        for number in ["-5", "-1e3", "-inf", "-nan", "-0x1"] {
            let run = run(&["f.wasm", "--invoke", "f", number, "7"]);
            assert_eq!(run.invoke.as_deref(), Some("f"));
            assert_eq!(run.args, [number, "7"]);
        }
    }

    /// Words after `upshift run`, and the guest's part of them.
    #[track_caller]
    fn check_guest(line: &[&str], guest: &[&str]) -> Run {
        let run = run(line);
        assert_eq!(run.file.to_str(), Some("f.wasm"), "{line:?}");
        assert_eq!(run.args, guest, "{line:?}");
        run
    }

    #[test]
    fn what_follows_the_first_argument_is_the_guests() {
        let run = check_guest(
            &["f.wasm", "--eager", "x", "--invoke", "y"],
            &["x", "--invoke", "y"],
        );
        assert!(run.eager);
        assert_eq!(run.invoke, None);
        // Also words that mean something to us.
        for words in [
            &["x", "--", "y"][..],
            &["x", "--help"],
            &["x", "-h", "--version"],
            &["x", "--tier=llvm"],
            &["x", "--timeout", "never"],
            &["run", "f.wasm"],
            &["help"],
            &["", "--eager"],
            &["-", "--eager"],
        ] {
            let line = [&["f.wasm"], words].concat();
            assert!(!check_guest(&line, words).eager);
        }
    }

    #[test]
    fn a_word_that_is_no_option_of_ours_is_the_guests_with_all_that_follows() {
        for words in [
            &["-c", "print(1)"][..],
            &["-x", "--tier", "llvm"],
            &["-x", "--eager"],
            &["-5", "--eager"],
            &["-hx", "--eager"],
            &["-c", "--", "--eager"],
            &["--no-such", "--eager"],
            &["--no-such=1", "--eager"],
            // No abbreviations.
            &["--eage", "--eager"],
            &["--tie=llvm", "--eager"],
            &["--eager-not", "--eager"],
            &["--Eager", "--eager"],
            &["---eager"],
        ] {
            let run = check_guest(&[&["f.wasm"], words].concat(), words);
            assert!(!run.eager, "{words:?}");
            // After options of ours too, whether they take values or not.
            let ours: [&[&str]; 5] = [
                &["--stats"],
                &["--tier", "llvm"],
                &["--tier=llvm"],
                &["--tier-log"],
                &["--emit", "asm", "0"],
            ];
            for ours in ours {
                check_guest(&[&["f.wasm"], ours, words].concat(), words);
                check_guest(&[ours, &["f.wasm"], words].concat(), words);
            }
        }
    }

    #[test]
    fn two_dashes_end_our_options_and_are_not_handed_on() {
        let run = check_guest(&["f.wasm", "--", "--eager"], &["--eager"]);
        assert!(!run.eager);
        check_guest(&["f.wasm", "--"], &[]);
        check_guest(&["f.wasm", "--", "--help"], &["--help"]);
        let run = check_guest(&["f.wasm", "--eager", "--", "-x"], &["-x"]);
        assert!(run.eager);
        // The second is the guest's.
        check_guest(&["f.wasm", "--", "--", "x"], &["--", "x"]);
        check_guest(&["--", "f.wasm", "x", "--"], &["x", "--"]);
        check_guest(&["--", "f.wasm", "--eager"], &["--eager"]);
    }

    #[test]
    fn values_that_look_like_options_or_files_are_values() {
        let run = check_guest(&["--invoke", "g.wasm", "f.wasm"], &[]);
        assert_eq!(run.invoke.as_deref(), Some("g.wasm"));
        let run = check_guest(&["f.wasm", "--invoke=--eager", "x"], &["x"]);
        assert_eq!(run.invoke.as_deref(), Some("--eager"));
        assert!(!run.eager);
    }

    #[test]
    fn options_before_the_file_that_are_not_ours_are_mistakes() {
        for (line, tip) in [
            (&["--eagr", "f.wasm"][..], "--eager"),
            (&["--invok=x", "f.wasm"], "--invoke"),
            (&["-x", "f.wasm"], "unexpected argument '-x'"),
            (&["f.wasm", "--tier", "fast"], "baseline"),
            (&["f.wasm", "--invoke"], "--invoke <NAME>"),
        ] {
            let words = ["upshift", "run"].iter().chain(line);
            let message = Cli::try_parse_from(words).unwrap_err().to_string();
            assert!(message.contains(tip), "{message}");
        }
    }

    #[test]
    fn guest_words_need_not_be_text() {
        use std::os::unix::ffi::OsStrExt;
        let raw = std::ffi::OsStr::from_bytes(b"\xff=\xfe");
        let words = ["upshift", "run", "f.wasm"].map(std::ffi::OsStr::new);
        let cli = Cli::try_parse_from(words.iter().chain([&raw])).unwrap();
        let Command::Run(run) = cli.command else {
            panic!("{cli:?}");
        };
        assert_eq!(run.args, [raw]);
    }
}
