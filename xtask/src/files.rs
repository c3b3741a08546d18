//! Reading and writing files, with errors that name them.

use std::fs;
use std::io;
use std::path::Path;

use crate::failure::Failure;

/// What is in a file.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(failed("reading", path))
}

/// Writes a file, in place of what is there.
pub fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), Failure> {
    fs::write(path, content).map_err(failed("writing", path))
}

/// Makes a folder, and those around it, if need be.
pub fn make_folder(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).map_err(failed("creating", path))
}

/// What an error of the system becomes: `action` is what was tried, as in "writing".
pub fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> Failure {
    move |source| Failure::File {
        action,
        path: path.to_owned(),
        source,
    }
}
