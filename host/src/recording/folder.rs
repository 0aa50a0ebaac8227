//! The files of a recording's folder: `recording-00000001.ndjson`, and so on.

use std::io;
use std::path::{Path, PathBuf};

const PREFIX: &str = "recording-";
const SUFFIX: &str = ".ndjson";

/// A file of a recording.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Segment {
    /// Files are numbered as they are begun.
    pub(super) number: u64,
    pub(super) path: PathBuf,
}

impl Segment {
    pub(super) fn new(folder: &Path, number: u64) -> Self {
        Self { number, path: folder.join(format!("{PREFIX}{number:08}{SUFFIX}")) }
    }
}

/// The files of the recording in a folder, the oldest first. Other files are passed over.
pub(super) fn list(folder: &Path) -> io::Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for entry in folder.read_dir()? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| {
            let digits = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
            digits.parse().ok()
        });
        segments.extend(number.map(|number| Segment { number, path: folder.join(&name) }));
    }
    segments.sort();
    Ok(segments)
}

/// The files of the recording in a folder, in the order in which they are read.
///
/// # Errors
///
/// If the folder cannot be read.
pub fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(list(folder)?.into_iter().map(|segment| segment.path).collect())
}
