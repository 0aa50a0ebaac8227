use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::store::{SaveError, StateStore, StoreError, Stored, Version};
use crate::own_thread;

/// The largest file that is looked into for its version, in bytes: more than any rule hands out.
const MAX_BYTES: usize = 1 << 30;

/// A directory of states, one file each. A file is replaced as a whole, and is on the disk when that
/// is confirmed. Processes of one machine can share it: they take turns at a lock.
#[derive(Clone, Debug)]
pub struct FileStore {
    directory: PathBuf,
}

impl FileStore {
    /// The store in this directory, which is made if there is none.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn open(directory: impl Into<PathBuf>) -> io::Result<Self> {
        let directory = directory.into();
        fs::create_dir_all(&directory)?;
        Ok(Self { directory })
    }

    fn path(&self, key: &str) -> PathBuf {
        self.directory.join(format!("{key}.state"))
    }

    fn save(
        &self,
        key: &str,
        state: &[u8],
        expected: Option<&Version>,
    ) -> Result<Version, SaveError> {
        let path = self.path(key);
        let failed = |error: io::Error| SaveError::from(failed(&path, &error));
        let lock = owners(OpenOptions::new().create(true).truncate(false).write(true))
            .open(self.directory.join("lock"))
            .map_err(failed)?;
        // The system releases it if the process dies.
        lock.lock().map_err(failed)?;
        let stored = read(&path, MAX_BYTES)?.map(|stored| stored.version);
        if stored.as_ref() != expected {
            return Err(SaveError::Conflict);
        }
        // What an earlier process left half written is written over.
        let new = self.directory.join(format!("{key}.new"));
        let replaced = write(&new, state).and_then(|()| fs::rename(&new, &path));
        replaced.map_err(|error| {
            // A disk that is full has use for the room.
            let _ = fs::remove_file(&new);
            failed(error)
        })?;
        // So that the new name is on the disk as well.
        File::open(&self.directory).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(Version::of(state))
    }
}

impl StateStore for FileStore {
    fn load<'a>(
        &'a self,
        key: &'a str,
        max_bytes: usize,
    ) -> BoxFuture<'a, Result<Option<Stored>, StoreError>> {
        let path = self.path(key);
        off_the_runtime(move || read(&path, max_bytes)).boxed()
    }

    fn version<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Version>, StoreError>> {
        let path = self.path(key);
        off_the_runtime(move || Ok(read(&path, MAX_BYTES)?.map(|stored| stored.version))).boxed()
    }

    fn save<'a>(
        &'a self,
        key: &'a str,
        state: Vec<u8>,
        expected: Option<&'a Version>,
    ) -> BoxFuture<'a, Result<Version, SaveError>> {
        let (store, key, expected) = (self.clone(), key.to_owned(), expected.cloned());
        off_the_runtime(move || FileStore::save(&store, &key, &state, expected.as_ref())).boxed()
    }
}

async fn off_the_runtime<T: Send + 'static, E: From<StoreError> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    let done = own_thread::run("weir-state", work).await;
    done.unwrap_or_else(|error| Err(StoreError(error.to_string()).into()))
}

/// Writes a file that is on the disk then.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = owners(OpenOptions::new().create(true).truncate(true).write(true)).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn read(path: &Path, max_bytes: usize) -> Result<Option<Stored>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, &error)),
    };
    let mut bytes = Vec::new();
    let limit = max_bytes as u64 + 1;
    file.take(limit).read_to_end(&mut bytes).map_err(|error| failed(path, &error))?;
    if bytes.len() > max_bytes {
        return Err(StoreError::too_large(path.display(), max_bytes));
    }
    let version = Version::of(&bytes);
    Ok(Some(Stored { bytes, version }))
}

/// What is learnt from records is for nobody else to read.
fn owners(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

fn failed(path: &Path, error: &io::Error) -> StoreError {
    StoreError(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn of_a_state_that_cannot_be_saved_nothing_is_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = FileStore::open(folder.path()).expect("a store");
        let version = FileStore::save(&store, "a", b"1", None).expect("a state");
        let new = folder.path().join("a.new");
        std::os::unix::fs::symlink("/dev/full", &new).expect("a link");
        let full = FileStore::save(&store, "a", b"2", Some(&version));
        assert!(matches!(full, Err(SaveError::Store(_))), "{full:?}");
        assert!(new.symlink_metadata().is_err(), "it is gone");
        FileStore::save(&store, "a", b"3", Some(&version)).expect("the next");
    }
}
