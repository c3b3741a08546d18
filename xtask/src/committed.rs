//! Files that are committed beside what they are built from: replaced when they differ, or, with `--check`, only named.

use std::path::Path;

use crate::failure::Failure;
use crate::{files, process};

/// Takes over what was built, file by file.
pub struct Committed {
    /// Write nothing.
    check: bool,
    outdated: Vec<String>,
}

impl Committed {
    /// With `check`, nothing is written, and [`Committed::finish`] fails if something should have been.
    pub fn new(check: bool) -> Committed {
        Committed {
            check,
            outdated: Vec::new(),
        }
    }

    /// Compares what was built with what is committed, says so, and takes it over.
    ///
    /// # Errors
    /// If a file can't be read or written.
    pub fn take(&mut self, name: &str, built: &Path, committed: &Path) -> Result<(), Failure> {
        let new = files::read(built)?;
        let same = std::fs::read(committed).is_ok_and(|old| old == new);
        println!(
            "{name}: {} bytes, {}",
            new.len(),
            if same { "unchanged" } else { "changed" }
        );
        if same {
            return Ok(());
        }
        if self.check {
            self.outdated.push(name.to_owned());
            return Ok(());
        }
        files::write(committed, new)
    }

    /// Fails if something should have been written and was not: which files, by which compiler, and the command that
    /// rebuilds them.
    pub fn finish(self, compiler: &str, command: &str) -> Result<(), Failure> {
        if self.outdated.is_empty() {
            return Ok(());
        }
        let version = process::quiet_output(process::program(compiler).arg("--version"))
            .and_then(|version| version.lines().next().map(str::to_owned))
            .unwrap_or_else(|| compiler.to_owned());
        Err(Failure::Check(format!(
            "not what {version} compiles their sources to: {}. If the sources are right, `{command}` rebuilds them; \
             commit both",
            self.outdated.join(", ")
        )))
    }
}

/// A folder in cargo's target folder, made if need be.
///
/// # Errors
/// If it can't be made.
pub fn build_folder(name: &str) -> Result<std::path::PathBuf, Failure> {
    let folder = process::target().join(name);
    files::make_folder(&folder)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_written_or_named() {
        let folder = build_folder("committed-test").unwrap();
        let (built, committed) = (folder.join("built"), folder.join("committed"));
        std::fs::write(&built, "new").unwrap();
        std::fs::write(&committed, "old").unwrap();

        let mut checked = Committed::new(true);
        checked.take("file", &built, &committed).unwrap();
        let failure = checked.finish("no-compiler", "cargo xtask x").unwrap_err();
        assert!(failure.to_string().contains("file"), "{failure}");
        assert_eq!(std::fs::read(&committed).unwrap(), b"old");

        let mut written = Committed::new(false);
        written.take("file", &built, &committed).unwrap();
        written.finish("no-compiler", "cargo xtask x").unwrap();
        assert_eq!(std::fs::read(&committed).unwrap(), b"new");

        let mut checked = Committed::new(true);
        checked.take("file", &built, &committed).unwrap();
        checked.finish("no-compiler", "cargo xtask x").unwrap();
    }
}
