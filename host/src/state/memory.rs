use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use super::store::{SaveError, StateStore, StoreError, Stored, Version};

/// How many states it keeps at the most.
const MAX_STATES: usize = 1024;

/// A store that lasts as long as the process. It lets a rule that faulted go on from what it had
/// learnt before, and holds the states of partitions whose sessions are closed: 1024 at the most.
#[derive(Debug, Default)]
pub struct MemoryStore {
    states: Mutex<HashMap<String, Stored>>,
}

impl MemoryStore {
    fn get<T>(&self, key: &str, what: impl FnOnce(&Stored) -> T) -> Option<T> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner).get(key).map(what)
    }

    fn put(
        &self,
        key: &str,
        bytes: Vec<u8>,
        expected: Option<&Version>,
    ) -> Result<Version, SaveError> {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if states.get(key).map(|stored| &stored.version) != expected {
            return Err(SaveError::Conflict);
        }
        if expected.is_none() && states.len() == MAX_STATES {
            return Err(StoreError(format!("{MAX_STATES} states are kept in memory")).into());
        }
        let version = Version::of(&bytes);
        states.insert(key.to_owned(), Stored { bytes, version: version.clone() });
        Ok(version)
    }
}

impl StateStore for MemoryStore {
    fn load<'a>(
        &'a self,
        key: &'a str,
        _max_bytes: usize,
    ) -> BoxFuture<'a, Result<Option<Stored>, StoreError>> {
        ready(Ok(self.get(key, Stored::clone))).boxed()
    }

    fn version<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Version>, StoreError>> {
        ready(Ok(self.get(key, |stored| stored.version.clone()))).boxed()
    }

    fn save<'a>(
        &'a self,
        key: &'a str,
        state: Vec<u8>,
        expected: Option<&'a Version>,
    ) -> BoxFuture<'a, Result<Version, SaveError>> {
        ready(self.put(key, state, expected)).boxed()
    }
}
