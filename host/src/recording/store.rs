//! The files of a recording, as they are written: private, few, and never more than a number of bytes
//! in all.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::folder::{self, Segment};
use super::header::Header;

/// Over how many files the bytes are spread: of full ones, all but one are kept at least.
const SEGMENTS: usize = 8;

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
    /// The last header in it, as far as it was written here.
    header: Option<Arc<Header>>,
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
            Some(current) if current.is_gone() => self.begin()?,
            Some(current) => {
                let follows = current.header.as_ref() == Some(header);
                let text = if follows { line } else { &with_header };
                if current.bytes + text.len() as u64 <= maximum {
                    return self.current.insert(current).write(header, text);
                }
                self.written.push_back((current.segment, current.bytes));
                self.begin()?
            }
            None => match self.resume(with_header.len() as u64)? {
                Some(current) => current,
                None => self.begin()?,
            },
        };
        self.current.insert(current).write(header, &with_header)
    }

    fn segment_bytes(&self) -> u64 {
        self.max_bytes / SEGMENTS as u64
    }

    /// Goes on with the last file, which an earlier run has left, if there is room for so many bytes.
    fn resume(&mut self, bytes: u64) -> io::Result<Option<Current>> {
        let Some((last, _)) = self.written.back() else { return Ok(None) };
        // What cannot be gone on with stays as it is.
        let Ok(Some((file, written))) = reopen(&last.path) else { return Ok(None) };
        if written + bytes > self.segment_bytes() {
            return Ok(None);
        }
        self.make_room(self.written.len() - 1)?;
        let last = self.written.pop_back();
        Ok(last.map(|(segment, _)| Current { file, segment, bytes: written, header: None }))
    }

    /// Begins another file.
    fn begin(&mut self) -> io::Result<Current> {
        self.make_room(self.written.len())?;
        let segment = Segment::new(&self.folder, self.next);
        let file = private().create_new(true).open(&segment.path)?;
        self.next += 1;
        Ok(Current { file, segment, bytes: 0, header: None })
    }

    /// Removes the oldest files until there is room for one beside so many of them.
    fn make_room(&mut self, mut beside: usize) -> io::Result<()> {
        let mut total: u64 = self.written.iter().take(beside).map(|(_, bytes)| bytes).sum();
        while beside >= SEGMENTS || total + self.segment_bytes() > self.max_bytes {
            let Some((oldest, bytes)) = self.written.front() else { break };
            match fs::remove_file(&oldest.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => total -= bytes,
            }
            self.written.pop_front();
            beside -= 1;
        }
        Ok(())
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

    /// Writes a text that stands below this header, or begins with it.
    fn write(&mut self, header: &Arc<Header>, text: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(text);
        match written {
            Ok(()) => {
                self.bytes += text.len() as u64;
                self.header = Some(Arc::clone(header));
            }
            // If that fails as well, half a line is left; the error that is told is the first.
            Err(_) => drop(self.file.set_len(self.bytes)),
        }
        written
    }
}

/// Opens a file of an earlier run to go on with it, and tells its size. None if it is not a private one, or
/// if it ends in half a line.
fn reopen(path: &Path) -> io::Result<Option<(File, u64)>> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(None);
    }
    let mut file = private().create(false).read(true).open(path)?;
    let metadata = file.metadata()?;
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::mode(&metadata) & 0o077 != 0 {
        return Ok(None);
    }
    if metadata.len() > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            return Ok(None);
        }
    }
    Ok(Some((file, metadata.len())))
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
    use tempfile::TempDir;

    use super::super::header::tests::header;
    use super::*;

    /// A folder of its own.
    struct Folder(TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a folder"))
        }

        /// The place of a recording, which is yet to be made.
        fn path(&self) -> PathBuf {
            self.0.path().join("recording")
        }

        fn texts(&self) -> Vec<String> {
            let files = folder::files(&self.path()).expect("a folder");
            files.iter().map(|file| fs::read_to_string(file).expect("a file")).collect()
        }
    }

    const LINE: &[u8] = b"{\"n\":1,\"record\":\"0123456789\"}\n";

    #[test]
    fn files_never_exceed_the_bound_and_the_oldest_go() {
        let folder = Folder::new();
        let header = Arc::new(header("{}"));
        const MAX: u64 = 8 << 10;
        for run in 0..2 {
            let mut store = Store::open(folder.path(), MAX).expect("a folder");
            for _ in 0..500 {
                store.append(&header, LINE).expect("room");
                let bytes: usize = folder.texts().iter().map(String::len).sum();
                assert!(bytes as u64 <= MAX, "run {run}: {bytes} bytes");
            }
        }
        let texts = folder.texts();
        assert!((SEGMENTS - 1..=SEGMENTS).contains(&texts.len()), "{} files", texts.len());
        assert!(texts.iter().all(|text| text.starts_with("{\"weir_recording\":")));
        let first = folder::list(&folder.path()).expect("a folder").remove(0);
        assert!(first.number > 1, "the oldest are gone");
    }

    #[test]
    fn a_run_goes_on_with_the_last_file() {
        let folder = Folder::new();
        let header = Arc::new(header("{}"));
        for _ in 0..20 {
            let mut store = Store::open(folder.path(), 1 << 20).expect("a folder");
            store.append(&header, LINE).expect("room");
        }
        let texts = folder.texts();
        assert_eq!(texts.len(), 1);
        assert_eq!(texts[0].lines().count(), 40, "each run has a header");
    }

    #[cfg(unix)]
    #[test]
    fn what_cannot_be_gone_on_with_stays_as_it_is() {
        use std::os::unix::fs::{PermissionsExt, symlink};

        let folder = Folder::new();
        let header = Arc::new(header("{}"));
        let append = || {
            let mut store = Store::open(folder.path(), 1 << 20).expect("a folder");
            store.append(&header, LINE).expect("room");
        };
        append();
        let path = |number| Segment::new(&folder.path(), number).path;
        let half = |path: &Path| private().open(path).expect("a file").write_all(b"{\"n\":");
        half(&path(1)).expect("room");
        append();
        fs::set_permissions(path(2), fs::Permissions::from_mode(0o644)).expect("a mode");
        append();
        symlink(path(3), path(4)).expect("a link");
        append();
        let texts = folder.texts();
        let lines: Vec<usize> = texts.iter().map(|text| text.lines().count()).collect();
        assert_eq!(lines, [3, 2, 2, 2, 2]);
    }

    #[test]
    fn there_are_no_more_files_than_it_takes() {
        let folder = Folder::new();
        let header = Arc::new(header("{}"));
        for _ in 0..3 * SEGMENTS {
            let mut store = Store::open(folder.path(), 1 << 20).expect("a folder");
            store.append(&header, LINE).expect("room");
            // The next run does not go on with it.
            store.current.expect("a file").file.write_all(b"half a line").expect("room");
            assert!(folder.texts().len() <= SEGMENTS);
        }
        let first = folder::list(&folder.path()).expect("a folder").remove(0);
        assert_eq!(first.number, 2 * SEGMENTS as u64 + 1, "the oldest are gone");
    }

    #[test]
    fn a_header_that_was_not_written_is_written_with_the_next_record() {
        let folder = Folder::new();
        let (one, other) = (Arc::new(header("{}")), Arc::new(header("{\"upper\":1}")));
        let mut store = Store::open(folder.path(), 1 << 20).expect("a folder");
        store.append(&one, LINE).expect("room");
        let current = store.current.as_mut().expect("a file");
        let read_only = File::open(&current.segment.path).expect("a file");
        let writable = std::mem::replace(&mut current.file, read_only);
        assert!(store.append(&other, LINE).is_err());
        store.current.as_mut().expect("a file").file = writable;
        store.append(&other, LINE).expect("room");
        assert_eq!(folder.texts()[0].lines().count(), 4);
    }

    #[test]
    fn a_header_comes_again_when_it_changes_and_not_otherwise() {
        let folder = Folder::new();
        let mut store = Store::open(folder.path(), 1 << 20).expect("a folder");
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
        let folder = Folder::new();
        let header = Arc::new(header("{}"));
        let mut store = Store::open(folder.path(), 1 << 20).expect("a folder");
        store.append(&header, LINE).expect("room");
        let first = folder::list(&folder.path()).expect("a folder").remove(0);
        fs::remove_file(&first.path).expect("it is there");
        store.append(&header, LINE).expect("room");
        store.append(&header, LINE).expect("room");
        let texts = folder.texts();
        assert_eq!(texts.len(), 1);
        assert!(texts[0].starts_with("{\"weir_recording\":"), "{}", texts[0]);
        assert_eq!(texts[0].lines().count(), 3);

        fs::remove_dir_all(folder.path()).expect("a folder");
        assert!(store.append(&header, LINE).is_err(), "no line is written for nobody");
    }

    #[test]
    fn what_is_too_long_is_refused_and_leaves_nothing() {
        let folder = Folder::new();
        let mut store = Store::open(folder.path(), 8 << 10).expect("a folder");
        let header = Arc::new(header("{}"));
        let error = store.append(&header, &[b'x'; 1 << 10]).expect_err("too long");
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(folder.texts().len(), 0);
    }

    #[test]
    fn one_process_at_a_time_records_into_a_folder() {
        let folder = Folder::new();
        let first = Store::open(folder.path(), 1 << 20).expect("a folder");
        let second = Store::open(folder.path(), 1 << 20).err().expect("it is in use");
        assert_eq!(second.kind(), io::ErrorKind::ResourceBusy);
        drop(first);
        assert!(Store::open(folder.path(), 1 << 20).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_it() {
        use std::os::unix::fs::PermissionsExt;

        let folder = Folder::new();
        let mut store = Store::open(folder.path(), 1 << 20).expect("a folder");
        store.append(&Arc::new(header("{}")), LINE).expect("room");
        let mode =
            |path: &PathBuf| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode(&folder.path()), 0o700);
        assert_eq!(mode(&folder::files(&folder.path()).expect("a folder")[0]), 0o600);
    }
}
