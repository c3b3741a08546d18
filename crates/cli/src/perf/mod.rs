//! `--perf`: tells Linux `perf` the names of generated code, in a file that it looks for. New code is added
//! whenever LLVM's code is published, and at the end, so that a program that is killed is told of too.

mod jitdump;

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;
use parking_lot::Mutex;
use upshift::{CodeRegion, Module, TierEvent, TierEventKind};

use crate::error::{CliError, Result};
use crate::exports::printable;
use crate::timeline::FIRST_TIER;
use jitdump::JitDump;

/// How names get to `perf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Perf {
    /// By the file /tmp/perf-PID.map, which `perf report` reads.
    Map,
    /// By the file ./jit-PID.dump, which has the code too: for `perf record -k mono`, then `perf inject --jit`.
    Jitdump,
}

/// The file of this process.
#[derive(Clone)]
pub(crate) struct PerfNames(Arc<Mutex<Inner>>);

struct Inner {
    path: PathBuf,
    file: File,
    format: Format,
    /// Whose code it is, while it runs.
    module: Option<Module>,
    /// Addresses that the file has.
    written: HashSet<usize>,
    /// The first thing that went wrong.
    error: Option<io::Error>,
}

enum Format {
    Map,
    JitDump(JitDump),
}

impl PerfNames {
    /// A file without names. Has code go where `perf` finds it.
    ///
    /// # Errors
    /// When the file can't be made.
    pub(crate) fn create(how: Perf) -> Result<Self> {
        // Code in files is looked up in those files.
        upshift::keep_code_anonymous();
        let process = std::process::id();
        let path = PathBuf::from(match how {
            // Where `perf` looks, independently of the environment's place for temporary files.
            Perf::Map => format!("/tmp/perf-{process}.map"),
            // It finds this one wherever it is, by this name.
            Perf::Jitdump => format!("jit-{process}.dump"),
        });
        let failed = |error| CliError::Write {
            file: path.clone(),
            error,
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            // The name can be guessed, and anybody may put a link there.
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path)
            .map_err(failed)?;
        let format = match how {
            Perf::Map => Format::Map,
            Perf::Jitdump => Format::JitDump(JitDump::begin(&file).map_err(failed)?),
        };
        Ok(Self(Arc::new(Mutex::new(Inner {
            path,
            file,
            format,
            module: None,
            written: HashSet::new(),
            error: None,
        }))))
    }

    /// From here on, this module's code is written.
    pub(crate) fn attach(&self, module: &Module) {
        self.with(|inner| inner.module = Some(module.clone()));
    }

    /// Writes new code, if the event says that there is some.
    pub(crate) fn hear(&self, event: &TierEvent) {
        let TierEventKind::Published { tier, .. } = &event.kind else {
            return;
        };
        // First compiles, of which there may be thousands, can wait for the next of these.
        if *tier != FIRST_TIER {
            self.with(Inner::write_new);
        }
    }

    /// Writes all that is still missing, and lets go of the module.
    ///
    /// # Errors
    /// When anything could not be written.
    pub(crate) fn finish(&self) -> Result<()> {
        self.with(|inner| {
            inner.write_new();
            inner.module = None;
            if let Format::JitDump(dump) = &inner.format {
                let mut end = Vec::new();
                dump.close(&mut end);
                inner.write(&end);
            }
            match inner.error.take() {
                None => Ok(()),
                Some(error) => Err(CliError::Write {
                    file: inner.path.clone(),
                    error,
                }),
            }
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.0.lock())
    }
}

impl Inner {
    fn write_new(&mut self) {
        let Some(module) = &self.module else { return };
        let mut new = Vec::new();
        for region in module.code_regions() {
            if !self.written.insert(region.address) {
                continue;
            }
            let name = name_of(&region);
            match &mut self.format {
                Format::Map => {
                    let line = format!("{:x} {:x} {name}\n", region.address, region.len);
                    new.extend(line.into_bytes());
                }
                Format::JitDump(dump) => {
                    let code = module.code_bytes(&region).unwrap_or_default();
                    dump.load(&region, &name, &code, &mut new);
                }
            }
        }
        self.write(&new);
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Err(error) = self.file.write_all(bytes) {
            self.error.get_or_insert(error);
        }
    }
}

fn name_of(region: &CodeRegion) -> String {
    let name = match &region.name {
        Some(name) => printable(name),
        None => format!("function {}", region.function),
    };
    match region.loop_number {
        None => format!("{name} [{}]", region.tier),
        Some(number) => format!("{name} [{} loop {number}]", region.tier),
    }
}
