//! `upshift run`: sets an engine up as the command line wants it, runs one program, and tells the outcome.

use std::io::Write;
use std::path::Path;

use upshift::{Config, Engine, Module, TierMode};

use crate::Status;
use crate::deadline::Deadline;
use crate::emit::Emit;
use crate::error::{CliError, Result};
use crate::options::Run;
use crate::perf::PerfNames;
use crate::phases::{Phases, timed};
use crate::program::{Ended, Program};
use crate::report::{Ending, Recorder};
use crate::stack::with_stack;
use crate::summary::Measured;
use crate::timeline::TierLog;
use crate::values;

pub(crate) fn run(options: &Run, stdout: &mut dyn Write, stderr: &mut dyn Write) -> Result<Status> {
    outlive_full_files();
    // The program's limit includes the way there.
    let deadline = options.limits.timeout.as_ref();
    let deadline = deadline.map(Deadline::start).transpose()?;
    let mut config = options.module.config();
    let mut profile = options.tuning.profile()?;
    if let Some(tier) = options.module.tier {
        profile.mode = tier.mode();
    }
    let emit = Emit::wanted(options, &profile)?;
    if emit.is_some() && profile.mode == TierMode::Optimizing {
        // One function is compiled, not all of them.
        config.tier(TierMode::Auto);
    }
    config.eager(options.eager && emit.is_none());
    let max_stack = options.limits.max_stack.bytes;
    config.max_wasm_stack(max_stack);
    if let Some(limit) = &options.limits.max_code_memory {
        config.max_code_memory(limit.bytes);
    }
    config.lazy_validation(true);
    if profile.mode != TierMode::Baseline {
        options.tuning.check_pipelines(&profile)?;
    }
    let mode = profile.mode;
    config.profile(profile);
    let perf = options.watching.perf.map(PerfNames::create);
    let perf = perf.transpose()?;
    let recorder = options.watching.report.as_ref().map(|_| Recorder::new());
    config.count_calls(options.watching.stats || recorder.is_some());
    listen(
        &mut config,
        TierLog::wanted(&options.watching.tier_log),
        perf.clone(),
        recorder.clone(),
    );
    let Loaded {
        module,
        phases,
        reservation,
    } = load_into_space(&config, &options.file)?;

    if let Some(emit) = emit {
        emit.print(&module, stdout)?;
        return Ok(Status::Success);
    }

    // All mistakes of the user are found before anything of the module runs.
    let program = Program::new(options, &module)?;
    if let Some(perf) = &perf {
        perf.attach(&module);
    }
    let (ended, measured) = with_stack(max_stack, || {
        let is_wanted = options.watching.stats || recorder.is_some();
        let measured = is_wanted.then(Measured::start);
        let ended = program.run(deadline.as_ref(), &phases);
        (ended, measured.map(Measured::stop))
    })?;
    if let Ok(Ended::Returned(results)) = &ended {
        for result in results {
            writeln!(stdout, "{}", values::format(result))?;
        }
        // The results come before the statistics.
        stdout.flush()?;
    }
    let told = measured.map_or(Ok(()), |measured| {
        if options.watching.stats {
            phases.print(&module, stderr)?;
            if let Some(bytes) = reservation {
                writeln!(
                    stderr,
                    "memory       addresses are compared, for address space is scarce: {} MiB are reserved for \
                     a memory",
                    bytes >> 20
                )?;
            }
            measured.print(&module, stderr)?;
        }
        match (recorder, &options.watching.report) {
            (Some(recorder), Some(to)) => recorder.write(
                to,
                &Ending {
                    file: &options.file,
                    command: options.to_string(),
                    mode,
                    module: &module,
                    started: measured.start,
                    samples: measured.samples.as_ref(),
                    failure: failure(&ended),
                },
            ),
            _ => Ok(()),
        }
    });
    let named = perf.map_or(Ok(()), |perf| perf.finish());
    // The fate of the program is more important.
    match ended? {
        // As for any process, only the lowest bits are left.
        Ended::Exited(status @ 1..) => Ok(Status::Exited(status as u8)),
        Ended::Exited(0) | Ended::Returned(_) => told.and(named).map(|()| Status::Success),
    }
}

/// How a program ended, if not well.
fn failure(ended: &Result<Ended>) -> Option<String> {
    match ended {
        Ok(Ended::Returned(_) | Ended::Exited(0)) => None,
        Ok(Ended::Exited(status)) => Some(format!("the program exited with status {status}")),
        Err(error) => Some(error.to_string()),
    }
}

/// Has writes to a file that may not grow any more fail, as those to a full disk do, and not end the process: the
/// consequences are up to the program.
fn outlive_full_files() {
    // SAFETY: no handler is installed, so none can do anything wrong.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Has the engine tell its events to all listeners.
fn listen(
    config: &mut Config,
    log: Option<TierLog>,
    perf: Option<PerfNames>,
    recorder: Option<Recorder>,
) {
    if log.is_none() && perf.is_none() && recorder.is_none() {
        return;
    }
    config.on_tier_event(move |event| {
        if let Some(log) = log {
            log.hear(event);
        }
        if let Some(perf) = &perf {
            perf.hear(event);
        }
        if let Some(recorder) = &recorder {
            recorder.hear(event);
        }
    });
}

/// A module, and how it fits into the address space.
struct Loaded {
    module: Module,
    phases: Phases,
    /// Bytes of address space for each memory, if there are fewer than usual.
    reservation: Option<u64>,
}

/// Loads a module into an engine whose memories take no more address space than there is. How many it has is known
/// when it is there.
fn load_into_space(config: &Config, file: &Path) -> Result<Loaded> {
    let load_for = |memories| {
        let mut config = config.clone();
        let reservation = config.fit_address_space(memories);
        let engine = Engine::new(&config).map_err(CliError::Engine)?;
        let (module, phases) = load(&engine, file)?;
        Ok(Loaded {
            module,
            phases,
            reservation,
        })
    };
    let loaded = load_for(1)?;
    let memories = loaded.module.memories().len();
    match memories {
        0 | 1 => Ok(loaded),
        memories if config.clone().fit_address_space(memories) == loaded.reservation => Ok(loaded),
        memories => load_for(memories),
    }
}

fn load(engine: &Engine, file: &Path) -> Result<(Module, Phases)> {
    let (bytes, read) = timed(|| read(file));
    let bytes = bytes?;
    let (loaded, module) = timed(|| Module::from_vec(engine, bytes));
    let loaded = loaded.map_err(|error| CliError::Module {
        file: file.to_owned(),
        error,
    })?;
    let phases = Phases {
        read,
        module,
        ..Phases::default()
    };
    Ok((loaded, phases))
}

pub(crate) fn read(file: &Path) -> Result<Vec<u8>> {
    upshift::read_file(file).map_err(|error| CliError::Read {
        file: file.to_owned(),
        error,
    })
}
