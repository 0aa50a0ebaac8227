use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;
use std::{io, mem};

use tokio::runtime::Handle;

use super::super::envelope::{self, Header};
use super::super::flagged;
use super::super::save::{Draft, Saved, save};
use super::super::storage::{SaveEvery, Storage};
use super::super::store::StoreError;
use super::Kept;
use super::loading::{Known, max_bytes};
use crate::telemetry;

/// What has been learnt since it was last begun to be saved.
#[derive(Debug, Default)]
pub(super) struct Unsaved {
    pub(super) records: u64,
    /// Since when there is something to save.
    pub(super) since: Option<Instant>,
}

/// A save that is under way.
#[derive(Debug)]
pub(super) struct Saving {
    /// An error if there was none to be had.
    thread: io::Result<JoinHandle<Saved>>,
    started: Instant,
    bytes: usize,
    /// What of [`flagged::Ledger`] it holds.
    flagged_draft: u64,
    /// Of which file: see [`Kept::files`].
    learnt_in: u64,
    learnt_of: Option<String>,
}

impl Kept {
    pub(in crate::state) fn save_if_due(&mut self, storage: &Storage) {
        let Some(since) = self.unsaved.since else { return };
        let is_due = match storage.every {
            SaveEvery::Records(records) => self.unsaved.records >= records,
            SaveEvery::Time(time) => since.elapsed() >= time,
        };
        if is_due && self.saving.is_none() {
            self.save(storage);
            self.settle(storage, storage.takes_turns);
        }
    }

    /// Begins to save, if there is anything to save.
    pub(in crate::state) fn begin_to_save_all(&mut self, storage: &Storage) {
        self.settle(storage, true);
        if let Known::Unread { look_at } = &mut self.stored {
            // There may be no later time.
            *look_at = None;
        }
        // What was dealt with since is not to be flagged again. It is no reason to save before.
        if self.is_open() && flagged::lock(&self.flagged).has_settled() {
            self.unsaved.since.get_or_insert_with(Instant::now);
        }
        if self.unsaved.since.is_some() {
            self.save(storage);
        }
    }

    /// Waits for what is being saved. What is not saved then is lost.
    pub(in crate::state) fn end_to_save(&mut self, storage: &Storage) {
        let failed = self.conclude(true);
        if failed.is_none() && self.unsaved.since.is_none() {
            return;
        }
        // While the store cannot be read, which was said, sessions may be closed again and again.
        let is_told = failed.is_none() && !self.is_open() && storage.is_unreadable();
        if !is_told {
            tracing::error!(
                partition = %self.partition,
                error = failed.as_ref().map(tracing::field::display),
                "the state could not be saved: what it has learnt since it was saved last is lost"
            );
        }
        telemetry::state_lost("unsaved");
        storage.count_unsaved();
    }

    /// Saves, and ends the session.
    pub(in crate::state) fn close(&mut self, storage: &Storage) {
        self.begin_to_save_all(storage);
        // Others wait for its room, and need not wait for the store.
        self.session = None;
        self.end_to_save(storage);
        self.drop_session();
        self.stored = Known::Unread { look_at: None };
    }

    /// Takes a snapshot and begins to store it.
    fn save(&mut self, storage: &Storage) {
        let Some(session) = self.session.clone() else { return };
        // It counts from here on, whatever becomes of it.
        let records = mem::take(&mut self.unsaved.records);
        self.unsaved.since = self.unsaved.since.map(|_| Instant::now());
        // It has room already, and does not wait for more: others may wait for this.
        if self.is_to_be_read() && self.read(storage, &session.of, Some(Instant::now())).is_err() {
            return;
        }
        let (Known::Holds(expected), Some(_)) = (&self.stored, self.unsaved.since) else { return };
        let expected = expected.clone();
        let snapshot = match session.filter.snapshot() {
            Ok(snapshot) => snapshot,
            Err(fault) => {
                self.unsaved.records = records;
                storage.count_unsaved();
                return self.lose(&format!("no snapshot: {fault}"));
            }
        };
        self.unsaved = Unsaved::default();
        let (partition, writer) = (self.partition.as_str(), &storage.writer);
        let generation = self.generation + 1;
        let (flagged, flagged_draft) = flagged::lock(&self.flagged).draft();
        let learnt = &self.learnt;
        let header = Header::new(&session.filter, partition, learnt, flagged, generation, writer);
        let draft = Draft {
            key: self.key.clone(),
            envelope: envelope::seal(header, &snapshot),
            expected,
            writer: writer.clone(),
            max_bytes: max_bytes(&session.filter),
        };
        let (started, bytes) = (Instant::now(), draft.envelope.len());
        let (runtime, store) = (Handle::current(), Arc::clone(&storage.store));
        // A runtime of one thread runs tasks only while it is waited in; and the threads that it has for
        // what blocks may all be held by batches that wait for this.
        let thread = thread::Builder::new().name("weir-save".to_owned());
        let thread = thread.spawn(move || runtime.block_on(save(store, draft)));
        let (learnt_in, learnt_of) = (self.learnt_in, self.learnt.beginning.clone());
        self.saving = Some(Saving { thread, started, bytes, flagged_draft, learnt_in, learnt_of });
    }

    /// Takes note of what became of a save that was under way: if it has ended, or else after
    /// waiting for it.
    pub(in crate::state) fn settle(&mut self, storage: &Storage, wait: bool) {
        if let Some(error) = self.conclude(wait) {
            tracing::warn!(
                partition = %self.partition,
                %error,
                every = ?storage.every,
                "the state could not be saved: it is tried again when it is due next"
            );
        }
    }

    /// The same. Says why the state is not stored, if it is to be saved once more.
    fn conclude(&mut self, wait: bool) -> Option<StoreError> {
        let saving = self.saving.take_if(|saving| wait || saving.has_ended())?;
        let Saving { thread, started, bytes, flagged_draft, learnt_in, learnt_of } = saving;
        let failed = |why| Saved::Failed(StoreError(why));
        let saved = match thread {
            Ok(thread) => thread.join().unwrap_or_else(|_| failed("saving panicked".to_owned())),
            Err(error) => failed(format!("no thread to save on: {error}")),
        };
        telemetry::state_saved(started.elapsed(), saved.name());
        match saved {
            Saved::Stored(version) => {
                self.generation += 1;
                let generation = self.generation;
                tracing::debug!(partition = %self.partition, generation, bytes, "state saved");
                self.stored = Known::Holds(Some(version));
                self.is_unconfirmed = false;
                self.stored_in = learnt_in;
                self.stored_of = learnt_of;
                flagged::lock(&self.flagged).stored(flagged_draft);
                None
            }
            Saved::Superseded => {
                self.tell_superseded();
                self.unsaved = Unsaved::default();
                self.stored = Known::Unread { look_at: None };
                None
            }
            Saved::Failed(error) => {
                if self.is_open() {
                    self.is_unconfirmed = true;
                    self.unsaved.since.get_or_insert_with(Instant::now);
                }
                Some(error)
            }
        }
    }
}

impl Saving {
    fn has_ended(&self) -> bool {
        self.thread.as_ref().map_or(true, JoinHandle::is_finished)
    }
}
