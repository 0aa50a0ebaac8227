use std::fmt;

use futures_util::future::BoxFuture;

use crate::digest::sha256_hex;

/// Keeps states, each under a key, and lets nobody overwrite what he has not seen.
///
/// A key has 1 to 250 of the characters `a-z`, `A-Z`, `0-9`, `.`, `_` and `-`.
///
/// A store is told no deadline, and is waited for as long as it takes: by the event that needs it, whatever
/// its deadline is, while those behind it in its partition wait until theirs; and by
/// [`save_states`](crate::Pipeline::save_states). So it has to answer each call, with an error if need be, in
/// a time that events can spare. Those for Amazon S3 and DynamoDB take 6 s at the most, and while the service
/// is away mostly answer at once. [`FileStore`](super::FileStore) takes what the disk takes, and waits to
/// save while another process does.
pub trait StateStore: fmt::Debug + Send + Sync {
    /// What is stored under a key, if anything is.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or has more than `max_bytes`.
    fn load<'a>(
        &'a self,
        key: &'a str,
        max_bytes: usize,
    ) -> BoxFuture<'a, Result<Option<Stored>, StoreError>>;

    /// The version of what is stored under a key. It costs less than to load it.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    fn version<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Version>, StoreError>>;

    /// Stores a state, if what is stored is still of the version `expected`; or nothing, if it is
    /// None. After an error that is no conflict it may be stored nevertheless.
    ///
    /// # Errors
    ///
    /// If another is stored, or the store does not take it.
    fn save<'a>(
        &'a self,
        key: &'a str,
        state: Vec<u8>,
        expected: Option<&'a Version>,
    ) -> BoxFuture<'a, Result<Version, SaveError>>;
}

/// A state, as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its version.
    pub version: Version,
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What a rule has learnt does not belong in logs.
        let Self { bytes, version } = self;
        f.debug_struct("Stored").field("bytes", &bytes.len()).field("version", version).finish()
    }
}

/// Tells what is stored at one time from what is stored at another. Its text is the store's affair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(pub String);

impl Version {
    /// A version for stores that have none of their own: the SHA-256 of what is stored.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(sha256_hex(bytes))
    }
}

/// A store does not do what it is asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

impl StoreError {
    pub(super) fn too_large(place: impl fmt::Display, max_bytes: usize) -> Self {
        Self(format!("{place} has more than {max_bytes} bytes"))
    }
}

/// Why a state is not stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SaveError {
    /// What is stored is not what was expected.
    #[error("another state is stored")]
    Conflict,
    /// The store does not take it; or it has taken it, and could not say so.
    #[error(transparent)]
    Store(#[from] StoreError),
}
