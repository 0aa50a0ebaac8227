use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::{DeadLetter, DeadLetterQueue};
use crate::receipt::PublishError;
use crate::same_file::{is_at, is_standard_stream};

/// How often it is tried to lock a file that another process has locked.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// A file that dead letters are appended to, one JSON document a line. A letter is confirmed once it
/// is on the disk. When the file is moved away, as logs are rotated, another of its name is made.
#[derive(Clone, Debug)]
pub struct DeadLetterFile {
    path: Arc<Path>,
    file: Arc<Mutex<File>>,
}

impl DeadLetterFile {
    /// Opens the file at `path`, which is made if there is none.
    ///
    /// # Errors
    ///
    /// If it cannot be written to, is no regular file, or is where standard output or standard error goes.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.into(), file: Arc::new(Mutex::new(open(path)?)) })
    }
}

fn open(path: &Path) -> io::Result<File> {
    // Not in append mode: what was written in part has to be taken back.
    let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
    let metadata = file.metadata()?;
    let reason = if !metadata.is_file() {
        "it is no regular file"
    } else if is_standard_stream(&metadata) {
        "standard output or standard error goes there: each would write over the other"
    } else {
        return Ok(file);
    };
    Err(io::Error::new(ErrorKind::InvalidInput, reason))
}

impl DeadLetterQueue for DeadLetterFile {
    fn send(
        &self,
        letters: Vec<DeadLetter>,
        deadline: Option<Instant>,
    ) -> BoxFuture<'_, Vec<Result<(), PublishError>>> {
        let Self { path, file } = self.clone();
        async move {
            let count = letters.len();
            let written = tokio::task::spawn_blocking(move || {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                append(&mut file, &path, &letters, deadline)
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
fn append(
    file: &mut File,
    path: &Path,
    letters: &[DeadLetter],
    deadline: Option<Instant>,
) -> io::Result<()> {
    let mut lines = Vec::new();
    for letter in letters {
        serde_json::to_writer(&mut lines, letter)?;
        lines.push(b'\n');
    }
    // Other processes may append to it too, and move it away.
    lock(file, deadline)?;
    while !is_at(file, path)? {
        *file = open(path)?;
        lock(file, deadline)?;
    }
    let written = append_lines(file, &lines);
    // It cannot fail: the lock is held.
    let _ = file.unlock();
    written
}

fn lock(file: &File, deadline: Option<Instant>) -> io::Result<()> {
    let Some(deadline) = deadline else { return file.lock() };
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                return Err(io::Error::new(ErrorKind::TimedOut, "another process has it locked"));
            }
            Err(TryLockError::WouldBlock) => thread::sleep(TRY_AGAIN_AFTER),
        }
    }
}

fn append_lines(file: &mut File, lines: &[u8]) -> io::Result<()> {
    let start = file.seek(SeekFrom::End(0))?;
    let written = end_last_line(file, start)
        .and_then(|()| file.write_all(lines))
        .and_then(|()| file.sync_data());
    if written.is_err() {
        // If that fails as well, half a line is left; the error that is told is the first.
        let _ = file.set_len(start);
    }
    written
}

/// Ends a line that broke off when whoever wrote it was killed: what follows is a letter of its own.
fn end_last_line(file: &mut File, end: u64) -> io::Result<()> {
    if end == 0 {
        return Ok(());
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
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
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("letters");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        for letters in [vec![letter("1"), letter("2")], vec![letter("3")]] {
            let file = DeadLetterFile::open(&path).expect("a file");
            let results = runtime.block_on(file.send(letters, None));
            assert!(results.iter().all(Result::is_ok));
        }
        let text = std::fs::read_to_string(&path).expect("what was written");
        let records: Vec<String> = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
            .map(|letter| letter["record"].as_str().expect("an id").to_owned())
            .collect();
        assert_eq!(records, ["1", "2", "3"]);
    }

    #[test]
    fn others_may_append_as_well() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("letters");
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
        let is_whole = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
        assert_eq!(text.lines().filter(|line| is_whole(line)).count(), writers * 100);
    }

    /// A file in a folder of its own, and what is sent to it.
    fn with_file(test: impl Fn(&Path, &dyn Fn(Option<Instant>) -> Result<(), PublishError>)) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("letters");
        let file = DeadLetterFile::open(&path).expect("a file");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        test(&path, &|deadline| {
            runtime.block_on(file.send(vec![letter("1")], deadline)).pop().expect("an answer")
        });
    }

    fn letters(path: &Path) -> usize {
        let text = std::fs::read_to_string(path).expect("what was written");
        let is_letter = |line: &&str| serde_json::from_str::<serde_json::Value>(line).is_ok();
        text.lines().filter(is_letter).count()
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_is_moved_away_is_followed_by_another() {
        with_file(|path, send| {
            send(None).expect("on the disk");
            let old = path.with_extension("1");
            std::fs::rename(path, &old).expect("the file");
            send(None).expect("on the disk");
            send(None).expect("on the disk");
            assert_eq!((letters(&old), letters(path)), (1, 2));
        });
    }

    #[test]
    fn a_letter_behind_half_a_line_is_a_line_of_its_own() {
        with_file(|path, send| {
            std::fs::write(path, "{\"record\":\"0\"}\n{\"half\":").expect("the file");
            send(None).expect("on the disk");
            send(None).expect("on the disk");
            assert_eq!(letters(path), 3);
        });
    }

    #[test]
    fn a_file_that_stays_locked_confirms_nothing_at_the_deadline() {
        with_file(|path, send| {
            let other = open(path).expect("the file");
            other.lock().expect("its lock");
            let late = send(Some(Instant::now()));
            assert!(matches!(late, Err(PublishError::Unconfirmed(_))), "{late:?}");
            other.unlock().expect("its lock");
            send(Some(Instant::now())).expect("on the disk");
        });
    }

    #[test]
    fn a_full_disk_confirms_nothing() {
        let path = Path::new("/dev/full");
        let device = File::options().read(true).write(true).open(path).expect("a device");
        let file = DeadLetterFile { path: path.into(), file: Arc::new(Mutex::new(device)) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let results = runtime.block_on(file.send(vec![letter("1")], None));
        assert!(matches!(&results[..], [Err(PublishError::Unconfirmed(_))]), "{results:?}");
    }

    #[test]
    fn what_is_no_regular_file_is_refused() {
        let error = DeadLetterFile::open(Path::new("/dev/null")).expect_err("a device");
        assert_eq!(error.to_string(), "it is no regular file");
    }
}
