use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::mem;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use super::inflated::GZIP_BEGINS;
use super::input::Source;

/// How often a file is looked at that has no more to read.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A file that is read as it grows, from its beginning: reading waits for more. It ends when it is replaced
/// or cut off, and then begins anew. One that is gone is waited for.
pub(super) struct Followed {
    path: PathBuf,
    file: Option<File>,
    /// How much of it was read, in bytes.
    position: u64,
    /// Whether it has ended, and another is there.
    has_ended: bool,
    /// Whether it was said that there is no such file.
    told: bool,
}

impl Followed {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, file: None, position: 0, has_ended: false, told: false }
    }

    fn read_on(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let Some(file) = &mut self.file else { return Ok(0) };
        let bytes = file.read(to)?;
        if self.position == 0 && to[..bytes].first() == Some(&GZIP_BEGINS) {
            let error = "it is compressed with gzip, and is read without following it only";
            return Err(io::Error::new(ErrorKind::InvalidData, error));
        }
        self.position += bytes as u64;
        Ok(bytes)
    }

    /// Looks at what stands at the path now. True if it is to be read from its beginning.
    fn is_another(&mut self) -> io::Result<bool> {
        let found = match fs::metadata(&self.path) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if !self.told {
                    tracing::warn!(file = %self.path.display(), "there is no such file: waiting");
                    self.told = true;
                }
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        self.told = false;
        let Some(file) = &self.file else { return Ok(true) };
        Ok(!is_same(&file.metadata()?, &found) || found.len() < self.position)
    }

    /// Begins to read what stands at the path.
    fn begin(&mut self) -> io::Result<()> {
        let file = match File::open(&self.path) {
            // It went away since.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            file => file?,
        };
        if self.file.is_some() {
            tracing::info!(file = %self.path.display(), "replaced or cut off: reading it anew");
        }
        self.file = Some(file);
        self.position = 0;
        Ok(())
    }
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

impl Read for Followed {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if to.is_empty() || self.has_ended {
            return Ok(0);
        }
        loop {
            let bytes = self.read_on(to)?;
            if bytes > 0 {
                return Ok(bytes);
            }
            if !self.is_another()? {
                thread::sleep(LOOK_EVERY);
                continue;
            }
            // What was written to the one before until it was replaced.
            let bytes = self.read_on(to)?;
            if bytes > 0 {
                return Ok(bytes);
            }
            if self.file.is_some() {
                self.has_ended = true;
                return Ok(0);
            }
            self.begin()?;
        }
    }
}

impl Source for Followed {
    fn begins_anew(&mut self) -> io::Result<bool> {
        let has_ended = mem::take(&mut self.has_ended);
        if has_ended {
            self.begin()?;
        }
        Ok(has_ended)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// A file in a folder of its own, which goes with it.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("weir-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).expect("a folder");
            Self(folder)
        }

        fn file(&self) -> PathBuf {
            self.0.join("followed")
        }

        fn append(&self, text: &str) {
            let file = File::options().append(true).create(true).open(self.file());
            file.and_then(|mut file| file.write_all(text.as_bytes())).expect("a file");
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).expect("the folder");
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
        let scratch = Scratch::new("grows");
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
    fn what_was_written_before_it_is_replaced_is_read_first() {
        let scratch = Scratch::new("replaced");
        let mut followed = Followed::new(scratch.file());
        scratch.append("a\n");
        assert_eq!(read(&mut followed, 2), "a\n");
        scratch.append("no end");
        fs::rename(scratch.file(), scratch.0.join("old")).expect("a file");
        scratch.append("b\n");
        assert_eq!(to_its_end(&mut followed), "no end");
        assert_eq!(read(&mut followed, 2), "b\n");
    }

    #[test]
    fn one_that_is_compressed_is_no_file_of_lines() {
        let scratch = Scratch::new("gzip");
        fs::write(scratch.file(), b"\x1f\x8b\x08\n").expect("a file");
        let error = Followed::new(scratch.file()).read(&mut [0; 9]).expect_err("no text");
        assert!(error.to_string().contains("gzip"), "{error}");
    }

    #[test]
    fn a_file_that_is_cut_off_is_read_anew() {
        let scratch = Scratch::new("cut");
        let mut followed = Followed::new(scratch.file());
        scratch.append("a\nb\n");
        assert_eq!(read(&mut followed, 4), "a\nb\n");
        fs::write(scratch.file(), "c\n").expect("a file");
        assert_eq!(to_its_end(&mut followed), "");
        assert_eq!(read(&mut followed, 2), "c\n");
    }
}
