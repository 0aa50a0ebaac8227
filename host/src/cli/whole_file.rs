//! Files that others see whole or not at all, however many write them at once.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file that waits beside another to take its place. It is removed if it does not.
pub(super) struct WholeFile {
    file: NamedTempFile,
    place: PathBuf,
}

impl WholeFile {
    /// Writes it. It is on the disk then, under a name that no other process has.
    pub(super) fn write(path: &Path, content: &[u8]) -> io::Result<Self> {
        if is_special(path) {
            return Err(io::Error::other("it is not a regular file"));
        }
        // Where a link leads is replaced, not the link.
        let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let path = &place;
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        // Hidden, so that it is no version of a rule.
        let prefix = format!(".{}.", path.file_name().unwrap_or_default().display());
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix);
        // As any other file: for whom the process lets read it.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(folder.unwrap_or(Path::new(".")))?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        Ok(Self { file, place })
    }

    /// Puts it in its place.
    pub(super) fn put(self) -> io::Result<()> {
        self.file.persist(self.place).map(drop).map_err(|error| error.error)
    }
}

/// Writes a file at once; or to what is there, if that is a pipe or a device.
pub(super) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    match is_special(path) {
        true => fs::write(path, content),
        false => WholeFile::write(path, content)?.put(),
    }
}

/// The same, of a file that all may read and nobody but its owner may write, whatever the process lets others do.
pub(super) fn write_readable(path: &Path, content: &[u8]) -> io::Result<()> {
    if is_special(path) {
        return fs::write(path, content);
    }
    let file = WholeFile::write(path, content)?;
    #[cfg(unix)]
    file.file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    file.put()
}

/// Whether it is a pipe or a device, which nothing can take the place of.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).expect("a folder");
        entries.map(|entry| entry.expect("an entry").file_name().into()).collect()
    }

    #[test]
    fn who_writes_at_once_writes_a_file_of_its_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("fever.wasm");
        let file = |content| WholeFile::write(&path, content).expect("room");
        let (one, other, third) = (file(b"one"), file(b"another"), file(b"a third"));
        assert!(!path.exists());
        one.put().expect("a folder");
        assert_eq!(fs::read(&path).expect("a file"), b"one");
        other.put().expect("a file to replace");
        assert_eq!(fs::read(&path).expect("a file"), b"another");
        drop(third);
        assert_eq!(names(folder.path()), [Path::new("fever.wasm")]);
    }

    #[test]
    fn what_cannot_be_put_is_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("fever.wasm");
        fs::create_dir(&path).expect("a folder");
        write(&path, b"one").expect_err("it is a folder");
        assert_eq!(names(folder.path()), [Path::new("fever.wasm")]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_where_it_leads_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let [path, link] = ["fever.wasm", "current.wasm"].map(|name| folder.path().join(name));
        fs::write(&path, "one").expect("a file");
        std::os::unix::fs::symlink("fever.wasm", &link).expect("a link");
        write(&link, b"another").expect("a file to replace");
        assert!(fs::symlink_metadata(&link).expect("a link").is_symlink());
        assert_eq!(fs::read(&path).expect("a file"), b"another");
    }

    #[cfg(unix)]
    #[test]
    fn a_device_stays_what_it_is() {
        let device = Path::new("/dev/null");
        assert!(WholeFile::write(device, b"one").is_err());
        write(device, b"one").expect("it takes all");
        assert!(is_special(device));
    }
}
