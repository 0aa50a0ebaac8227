use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use super::store::{SaveError, StateStore, StoreError, Stored, Version};
use crate::by_use::ByUse;
use crate::telemetry;

/// How many bytes the states have together at the most.
const MAX_BYTES: usize = 256 << 20;

/// What one takes beside its bytes, about: key, version, and its place among the others.
const BYTES_AROUND: usize = 512;

/// A store that lasts as long as the process. It lets a rule that faulted go on from what it had
/// learnt before, and holds the states of partitions whose sessions are closed: of 256 MiB together. If
/// another has no room, those are forgotten that were saved or read the longest time ago.
#[derive(Debug)]
pub struct MemoryStore {
    states: Mutex<States>,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct States {
    kept: ByUse<Stored>,
    /// Whether it was said that one was forgotten.
    told: bool,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self { states: Mutex::default(), max_bytes: MAX_BYTES }
    }
}

impl MemoryStore {
    fn get(&self, key: &str) -> Option<Stored> {
        let kept = &mut self.states().kept;
        let state = kept.take(key)?;
        kept.put(key, state.clone(), room_for(&state.bytes));
        Some(state)
    }

    fn version_of(&self, key: &str) -> Option<Version> {
        self.states().kept.get(key).map(|state| state.version.clone())
    }

    fn put(
        &self,
        key: &str,
        bytes: Vec<u8>,
        expected: Option<&Version>,
    ) -> Result<Version, SaveError> {
        let mut states = self.states();
        if states.kept.get(key).map(|state| &state.version) != expected {
            return Err(SaveError::Conflict);
        }
        let size = room_for(&bytes);
        let Some(room) = self.max_bytes.checked_sub(size) else {
            let most = self.max_bytes;
            return Err(StoreError(format!("states of {most} bytes are kept in memory")).into());
        };
        states.kept.take(key);
        states.forget_until(room);
        let version = Version::of(&bytes);
        states.kept.put(key, Stored { bytes, version: version.clone() }, size);
        Ok(version)
    }

    /// Each change leaves them whole.
    fn states(&self) -> MutexGuard<'_, States> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl States {
    /// Forgets those that were used the longest time ago, until the others take no more than that.
    fn forget_until(&mut self, bytes: usize) {
        while self.kept.size() > bytes
            && let Some((key, _)) = self.kept.take_oldest()
        {
            telemetry::state_lost("evicted");
            if !self.told {
                self.told = true;
                tracing::warn!(
                    key = &*key,
                    states = self.kept.len(),
                    "the states in memory have no more room: from now on, those are forgotten that \
                     were used the longest time ago; a place for states keeps them all"
                );
            }
        }
    }
}

fn room_for(state: &[u8]) -> usize {
    state.len().saturating_add(BYTES_AROUND)
}

impl StateStore for MemoryStore {
    fn load<'a>(
        &'a self,
        key: &'a str,
        _max_bytes: usize,
    ) -> BoxFuture<'a, Result<Option<Stored>, StoreError>> {
        ready(Ok(self.get(key))).boxed()
    }

    fn version<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Version>, StoreError>> {
        ready(Ok(self.version_of(key))).boxed()
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

    /// A store with room for as many states of this many bytes.
    fn with_room(states: usize, bytes: usize) -> MemoryStore {
        MemoryStore { max_bytes: states * (bytes + BYTES_AROUND), ..MemoryStore::default() }
    }

    #[test]
    fn what_was_used_the_longest_time_ago_makes_room() {
        let store = with_room(2, 32);
        let put = |key, bytes| store.put(key, vec![0; bytes], None);
        put("a", 32).expect("half of it");
        put("b", 32).expect("all of it");
        assert!(store.get("a").is_some());
        put("c", 32).expect("in the place of b");
        let held = ["a", "b", "c"].map(|key| store.version_of(key).is_some());
        assert_eq!(held, [true, false, true]);
        put("d", 33).expect("in the place of both");
        let held = ["a", "b", "c", "d"].map(|key| store.version_of(key).is_some());
        assert_eq!(held, [false, false, false, true]);
    }

    #[test]
    fn those_in_use_outlast_any_number_of_others() {
        let store = with_room(3, 1);
        let mut live = store.put("live", vec![0], None).expect("a state");
        for number in 1..100 {
            store.put(&format!("ended {number}"), vec![0], None).expect("a state");
            live = store.put("live", vec![number], Some(&live)).expect("its own is stored");
        }
        assert_eq!(store.states().kept.len(), 3);
    }

    #[test]
    fn the_states_are_bounded_together() {
        let store = with_room(2, 32);
        let first = store.put("a", vec![0; 32], None).expect("half of it");
        store.put("b", vec![0; 32], None).expect("all of it");
        let most = store.max_bytes - BYTES_AROUND;
        let too_large = store.put("a", vec![0; most + 1], Some(&first));
        assert!(matches!(too_large, Err(SaveError::Store(_))));
        assert_eq!(store.version_of("a"), Some(first.clone()), "nothing makes room for it");
        assert!(store.version_of("b").is_some());
        store.put("a", vec![0; most], Some(&first)).expect("as much as there is");
        assert_eq!((store.version_of("b"), store.states().kept.size()), (None, store.max_bytes));
    }
}
