use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
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
        Self { store, every, takes_turns: false, writer: format!("{writer:016x}") }
    }
}
