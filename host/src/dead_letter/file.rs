use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::{DeadLetter, DeadLetterQueue};
use crate::receipt::PublishError;

/// A file that dead letters are appended to, one JSON document a line. A letter is confirmed once it
/// is on the disk.
#[derive(Clone, Debug)]
pub struct DeadLetterFile {
    file: Arc<Mutex<File>>,
}

impl DeadLetterFile {
    /// Opens the file at `path`, which is made if there is none.
    ///
    /// # Errors
    ///
    /// If it cannot be written to.
    pub fn open(path: &Path) -> io::Result<Self> {
        // Not in append mode: what was written in part has to be taken back.
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { file: Arc::new(Mutex::new(file)) })
    }
}

impl DeadLetterQueue for DeadLetterFile {
    fn send(
        &self,
        letters: Vec<DeadLetter>,
        _deadline: Option<Instant>,
    ) -> BoxFuture<'_, Vec<Result<(), PublishError>>> {
        let file = Arc::clone(&self.file);
        async move {
            let count = letters.len();
            let written = tokio::task::spawn_blocking(move || {
                append(&mut file.lock().unwrap_or_else(PoisonError::into_inner), &letters)
            });
            let result = match written.await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(error) => Err(format!("writing ended early: {error}")),
            };
            vec![result.map_err(PublishError::Unconfirmed); count]
        }
        .boxed()
    }
}

/// Appends all letters, or none.
fn append(file: &mut File, letters: &[DeadLetter]) -> io::Result<()> {
    let mut lines = Vec::new();
    for letter in letters {
        serde_json::to_writer(&mut lines, letter)?;
        lines.push(b'\n');
    }
    // Other processes may append to it too.
    file.lock()?;
    let written = append_lines(file, &lines);
    // It cannot fail: the lock is held.
    let _ = file.unlock();
    written
}

fn append_lines(file: &mut File, lines: &[u8]) -> io::Result<()> {
    let start = file.seek(SeekFrom::End(0))?;
    let written = file.write_all(lines).and_then(|()| file.sync_data());
    if written.is_err() {
        // If that fails as well, half a line is left; the error that is told is the first.
        let _ = file.set_len(start);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn letter(record: &str) -> DeadLetter {
        DeadLetter {
            record: record.to_owned(),
            contract: "kinesis",
            source: "arn:s".to_owned(),
            reason: "not JSON".to_owned(),
            rule: "threshold".to_owned(),
            rule_version: "0.1.0".to_owned(),
            rule_digest: Digest::of(b""),
            data: "e30=".to_owned(),
            encoding: "base64",
        }
    }

    #[test]
    fn letters_are_appended_one_a_line() {
        let path = std::env::temp_dir().join(format!("weir-letters-{}", std::process::id()));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        for letters in [vec![letter("1"), letter("2")], vec![letter("3")]] {
            let file = DeadLetterFile::open(&path).expect("a file");
            let results = runtime.block_on(file.send(letters, None));
            assert!(results.iter().all(Result::is_ok));
        }
        let text = std::fs::read_to_string(&path).expect("what was written");
        std::fs::remove_file(&path).expect("the file");
        let records: Vec<String> = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
            .map(|letter| letter["record"].as_str().expect("an id").to_owned())
            .collect();
        assert_eq!(records, ["1", "2", "3"]);
    }

    #[test]
    fn others_may_append_as_well() {
        let path = std::env::temp_dir().join(format!("weir-shared-letters-{}", std::process::id()));
        let writers = 4;
        std::thread::scope(|threads| {
            for _ in 0..writers {
                // Each with an open file of its own, as another process has.
                let file = DeadLetterFile::open(&path).expect("a file");
                threads.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build();
                    for _ in 0..50 {
                        let sent = file.send(vec![letter("1"), letter("2")], None);
                        let results = runtime.as_ref().expect("a runtime").block_on(sent);
                        assert!(results.iter().all(Result::is_ok), "{results:?}");
                    }
                });
            }
        });
        let text = std::fs::read_to_string(&path).expect("what was written");
        std::fs::remove_file(&path).expect("the file");
        let is_whole = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
        assert_eq!(text.lines().filter(|line| is_whole(line)).count(), writers * 100);
    }

    #[test]
    fn a_full_disk_confirms_nothing() {
        let file = DeadLetterFile::open(Path::new("/dev/full"));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let results = runtime.block_on(file.expect("a device").send(vec![letter("1")], None));
        assert!(matches!(&results[..], [Err(PublishError::Unconfirmed(_))]), "{results:?}");
    }
}
