use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::path::Path;

/// Whether two are of one file, whatever it is called. Only Unix can tell; elsewhere they are.
pub(crate) fn is_same(one: &Metadata, other: &Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        (one.dev(), one.ino()) == (other.dev(), other.ino())
    }
    #[cfg(not(unix))]
    {
        let _ = (one, other);
        true
    }
}

/// Whether a file is the one that standard output or standard error goes to. Only Unix can tell; elsewhere
/// it is not.
pub(crate) fn is_standard_stream(file: &Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        let streams =
            [io::stdout().as_fd().try_clone_to_owned(), io::stderr().as_fd().try_clone_to_owned()];
        let mut streams = streams.into_iter().flatten().map(|stream| File::from(stream).metadata());
        streams.any(|stream| stream.is_ok_and(|stream| is_same(&stream, file)))
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        false
    }
}

/// Whether an open file still is the one at a path: not if it was moved or taken away.
///
/// # Errors
///
/// If that cannot be found out.
pub(crate) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(found) => Ok(is_same(&file.metadata()?, &found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_file_that_was_moved_is_no_longer_there() {
        let temporary = tempfile::tempdir().expect("a folder");
        let folder = temporary.path();
        let path = folder.join("a");
        let file = File::create(&path).expect("a file");
        assert!(is_at(&file, &path).expect("a file"));
        fs::rename(&path, folder.join("b")).expect("a file");
        assert!(!is_at(&file, &path).expect("none"));
        File::create(&path).expect("another");
        assert!(!is_at(&file, &path).expect("another"));
        assert!(is_at(&file, &folder.join("b")).expect("the file"));
    }
}
