//! What a cache holds is bounded: what was used longest ago makes room for what is written.

use std::ffi::OsStr;
use std::io;
use std::time::Duration;

use super::artifact::Key;
use super::place::{Place, name_of_temporary};

/// How many bytes of native code are kept, unless it is one file alone that has more.
pub(super) const KEPT_BYTES: u64 = 1 << 30;

/// How old a temporary file is that nobody writes to any more. It takes seconds to write one.
const LEFT_BEHIND: Duration = Duration::from_secs(3600);

/// Removes what exceeds `kept_bytes` beside the file that was `written` just now, the one that was modified
/// longest ago first, and what writers have left behind that ended early. Files that are not the cache's
/// stay, and so does whatever another process makes or removes meanwhile.
pub(super) fn prune(place: &Place, written: &OsStr, kept_bytes: u64) -> io::Result<()> {
    let kind = |name: &OsStr| Kind::of(name.to_str()?);
    let mut files = place.files(|name| kind(name).is_some())?;
    files.sort_by_key(|file| std::cmp::Reverse(file.modified));
    let Some(written) = files.iter().position(|file| file.name == written) else { return Ok(()) };
    let written = files.remove(written);
    let mut bytes = written.bytes;
    for file in files {
        let goes = match kind(&file.name) {
            Some(Kind::Code) => {
                bytes = bytes.saturating_add(file.bytes);
                bytes > kept_bytes
            }
            // What was written has the time of the file system, which another machine may keep.
            _ => written.modified.duration_since(file.modified).is_ok_and(|age| age > LEFT_BEHIND),
        };
        if goes {
            place.remove(&file.name)?;
        }
    }
    Ok(())
}

/// What the cache writes.
enum Kind {
    Code,
    Temporary,
}

impl Kind {
    /// By its name.
    fn of(name: &str) -> Option<Self> {
        match name_of_temporary(name) {
            None => Key::names(name).then_some(Self::Code),
            Some(name) => Key::names(name).then_some(Self::Temporary),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::SystemTime;

    use tempfile::TempDir;

    use super::*;

    /// A place of its own.
    struct Folder(TempDir, Place);

    impl Folder {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let place = Place::open(folder.path()).expect("a place");
            Self(folder, place)
        }

        /// Writes a file of 100 bytes that was modified so long ago.
        fn write(&self, name: &str, seconds: u64) {
            self.1.write(name.as_ref(), &[0; 100]).expect("room");
            let file = File::options().write(true).open(self.0.path().join(name)).expect("a file");
            let modified = SystemTime::now() - Duration::from_secs(seconds);
            file.set_modified(modified).expect("a time");
        }

        /// The names of its files.
        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).expect("a folder");
            let name = |entry: io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
            let mut names: Vec<_> =
                entries.map(|entry| name(entry).into_string().expect("text")).collect();
            names.sort();
            names
        }
    }

    fn code(digit: char) -> String {
        format!("{}.cwasm", digit.to_string().repeat(64))
    }

    #[test]
    fn what_was_used_longest_ago_makes_room() {
        let folder = Folder::new();
        for (digit, seconds) in [('a', 0), ('b', 40), ('c', 20), ('d', 30)] {
            folder.write(&code(digit), seconds);
        }
        prune(&folder.1, code('a').as_ref(), 400).expect("a place");
        assert_eq!(folder.names(), ['a', 'b', 'c', 'd'].map(code));
        folder.1.touch(code('b').as_ref()).expect("a file");
        prune(&folder.1, code('a').as_ref(), 399).expect("a place");
        assert_eq!(folder.names(), ['a', 'b', 'c'].map(code));
        prune(&folder.1, code('c').as_ref(), 1).expect("a place");
        assert_eq!(folder.names(), [code('c')], "what was just written is kept");
    }

    #[test]
    fn what_was_left_behind_goes_and_what_is_being_written_stays() {
        let folder = Folder::new();
        let temporary = |process: u32| format!(".{}.{process}-1764244800000000000", code('b'));
        folder.write(&temporary(1), 3700);
        folder.write(&temporary(2), 60);
        folder.write(&code('a'), 0);
        prune(&folder.1, code('a').as_ref(), KEPT_BYTES).expect("a place");
        assert_eq!(folder.names(), [temporary(2), code('a')]);
    }

    #[test]
    fn what_is_not_the_caches_stays() {
        let folder = Folder::new();
        let others = [
            code('B'),
            code('b') + ".1-2",
            format!(".{}", code('b')),
            format!(".{}.1", code('b')),
            format!(".{}.1-x", code('b')),
            ".fever.cwasm.1-2".to_owned(),
            "fever.cwasm".to_owned(),
        ];
        for name in &others {
            folder.write(name, 1_000_000);
        }
        fs::create_dir(folder.0.path().join(code('c'))).expect("a folder");
        folder.write(&code('a'), 0);
        prune(&folder.1, code('a').as_ref(), 1).expect("a place");
        assert_eq!(folder.names().len(), others.len() + 2);
    }

    #[test]
    fn several_hosts_prune_one_directory_at_once() {
        let folder = Folder::new();
        ('b'..='f').for_each(|digit| folder.write(&code(digit), 10));
        folder.write(&code('a'), 0);
        std::thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(|| prune(&folder.1, code('a').as_ref(), 1).expect("a place"));
            }
        });
        assert_eq!(folder.names(), [code('a')]);
    }
}
