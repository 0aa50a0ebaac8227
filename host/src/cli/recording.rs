use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context;

use crate::recorded::Recorded;

/// A file that what a rule says is recorded in, a line a record.
#[derive(Debug)]
pub(super) struct Recording {
    path: PathBuf,
    file: Mutex<File>,
}

impl Recording {
    /// Begins a file; what it held is gone.
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("recording {}", path.display()))?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(file) })
    }

    /// Appends the records of an event, one after the other.
    pub(super) fn write(&self, records: impl Iterator<Item = Recorded>) -> anyhow::Result<()> {
        let mut lines = Vec::new();
        for record in records {
            serde_json::to_writer(&mut lines, &record)?;
            lines.push(b'\n');
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&lines).with_context(|| format!("recording {}", self.path.display()))
    }
}
