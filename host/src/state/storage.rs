use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use super::store::StateStore;

/// Where the states of all partitions are saved, when, and as whose.
#[derive(Debug)]
pub(super) struct Storage {
    pub(super) store: Arc<dyn StateStore>,
    pub(super) every: SaveEvery,
    /// Others save the same states meanwhile.
    pub(super) takes_turns: bool,
    /// Names this process's keeper in what it saves.
    pub(super) writer: String,
    /// The store could not be read when it was tried last.
    is_unreadable: AtomicBool,
    /// How many states could not be saved and are lost.
    unsaved: AtomicUsize,
}

/// How much may be learnt until it is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaveEvery {
    /// So many records of a partition; with 1, every batch is saved.
    Records(u64),
    /// What is learnt in that time.
    Time(Duration),
}

impl Storage {
    pub(super) fn new(store: Arc<dyn StateStore>, every: SaveEvery) -> Self {
        let writer = RandomState::new().hash_one((std::process::id(), SystemTime::now()));
        Self {
            store,
            every,
            takes_turns: false,
            writer: format!("{writer:016x}"),
            is_unreadable: AtomicBool::new(false),
            unsaved: AtomicUsize::new(0),
        }
    }

    /// Whether the store could not be read when it was tried last.
    pub(super) fn is_unreadable(&self) -> bool {
        self.is_unreadable.load(Ordering::Relaxed)
    }

    /// The store could not be read for a partition: whether that is worth a line in the log. It is once
    /// until the store can be read, and once for a partition that fails while others are read.
    pub(super) fn is_news(&self, is_told: &mut bool) -> bool {
        if *is_told {
            return false;
        }
        *is_told = !self.is_unreadable.swap(true, Ordering::Relaxed);
        *is_told
    }

    /// The store was read for a partition.
    pub(super) fn reads_again(&self, is_told: &mut bool) {
        *is_told = false;
        if self.is_unreadable.swap(false, Ordering::Relaxed) {
            tracing::info!("the store can be read again");
        }
    }

    /// A state that was to be saved is lost.
    pub(super) fn count_unsaved(&self) {
        self.unsaved.fetch_add(1, Ordering::Relaxed);
    }

    /// How many states could not be saved and are lost.
    pub(super) fn unsaved(&self) -> usize {
        self.unsaved.load(Ordering::Relaxed)
    }
}
