use std::sync::Arc;

use super::envelope;
use super::store::{SaveError, StateStore, StoreError, Version};

/// A state that is to be stored.
pub(super) struct Draft {
    pub(super) key: String,
    pub(super) envelope: Vec<u8>,
    /// What is stored, as far as its writer knows.
    pub(super) expected: Option<Version>,
    pub(super) writer: String,
    /// How many bytes are read of what is stored instead, at the most.
    pub(super) max_bytes: usize,
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Saved {
    Stored(Version),
    /// Another writer's state is stored. It was left alone.
    Superseded,
    Failed(StoreError),
}

impl Saved {
    /// As metrics call it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Stored(_) => "stored",
            Self::Superseded => "superseded",
            Self::Failed(_) => "failed",
        }
    }
}

/// Stores a state, unless another writer has stored one meanwhile.
pub(super) async fn save(store: Arc<dyn StateStore>, draft: Draft) -> Saved {
    let Draft { key, envelope, expected, .. } = &draft;
    match store.save(key, envelope.clone(), expected.as_ref()).await {
        Ok(version) => Saved::Stored(version),
        Err(SaveError::Store(error)) => Saved::Failed(error),
        Err(SaveError::Conflict) => after_conflict(store.as_ref(), draft).await,
    }
}

/// What is stored is not what was expected. If it is this process's own, whose confirmation was
/// lost, or if it was taken away, nobody else's is overwritten.
async fn after_conflict(store: &dyn StateStore, draft: Draft) -> Saved {
    let Draft { key, envelope, writer, max_bytes, .. } = draft;
    let stored = match store.load(&key, max_bytes).await {
        Ok(stored) => stored,
        Err(error) => return Saved::Failed(error),
    };
    if let Some(stored) = &stored {
        match envelope::open(&stored.bytes) {
            Ok((header, _)) if header.writer == writer => {}
            _ => return Saved::Superseded,
        }
    }
    let expected = stored.map(|stored| stored.version);
    match store.save(&key, envelope, expected.as_ref()).await {
        Ok(version) => Saved::Stored(version),
        Err(SaveError::Conflict) => Saved::Superseded,
        Err(SaveError::Store(error)) => Saved::Failed(error),
    }
}
