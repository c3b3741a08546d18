//! `--perf map`: tells Linux `perf` the names of generated code, in the file that it looks for. Lines are added
//! whenever LLVM's code is published, and at the end, so that a program that is killed is told of too.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use clap::ValueEnum;
use upshift::{CodeRegion, Module, TierEvent, TierEventKind};

use crate::error::{CliError, Result};
use crate::exports::printable;
use crate::timeline::FIRST_TIER;

/// How names get to `perf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Perf {
    /// By the file /tmp/perf-PID.map, which `perf report` reads.
    Map,
}

/// The map of this process.
#[derive(Clone)]
pub(crate) struct PerfMap(Arc<Mutex<Inner>>);

struct Inner {
    path: PathBuf,
    file: File,
    /// Whose code it is, while it runs.
    module: Option<Module>,
    /// Addresses that the file has.
    written: HashSet<usize>,
    /// The first thing that went wrong.
    error: Option<io::Error>,
}

impl PerfMap {
    /// An empty map. Has code go where `perf` finds it.
    ///
    /// # Errors
    /// When the file can't be made.
    pub(crate) fn create() -> Result<Self> {
        // Code in files is looked up in those files.
        upshift::keep_code_anonymous();
        // Where `perf` looks, whatever the environment says about temporary files.
        let path = PathBuf::from(format!("/tmp/perf-{}.map", std::process::id()));
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            // The name can be guessed, and anybody may put a link there.
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path)
            .map_err(|error| CliError::Write {
                file: path.clone(),
                error,
            })?;
        Ok(Self(Arc::new(Mutex::new(Inner {
            path,
            file,
            module: None,
            written: HashSet::new(),
            error: None,
        }))))
    }

    /// From here on, this module's code is written.
    pub(crate) fn attach(&self, module: &Module) {
        self.with(|inner| inner.module = Some(module.clone()));
    }

    /// Writes what is new, if the event says that there is something.
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
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    fn write_new(&mut self) {
        let regions = self.module.iter().flat_map(Module::code_regions);
        let mut lines = String::new();
        for region in regions {
            if self.written.insert(region.address) {
                lines.push_str(&line(&region));
            }
        }
        if let Err(error) = self.file.write_all(lines.as_bytes()) {
            self.error.get_or_insert(error);
        }
    }
}

fn line(region: &CodeRegion) -> String {
    let name = match &region.name {
        Some(name) => printable(name),
        None => format!("function {}", region.function),
    };
    let tier = match region.loop_number {
        None => region.tier.to_owned(),
        Some(number) => format!("{} loop {number}", region.tier),
    };
    format!("{:x} {:x} {name} [{tier}]\n", region.address, region.len)
}
