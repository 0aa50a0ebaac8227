//! Files that nobody else can have written.
//!
//! A place is trusted as `sshd` trusts a key file: it and every directory above it belong to this
//! user or to root, and neither group nor others may write there. Directories above may be writable
//! if they are sticky, as `/tmp` is, for there nobody can replace what is another's. All is checked
//! on open handles, each opened below the one before, so that nothing can be exchanged in between.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Component, Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{
    AtFlags, CWD, Dir, Mode, OFlags, StatVfsMountFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT,
};

/// How to open a directory to look it over: it need not be readable.
#[cfg(target_os = "linux")]
const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW);
#[cfg(not(target_os = "linux"))]
const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW);

const WRITABLE_BY_OTHERS: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// A directory in which nobody writes but this user and root.
#[derive(Debug)]
pub(super) struct Place {
    directory: OwnedFd,
    path: PathBuf,
}

impl Place {
    /// Opens the directory at `path`.
    pub(super) fn open(path: &Path) -> Result<Self, PlaceError> {
        // Symbolic links in the path are the user's own affair: what counts is where they lead.
        let path = fs::canonicalize(path)?;
        let mut walked = PathBuf::from("/");
        let mut directory = open(CWD, walked.as_os_str(), DIRECTORY)?;
        let names = path.components().filter_map(|component| match component {
            Component::Normal(name) => Some(name),
            _ => None,
        });
        for name in names {
            check(&File::from(directory.try_clone()?), &walked, Kind::Above)?;
            directory = open(directory, name, DIRECTORY)?;
            walked.push(name);
        }
        check(&File::from(directory.try_clone()?), &walked, Kind::Place)?;
        Ok(Self { directory, path })
    }

    /// Makes the directory at `path`, and those above it, for this user alone.
    pub(super) fn create(path: &Path) -> Result<Self, PlaceError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        Self::open(path)
    }

    /// Reads a file of this directory.
    pub(super) fn read(&self, name: &OsStr) -> Result<Vec<u8>, PlaceError> {
        // Not to wait for the other end of a pipe: that is no file.
        let file = open(&self.directory, name, OFlags::NOFOLLOW | OFlags::NONBLOCK);
        let mut file = match file {
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                let path = self.path.join(name);
                return Err(PlaceError::Untrusted { path, why: "is a symbolic link" });
            }
            file => File::from(file?),
        };
        check(&file, &self.path.join(name), Kind::File)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The files of this directory whose names are `wanted`.
    pub(super) fn files(&self, wanted: impl Fn(&OsStr) -> bool) -> io::Result<Vec<FileOfPlace>> {
        let mut files = Vec::new();
        let directory = open(&self.directory, OsStr::new("."), OFlags::DIRECTORY)?;
        for entry in Dir::new(directory)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if !wanted(name) {
                continue;
            }
            // Not a link, and not what another process has removed meanwhile.
            let opened = open(&self.directory, name, OFlags::NOFOLLOW | OFlags::NONBLOCK);
            let Ok(metadata) = opened.and_then(|file| File::from(file).metadata()) else {
                continue;
            };
            if metadata.is_file() {
                let (bytes, modified) = (metadata.len(), metadata.modified()?);
                files.push(FileOfPlace { name: name.to_owned(), bytes, modified });
            }
        }
        Ok(files)
    }

    /// Has a file of this directory modified now, by the clock of the file system.
    pub(super) fn touch(&self, name: &OsStr) -> io::Result<()> {
        let time = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
        let times =
            Timestamps { last_access: time(UTIME_OMIT), last_modification: time(UTIME_NOW) };
        Ok(rustix::fs::utimensat(&self.directory, name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Removes a file of this directory, unless another process was faster.
    pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.directory, name, AtFlags::empty()) {
            Err(rustix::io::Errno::NOENT) => Ok(()),
            removed => Ok(removed?),
        }
    }

    /// Writes a file of this directory, which others see whole or not at all.
    pub(super) fn write(&self, name: &OsStr, bytes: &[u8]) -> io::Result<()> {
        let temporary = temporary_name(name);
        let written = self.write_new(&temporary, bytes).and_then(|()| {
            Ok(rustix::fs::renameat(&self.directory, &temporary, &self.directory, name)?)
        });
        if written.is_err() {
            // Best effort: why it failed is what counts.
            let _ = rustix::fs::unlinkat(&self.directory, &temporary, AtFlags::empty());
        }
        written
    }

    fn write_new(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let mut file = File::from(rustix::fs::openat(&self.directory, name, flags, mode)?);
        file.write_all(bytes)?;
        file.sync_all()
    }
}

/// A file of a place.
#[derive(Debug)]
pub(super) struct FileOfPlace {
    pub(super) name: OsString,
    pub(super) bytes: u64,
    /// By the clock of the file system.
    pub(super) modified: SystemTime,
}

/// A name that no other process takes, and none that ended early has left behind.
fn temporary_name(name: &OsStr) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!(".{}.{}-{}", name.display(), std::process::id(), now.as_nanos())
}

/// The name under which a file of this temporary name was to be seen; none if it is no such name.
pub(super) fn name_of_temporary(name: &str) -> Option<&str> {
    let (name, writer) = name.strip_prefix('.')?.rsplit_once('.')?;
    let (process, nanoseconds) = writer.split_once('-')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(process) && is_number(nanoseconds)).then_some(name)
}

fn open(directory: impl AsFd, name: &OsStr, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(directory, name, flags, Mode::empty())?)
}

/// What is opened at a path, and so what is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Above,
    Place,
    File,
}

fn check(opened: &File, path: &Path, kind: Kind) -> Result<(), PlaceError> {
    let metadata = opened.metadata()?;
    let untrusted = |why| PlaceError::Untrusted { path: path.to_owned(), why };
    if kind == Kind::File && !metadata.is_file() {
        return Err(untrusted("is not a file"));
    }
    let user = rustix::process::geteuid().as_raw();
    match who_may_write(metadata.mode(), metadata.uid(), user, kind) {
        // Where nobody can write, it does not matter who may. But what is mounted read-only here may be
        // written elsewhere: that it is not is known of the package of a Lambda function alone.
        Some(why) if !(is_of_function(path) && is_read_only(opened)?) => Err(untrusted(why)),
        _ => Ok(()),
    }
}

/// Who but `user` and root may write to what has this mode and owner.
fn who_may_write(mode: u32, owner: u32, user: u32, kind: Kind) -> Option<&'static str> {
    let sticky = kind == Kind::Above && mode & STICKY != 0;
    if owner != 0 && owner != user {
        Some("belongs to another user")
    } else if mode & WRITABLE_BY_OTHERS != 0 && !sticky {
        Some("can be written by others than its owner")
    } else {
        None
    }
}

/// Whether it is of the package of the Lambda function that this is, or of one of its layers.
///
/// Source: AWS Lambda Developer Guide, "Defined runtime environment variables" (`LAMBDA_TASK_ROOT`), "Packaging
/// layers" (`/opt`).
fn is_of_function(path: &Path) -> bool {
    let root = std::env::var_os("LAMBDA_TASK_ROOT");
    root.is_some_and(|root| path.starts_with(root) || path.starts_with("/opt"))
}

fn is_read_only(opened: &File) -> io::Result<bool> {
    Ok(rustix::fs::fstatvfs(opened)?.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// Why a place or a file in it cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlaceError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("{} {why}", .path.display())]
    Untrusted { path: PathBuf, why: &'static str },
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_belongs_to_the_user_or_to_root_is_trusted() {
        for kind in [Kind::Above, Kind::Place, Kind::File] {
            for owner in [0, 1000] {
                assert_eq!(who_may_write(0o755, owner, 1000, kind), None);
                assert!(who_may_write(0o775, owner, 1000, kind).is_some());
                assert!(who_may_write(0o757, owner, 1000, kind).is_some());
            }
            for (owner, user) in [(1001, 1000), (1000, 0)] {
                assert!(who_may_write(0o700, owner, user, kind).is_some());
            }
        }
    }

    #[test]
    fn only_above_the_place_is_it_enough_to_be_sticky() {
        assert_eq!(who_may_write(0o1777, 0, 1000, Kind::Above), None);
        assert!(who_may_write(0o1777, 1001, 1000, Kind::Above).is_some());
        assert!(who_may_write(0o1777, 0, 1000, Kind::Place).is_some());
    }

    #[test]
    fn what_cannot_be_trusted_is_named() {
        let temporary = tempfile::tempdir().expect("a folder");
        let folder = temporary.path();
        drop(Place::create(&folder.join("below")).expect("a place"));
        let mode = fs::Permissions::from_mode(0o770);
        fs::set_permissions(folder, mode).expect("a mode");
        let path = fs::canonicalize(folder).expect("a path");
        let opened = [Place::open(folder), Place::open(&folder.join("below"))];
        for opened in opened {
            let error = opened.expect_err("others may write").to_string();
            let expected = format!("{} can be written by others than its owner", path.display());
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn a_pipe_is_no_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = Place::open(folder.path()).expect("a place");
        let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status();
        assert!(made.expect("mkfifo").success());
        let read = place.read("pipe".as_ref());
        assert!(
            matches!(read, Err(PlaceError::Untrusted { why: "is not a file", .. })),
            "{read:?}"
        );
    }
}
