//! How far a campaign has come, in a small file, so that it goes on there after it was stopped or has crashed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Counts;

/// The seeds that are done, and what they gave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// What the counts depend on; a file of other settings is void.
    pub(crate) settings: String,
    /// All seeds below this one are done.
    pub(crate) next: u64,
    /// What they gave.
    pub(crate) counts: Counts,
    /// How long that took, over all runs.
    pub(crate) seconds: f64,
    /// Batches that are done already, but follow one that is not.
    #[serde(skip)]
    ahead: BTreeMap<u64, (u64, Counts)>,
}

/// The file that a campaign goes on from can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{action} {}: {source}; `--restart` begins anew", path.display())]
pub struct ProgressError {
    action: &'static str,
    path: PathBuf,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Progress {
    pub(crate) fn new(settings: String) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// What the file says; `None` if there is none, or one of other settings.
    pub(crate) fn load(path: &Path, settings: &str) -> Result<Option<Self>, ProgressError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| ProgressError {
            action: "cannot read",
            path: path.to_owned(),
            source,
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error.into())),
        };
        let progress: Self = serde_json::from_str(&text).map_err(|error| failed(error.into()))?;
        Ok((progress.settings == settings).then_some(progress))
    }

    /// Replaces the file as a whole, so that one who is killed meanwhile leaves the old or the new one.
    pub(crate) fn save(&self, path: &Path) -> Result<(), ProgressError> {
        let write = || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            let new = path.with_extension("new");
            std::fs::write(&new, serde_json::to_string_pretty(self)?)?;
            Ok(std::fs::rename(new, path)?)
        };
        write().map_err(|source| ProgressError {
            action: "cannot write",
            path: path.to_owned(),
            source,
        })
    }

    /// Notes a batch, which may be done before those that precede it.
    pub(crate) fn finish(&mut self, seeds: Range<u64>, counts: Counts) {
        self.ahead.insert(seeds.start, (seeds.end, counts));
        while let Some((end, counts)) = self.ahead.remove(&self.next) {
            self.next = end;
            self.counts = std::mem::take(&mut self.counts).plus(&counts);
        }
    }

    pub(crate) fn add_time(&mut self, time: Duration) {
        self.seconds += time.as_secs_f64();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules(modules: u64) -> Counts {
        Counts {
            modules,
            ..Counts::default()
        }
    }

    #[test]
    fn a_batch_counts_when_all_before_it_are_done() {
        let mut progress = Progress::new("s".to_owned());
        progress.finish(10..20, modules(9));
        assert_eq!((progress.next, progress.counts.modules), (0, 0));
        progress.finish(0..10, modules(10));
        assert_eq!((progress.next, progress.counts.modules), (20, 19));
    }

    #[test]
    fn a_campaign_goes_on_from_its_file_unless_settings_changed() {
        let folder = std::env::temp_dir().join(format!("upshift-progress-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("state.json");
        assert_eq!(Progress::load(&path, "s").unwrap(), None);

        let mut progress = Progress::new("s".to_owned());
        progress.finish(0..10, modules(10));
        progress.finish(20..30, modules(10));
        progress.save(&path).unwrap();
        let loaded = Progress::load(&path, "s").unwrap().unwrap();
        assert_eq!((loaded.next, loaded.counts.modules), (10, 10));
        assert_eq!(Progress::load(&path, "other").unwrap(), None);

        std::fs::write(&path, "{").unwrap();
        assert!(Progress::load(&path, "s").is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
