//! House rules that a machine can check, over all files that the repository has.

mod casts;
mod indices;
mod links;
mod sources;
mod tuples;

use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;

/// Folders that hold what cargo and others make, and what other projects wrote.
const NOT_OURS: &[&str] = &["target", ".git", "node_modules", "witx"];

/// A file of the repository.
struct File {
    /// From the repository's root, with slashes.
    path: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All files with this ending, in the order of their paths.
fn files(ending: &str) -> Vec<File> {
    fn walk(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
        let entries =
            std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
        for entry in entries {
            let entry = entry.unwrap();
            let (path, name) = (entry.path(), entry.file_name());
            let is_ours = !NOT_OURS.iter().any(|&other| name == other);
            if entry.file_type().unwrap().is_dir() {
                if is_ours {
                    walk(&path, ending, found);
                }
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    let root = root();
    let mut paths = Vec::new();
    walk(&root, ending, &mut paths);
    paths.sort();
    assert!(paths.len() > 2, "no files end in {ending}");
    let file = |path: PathBuf| File {
        path: path
            .strip_prefix(&root)
            .unwrap()
            .to_string_lossy()
            .into_owned(),
        text: std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}")),
    };
    paths.into_iter().map(file).collect()
}

/// Whether a file is code that users run.
fn is_code_proper(file: &File) -> bool {
    let (crates, tiers) = (
        file.path.starts_with("crates/"),
        file.path.starts_with("tiers/"),
    );
    (crates || tiers) && file.path.contains("/src/") && !file.path.contains("tests")
}

/// A source file without its comments.
fn tokens(file: &File) -> TokenStream {
    let tokens = file.text.parse();
    tokens.unwrap_or_else(|error| panic!("{}: {error}", file.path))
}

/// Fails with all that is wrong, a line each.
fn none(wrong: &[String]) {
    assert!(
        wrong.is_empty(),
        "{} in all:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
