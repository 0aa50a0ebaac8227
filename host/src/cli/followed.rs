use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use super::inflated::GZIP_BEGINS;
use super::input::{BYTES_PER_EVENT, Source};
use crate::same_file::is_same;

/// How often a file is looked at that has no more to read, at first.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How often at the least, however long nothing was written to it: of many files most are quiet.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(1);

/// How many bytes there is room for while a file is waited for: many may be.
const ROOM_WHILE_WAITING: usize = 8 << 10;

/// How long a file that was replaced has to be quiet before the next one is read: who writes it may go on
/// until it is told, as when logs are rotated.
const QUIET_FOR: Duration = Duration::from_secs(1);

/// A file that is read as it grows, from its beginning: reading waits for more. It ends when it is replaced
/// or cut off, and then begins anew. One that is gone, or cannot be opened, is waited for.
pub(super) struct Followed {
    path: PathBuf,
    file: Option<File>,
    /// How much of it was read, in bytes.
    position: u64,
    /// What takes its place: then it has ended.
    next: Option<File>,
    /// What is in the way, as it was said.
    told: Option<ErrorKind>,
    /// How long nothing was to be read.
    quiet: Duration,
}

impl Followed {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, file: None, position: 0, next: None, told: None, quiet: Duration::ZERO }
    }

    fn read_on(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let Some(file) = &mut self.file else { return Ok(0) };
        let bytes = file.read(to)?;
        if self.position == 0 && to[..bytes].first() == Some(&GZIP_BEGINS) {
            let error = "it is compressed with gzip, and is read without following it only";
            return Err(io::Error::new(ErrorKind::InvalidData, error));
        }
        self.position += bytes as u64;
        if bytes > 0 {
            self.quiet = Duration::ZERO;
        }
        Ok(bytes)
    }

    /// Looks at what stands at the path now, and opens it if it is to be read from its beginning. Who
    /// replaces a file may do it step by step: whatever is in the way is waited for.
    fn look(&mut self) -> Option<File> {
        match self.another() {
            Ok(another) => {
                self.told = None;
                another
            }
            Err(error) => {
                if self.told.replace(error.kind()) != Some(error.kind()) {
                    tracing::warn!(file = %self.path.display(), %error, "it cannot be read: waiting");
                }
                None
            }
        }
    }

    fn another(&self) -> io::Result<Option<File>> {
        let found = fs::metadata(&self.path)?;
        if let Some(file) = &self.file
            && is_same(&file.metadata()?, &found)
            && found.len() >= self.position
        {
            return Ok(None);
        }
        if found.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        File::open(&self.path).map(Some)
    }

    fn wait(&mut self) {
        let pause = pause(self.quiet);
        thread::sleep(pause);
        self.quiet += pause;
    }

    fn begin(&mut self, file: File) {
        self.file = Some(file);
        self.position = 0;
    }
}

/// How long to wait before a file is looked at again, after it was quiet so long: in proportion, so that
/// what comes is late by no more than a tenth of the time in which nothing came.
fn pause(quiet: Duration) -> Duration {
    (quiet / 10).clamp(LOOK_EVERY, LOOK_AT_LEAST_EVERY)
}

impl Read for Followed {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if to.is_empty() || self.next.is_some() {
            return Ok(0);
        }
        loop {
            let bytes = self.read_on(to)?;
            if bytes > 0 {
                return Ok(bytes);
            }
            let Some(next) = self.look() else {
                self.wait();
                continue;
            };
            let Some(file) = &self.file else {
                self.begin(next);
                continue;
            };
            // Of one that was cut off, the place that was read is gone.
            let is_replaced = !is_same(&file.metadata()?, &next.metadata()?);
            let looks = QUIET_FOR.as_millis() / LOOK_EVERY.as_millis();
            for _ in 0..if is_replaced { looks } else { 1 } {
                let bytes = self.read_on(to)?;
                if bytes > 0 {
                    return Ok(bytes);
                }
                thread::sleep(LOOK_EVERY);
            }
            self.next = Some(next);
            return Ok(0);
        }
    }
}

impl Source for Followed {
    /// As much as is left to read.
    fn room(&self) -> usize {
        let found = match &self.file {
            Some(file) => file.metadata(),
            None => fs::metadata(&self.path),
        };
        let left = match found {
            Ok(found) if found.is_file() => found.len().saturating_sub(self.position),
            Ok(_) => u64::MAX,
            Err(_) => 0,
        };
        usize::try_from(left).unwrap_or(usize::MAX).clamp(ROOM_WHILE_WAITING, BYTES_PER_EVENT)
    }

    fn begins_anew(&mut self) -> io::Result<bool> {
        let Some(next) = self.next.take() else { return Ok(false) };
        tracing::info!(file = %self.path.display(), "replaced or cut off: reading it anew");
        self.begin(next);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tempfile::TempDir;

    use super::*;

    /// A file in a folder of its own.
    struct Scratch(TempDir);

    impl Scratch {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a folder"))
        }

        fn file(&self) -> PathBuf {
            self.0.path().join("followed")
        }

        fn append(&self, text: &str) {
            let file = File::options().append(true).create(true).open(self.file());
            file.and_then(|mut file| file.write_all(text.as_bytes())).expect("a file");
        }
    }

    /// Reads until so much was read.
    fn read(followed: &mut Followed, bytes: usize) -> String {
        let mut text = vec![0; bytes];
        followed.read_exact(&mut text).expect("text");
        String::from_utf8(text).expect("UTF-8")
    }

    /// Reads all that is left before another takes its place.
    fn to_its_end(followed: &mut Followed) -> String {
        let mut text = String::new();
        followed.read_to_string(&mut text).expect("text");
        assert_eq!(followed.read(&mut [0]).expect("its end"), 0, "it stays");
        assert!(followed.begins_anew().expect("another"));
        text
    }

    #[test]
    fn a_file_is_read_as_it_grows() {
        let scratch = Scratch::new();
        let mut followed = Followed::new(scratch.file());
        scratch.append("a\n");
        assert_eq!(read(&mut followed, 2), "a\n");
        let file = scratch.file();
        let writer = thread::spawn(move || {
            let file = File::options().append(true).open(file);
            file.and_then(|mut file| file.write_all(b"b\n")).expect("a file");
        });
        assert_eq!(read(&mut followed, 2), "b\n");
        writer.join().expect("the writer");
    }

    #[test]
    fn it_has_room_for_what_is_left_to_read() {
        let scratch = Scratch::new();
        let mut followed = Followed::new(scratch.file());
        assert_eq!(followed.room(), ROOM_WHILE_WAITING);
        let left = BYTES_PER_EVENT / 2;
        scratch.append(&"x".repeat(left));
        assert_eq!(followed.room(), left, "it is yet to be opened");
        read(&mut followed, 1);
        assert_eq!(followed.room(), left - 1);
        scratch.append(&"x".repeat(BYTES_PER_EVENT));
        assert_eq!(followed.room(), BYTES_PER_EVENT);
        read(&mut followed, left + BYTES_PER_EVENT - 1);
        assert_eq!(followed.room(), ROOM_WHILE_WAITING, "all is read");
    }

    #[test]
    fn one_that_is_quiet_is_looked_at_less_often() {
        let pauses = [0, 999, 5_000, 10_000, 100_000].map(Duration::from_millis).map(pause);
        assert_eq!(pauses, [100, 100, 500, 1_000, 1_000].map(Duration::from_millis));

        let scratch = Scratch::new();
        let mut followed = Followed::new(scratch.file());
        scratch.append("a");
        followed.quiet = Duration::from_secs(10);
        assert_eq!(read(&mut followed, 1), "a");
        assert_eq!(followed.quiet, Duration::ZERO, "until something is written to it");
        followed.wait();
        assert_eq!(followed.quiet, LOOK_EVERY);
    }

    #[test]
    fn what_was_written_before_it_is_replaced_is_read_first() {
        let scratch = Scratch::new();
        let mut followed = Followed::new(scratch.file());
        scratch.append("a\n");
        assert_eq!(read(&mut followed, 2), "a\n");
        scratch.append("no end");
        fs::rename(scratch.file(), scratch.0.path().join("old")).expect("a file");
        scratch.append("b\n");
        assert_eq!(to_its_end(&mut followed), "no end");
        assert_eq!(read(&mut followed, 2), "b\n");
    }

    #[test]
    fn one_that_is_compressed_is_no_file_of_lines() {
        let scratch = Scratch::new();
        fs::write(scratch.file(), b"\x1f\x8b\x08\n").expect("a file");
        let error = Followed::new(scratch.file()).read(&mut [0; 9]).expect_err("no text");
        assert!(error.to_string().contains("gzip"), "{error}");
    }

    #[test]
    fn what_is_written_to_a_file_that_was_moved_is_read_before_the_next() {
        let scratch = Scratch::new();
        let mut followed = Followed::new(scratch.file());
        scratch.append("a\n");
        assert_eq!(read(&mut followed, 2), "a\n");
        let old = File::options().append(true).open(scratch.file());
        fs::rename(scratch.file(), scratch.0.path().join("old")).expect("a file");
        scratch.append("c\n");
        let writer = thread::spawn(move || {
            // It was told of the new one meanwhile.
            thread::sleep(LOOK_EVERY * 3);
            old.and_then(|mut file| file.write_all(b"b\n")).expect("a file");
        });
        assert_eq!(to_its_end(&mut followed), "b\n");
        assert_eq!(read(&mut followed, 2), "c\n");
        writer.join().expect("the writer");
    }

    #[test]
    fn a_file_that_is_cut_off_is_read_anew() {
        let scratch = Scratch::new();
        let mut followed = Followed::new(scratch.file());
        scratch.append("a\nb\n");
        assert_eq!(read(&mut followed, 4), "a\nb\n");
        fs::write(scratch.file(), "c\n").expect("a file");
        assert_eq!(to_its_end(&mut followed), "");
        assert_eq!(read(&mut followed, 2), "c\n");
    }

    #[test]
    fn what_cannot_be_opened_is_waited_for() {
        let scratch = Scratch::new();
        let mut followed = Followed::new(scratch.file());
        scratch.append("a\n");
        assert_eq!(read(&mut followed, 2), "a\n");
        fs::rename(scratch.file(), scratch.0.path().join("old")).expect("a file");
        for in_the_way in ["a folder", "a link to itself"] {
            match in_the_way {
                "a folder" => fs::create_dir(scratch.file()).expect("a folder"),
                _ => std::os::unix::fs::symlink("followed", scratch.file()).expect("a link"),
            }
            assert!(followed.look().is_none(), "{in_the_way}");
            assert!(followed.told.is_some(), "{in_the_way}");
            fs::rename(scratch.file(), scratch.0.path().join(in_the_way)).expect("it is gone");
        }
        scratch.append("b\n");
        assert_eq!(to_its_end(&mut followed), "");
        assert_eq!(read(&mut followed, 2), "b\n");
    }
}
