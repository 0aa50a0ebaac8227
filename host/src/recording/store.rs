//! The files of a recording, as they are written: private, and never more than a number of bytes in
//! all.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use super::folder::{self, Segment};
use super::header::Header;

/// Over how many files the bytes are spread: so much is kept at least of what was allowed.
const SEGMENTS: u64 = 8;

/// The file that says that somebody records into the folder.
const LOCK: &str = "recording.lock";

pub(super) struct Store {
    folder: PathBuf,
    /// How many bytes all files may have.
    max_bytes: u64,
    /// Files that are whole, the oldest first, and their sizes.
    written: VecDeque<(Segment, u64)>,
    current: Option<Current>,
    /// The number of the next file.
    next: u64,
    /// Held as long as it is open.
    _lock: File,
}

/// The file that is being written.
struct Current {
    file: File,
    segment: Segment,
    bytes: u64,
    /// The last header in it.
    header: Arc<Header>,
}

impl Store {
    /// Opens a folder, which is made if there is none, for nobody else. What was recorded there
    /// before counts.
    ///
    /// # Errors
    ///
    /// If it cannot be made or read, or somebody else records into it.
    pub(super) fn open(folder: PathBuf, max_bytes: u64) -> io::Result<Self> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&folder)?;
        let lock = private().truncate(false).open(folder.join(LOCK))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::new(
                io::ErrorKind::ResourceBusy,
                "another process records into this folder",
            ),
            TryLockError::Error(error) => error,
        })?;
        let mut written = VecDeque::new();
        for segment in folder::list(&folder)? {
            let bytes = fs::metadata(&segment.path)?.len();
            written.push_back((segment, bytes));
        }
        let next = written.back().map_or(1, |(last, _)| last.number + 1);
        Ok(Self { folder, max_bytes, written, current: None, next, _lock: lock })
    }

    /// Appends a line, below its header.
    ///
    /// # Errors
    ///
    /// If it cannot be written, or is longer than a file may be. Then nothing of it is left.
    pub(super) fn append(&mut self, header: &Arc<Header>, line: &[u8]) -> io::Result<()> {
        let mut with_header = Vec::new();
        header.write(&mut with_header);
        with_header.extend_from_slice(line);
        if with_header.len() as u64 > self.segment_bytes() {
            let message = format!("a record of {} bytes is too long for a file", line.len());
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        let maximum = self.segment_bytes();
        let current = match self.current.take() {
            // What was removed is written into for nobody.
            Some(current) if current.is_gone() => self.begin(header)?,
            Some(current) => {
                let follows = current.header == *header;
                let text = if follows { line } else { &with_header };
                if current.bytes + text.len() as u64 <= maximum {
                    let current = self.current.insert(current);
                    current.header = Arc::clone(header);
                    return current.write(text);
                }
                self.written.push_back((current.segment, current.bytes));
                self.begin(header)?
            }
            None => self.begin(header)?,
        };
        self.current.insert(current).write(&with_header)
    }

    fn segment_bytes(&self) -> u64 {
        self.max_bytes / SEGMENTS
    }

    /// Begins another file, for which the oldest make room.
    fn begin(&mut self, header: &Arc<Header>) -> io::Result<Current> {
        let mut total: u64 = self.written.iter().map(|(_, bytes)| bytes).sum();
        while total + self.segment_bytes() > self.max_bytes {
            let Some((oldest, bytes)) = self.written.front() else { break };
            match fs::remove_file(&oldest.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => total -= bytes,
            }
            self.written.pop_front();
        }
        let segment = Segment::new(&self.folder, self.next);
        let file = private().create_new(true).open(&segment.path)?;
        self.next += 1;
        Ok(Current { file, segment, bytes: 0, header: Arc::clone(header) })
    }
}

impl Current {
    /// Whether it was removed from its folder, as an operator may who makes room. One that was moved
    /// is still there.
    fn is_gone(&self) -> bool {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            self.file.metadata().is_ok_and(|file| file.nlink() == 0)
        }
        // Elsewhere a file cannot be removed that is open.
        #[cfg(not(unix))]
        false
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(text);
        match written {
            Ok(()) => self.bytes += text.len() as u64,
            // If that fails as well, half a line is left; the error that is told is the first.
            Err(_) => drop(self.file.set_len(self.bytes)),
        }
        written
    }
}

/// Files that nobody else may read. Text goes to their end, also after some was taken back.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::super::header::tests::header;
    use super::*;

    /// A folder that is gone when the test is over.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("weir-recording-{name}-{}", std::process::id());
            Self(std::env::temp_dir().join(name))
        }

        fn texts(&self) -> Vec<String> {
            let files = folder::files(&self.0).expect("a folder");
            files.iter().map(|file| fs::read_to_string(file).expect("a file")).collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const LINE: &[u8] = b"{\"n\":1,\"record\":\"0123456789\"}\n";

    #[test]
    fn files_never_exceed_the_bound_and_the_oldest_go() {
        let folder = Folder::new("bound");
        let header = Arc::new(header("{}"));
        const MAX: u64 = 8 << 10;
        for run in 0..2 {
            let mut store = Store::open(folder.0.clone(), MAX).expect("a folder");
            for _ in 0..500 {
                store.append(&header, LINE).expect("room");
                let bytes: usize = folder.texts().iter().map(String::len).sum();
                assert!(bytes as u64 <= MAX, "run {run}: {bytes} bytes");
            }
        }
        let texts = folder.texts();
        assert!(texts.len() >= SEGMENTS as usize - 1, "{} files", texts.len());
        assert!(texts.iter().all(|text| text.starts_with("{\"weir_recording\":")));
        let first = folder::list(&folder.0).expect("a folder").remove(0);
        assert!(first.number > 1, "the oldest are gone");
    }

    #[test]
    fn a_header_comes_again_when_it_changes_and_not_otherwise() {
        let folder = Folder::new("header");
        let mut store = Store::open(folder.0.clone(), 1 << 20).expect("a folder");
        let (one, other) = (Arc::new(header("{}")), Arc::new(header("{\"upper\":1}")));
        for header in [&one, &one, &other, &Arc::new((*other).clone())] {
            store.append(header, LINE).expect("room");
        }
        let texts = folder.texts();
        let headers: Vec<bool> =
            texts[0].lines().map(|line| line.starts_with("{\"weir_recording\":")).collect();
        assert_eq!(headers, [true, false, false, true, false, false]);
    }

    #[cfg(unix)]
    #[test]
    fn in_place_of_a_file_that_was_removed_another_begins() {
        let folder = Folder::new("removed");
        let header = Arc::new(header("{}"));
        let mut store = Store::open(folder.0.clone(), 1 << 20).expect("a folder");
        store.append(&header, LINE).expect("room");
        let first = folder::list(&folder.0).expect("a folder").remove(0);
        fs::remove_file(&first.path).expect("it is there");
        store.append(&header, LINE).expect("room");
        store.append(&header, LINE).expect("room");
        let texts = folder.texts();
        assert_eq!(texts.len(), 1);
        assert!(texts[0].starts_with("{\"weir_recording\":"), "{}", texts[0]);
        assert_eq!(texts[0].lines().count(), 3);

        fs::remove_dir_all(&folder.0).expect("a folder");
        assert!(store.append(&header, LINE).is_err(), "no line is written for nobody");
    }

    #[test]
    fn what_is_too_long_is_refused_and_leaves_nothing() {
        let folder = Folder::new("long");
        let mut store = Store::open(folder.0.clone(), 8 << 10).expect("a folder");
        let header = Arc::new(header("{}"));
        let error = store.append(&header, &[b'x'; 1 << 10]).expect_err("too long");
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(folder.texts().len(), 0);
    }

    #[test]
    fn one_process_at_a_time_records_into_a_folder() {
        let folder = Folder::new("lock");
        let first = Store::open(folder.0.clone(), 1 << 20).expect("a folder");
        let second = Store::open(folder.0.clone(), 1 << 20).err().expect("it is in use");
        assert_eq!(second.kind(), io::ErrorKind::ResourceBusy);
        drop(first);
        assert!(Store::open(folder.0.clone(), 1 << 20).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_it() {
        use std::os::unix::fs::PermissionsExt;

        let folder = Folder::new("private");
        let mut store = Store::open(folder.0.clone(), 1 << 20).expect("a folder");
        store.append(&Arc::new(header("{}")), LINE).expect("room");
        let mode =
            |path: &PathBuf| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode(&folder.0), 0o700);
        assert_eq!(mode(&folder::files(&folder.0).expect("a folder")[0]), 0o600);
    }
}
