use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use super::store::{SaveError, StateStore, StoreError, Stored, Version};

/// How many states it keeps at the most.
const MAX_STATES: usize = 1024;

/// How many bytes they have together at the most.
const MAX_BYTES: usize = 256 << 20;

/// A store that lasts as long as the process. It lets a rule that faulted go on from what it had
/// learnt before, and holds the states of partitions whose sessions are closed: 1024 at the most, of 256 MiB
/// together.
#[derive(Debug)]
pub struct MemoryStore {
    states: Mutex<States>,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct States {
    by_key: HashMap<String, Stored>,
    /// How many they have together.
    bytes: usize,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self { states: Mutex::default(), max_bytes: MAX_BYTES }
    }
}

impl MemoryStore {
    fn get<T>(&self, key: &str, what: impl FnOnce(&Stored) -> T) -> Option<T> {
        self.states().by_key.get(key).map(what)
    }

    fn put(
        &self,
        key: &str,
        bytes: Vec<u8>,
        expected: Option<&Version>,
    ) -> Result<Version, SaveError> {
        let mut states = self.states();
        let before = states.by_key.get(key);
        if before.map(|stored| &stored.version) != expected {
            return Err(SaveError::Conflict);
        }
        let others = states.bytes - before.map_or(0, |stored| stored.bytes.len());
        if before.is_none() && states.by_key.len() == MAX_STATES {
            return Err(StoreError(format!("{MAX_STATES} states are kept in memory")).into());
        }
        if bytes.len() > self.max_bytes - others {
            let most = self.max_bytes;
            return Err(StoreError(format!("states of {most} bytes are kept in memory")).into());
        }
        states.bytes = others + bytes.len();
        let version = Version::of(&bytes);
        states.by_key.insert(key.to_owned(), Stored { bytes, version: version.clone() });
        Ok(version)
    }

    /// Each change leaves them whole.
    fn states(&self) -> MutexGuard<'_, States> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_states_are_bounded_together() {
        let store = MemoryStore { max_bytes: 64, ..MemoryStore::default() };
        let half = || vec![0; 32];
        let first = store.put("a", half(), None).expect("half of it");
        store.put("b", half(), None).expect("all of it");
        assert!(matches!(store.put("c", vec![0], None), Err(SaveError::Store(_))));
        // One that takes the place of another is no more than the difference.
        let smaller = store.put("a", vec![0; 31], Some(&first)).expect("less");
        store.put("c", vec![0], None).expect("what it left");
        assert!(matches!(store.put("a", half(), Some(&smaller)), Err(SaveError::Store(_))));
        assert_eq!(store.get("a", |stored| stored.version.clone()), Some(smaller));
    }
}
