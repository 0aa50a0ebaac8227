use std::io;
use std::mem;
use std::ops::Range;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::aftermath::{Aftermath, Lesson};
use super::envelope::{self, Header, Learnt, MAX_AROUND_BYTES};
use super::flagged::{self, Flagged};
use super::save::{Draft, Saved, save};
use super::storage::{SaveEvery, Storage};
use super::store::{SaveError, StoreError, Stored, Version};
use crate::batch::Batch;
use crate::contract::{Beginning, Partition, Position, Run};
use crate::digest::sha256_hex;
use crate::fault::Fault;
use crate::filter::{Filter, RestoreError};
use crate::isolate::{Isolated, Stop};
use crate::limits::LimitExceeded;
use crate::outcome::{Outcome, Verdict};
use crate::session::{Interrupted, Stage};
use crate::telemetry;

/// How long the store is left alone after it could not be read.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How often in a row a rule may run out of time with a stored state: the machine may be busy. From
/// then on it would do so for ever.
const MAX_TOO_LATE: u32 = 3;

/// The state of one partition: a session of the rule, how far it has learnt, and what is known of
/// the store.
#[derive(Debug)]
pub(super) struct Kept {
    partition: Partition,
    /// Where it is stored.
    key: String,
    /// None before the first batch, after a fault, and after it was closed: then the next batch
    /// begins with what is stored.
    session: Option<Session>,
    /// What the file that is read begins with: see [`Beginning`].
    file: Option<String>,
    /// How many files it has taken the place of, and before how many of these was learnt what is learnt,
    /// and what is stored.
    files: u64,
    learnt_in: u64,
    stored_in: u64,
    /// What the file begins with in which was learnt what is stored.
    stored_of: Option<String>,
    learnt: Learnt,
    /// What is flagged and not dealt with.
    flagged: flagged::Shared,
    generation: u64,
    stored: Known,
    /// How often in a row the rule ran out of time with what is stored.
    too_late: u32,
    /// It was said that what is stored cannot be read.
    is_told: bool,
    unsaved: Unsaved,
    saving: Option<Saving>,
    /// A save of this session came to nothing, as far as is known: it may be stored nevertheless.
    is_unconfirmed: bool,
}

/// The rule, running.
#[derive(Clone, Debug)]
pub(super) struct Session {
    filter: Arc<Filter>,
    /// What it was made from: the pipeline's.
    of: Arc<Filter>,
}

/// Why a state is not taken over.
#[derive(Debug)]
enum NotRestored {
    /// The rule does not take it, or it is none of the rule's.
    Refused(String),
    /// The rule ran out of time with it.
    TooLate(Fault),
    /// It was not tried: there is no room for an instance, or none that can be opened.
    Untried(Stop),
}

/// What is known of the store.
#[derive(Debug)]
enum Known {
    /// Nothing, or that it holds what is to be taken over. Nothing is saved until it is read.
    Unread { look_at: Option<Instant> },
    /// It holds this, or nothing.
    Holds(Option<Version>),
}

/// What has been learnt since it was last begun to be saved.
#[derive(Debug, Default)]
struct Unsaved {
    records: u64,
    /// Since when there is something to save.
    since: Option<Instant>,
}

/// A save that is under way.
#[derive(Debug)]
struct Saving {
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
    pub(super) fn new(partition: Partition) -> Self {
        Self {
            partition,
            key: String::new(),
            session: None,
            file: None,
            files: 0,
            learnt_in: 0,
            stored_in: 0,
            stored_of: None,
            learnt: Learnt::default(),
            flagged: flagged::Shared::default(),
            generation: 0,
            stored: Known::Unread { look_at: None },
            too_late: 0,
            is_told: false,
            unsaved: Unsaved::default(),
            saving: None,
            is_unconfirmed: false,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.session.is_some()
    }

    /// Whether one that is made anew would go on as it does: all that is to be known is stored, or nothing is.
    pub(super) fn is_forgettable(&self) -> bool {
        // Lines of a file come again only if they are of the file that is known by the store.
        let is_file_stored = || self.stored_of == self.file && self.stored_in == self.files;
        // An event that is under way settles its flags later, and here.
        let flags_are_settled =
            || Arc::strong_count(&self.flagged) == 1 && !flagged::lock(&self.flagged).has_settled();
        self.session.is_none()
            && self.saving.is_none()
            && self.too_late == 0
            && (self.file.is_none() || is_file_stored())
            && flags_are_settled()
    }

    /// Takes note of what happened since the last batch: to what was being saved, to the rule, and in
    /// the store. It may not be [open](Self::is_open) any more.
    pub(super) fn catch_up(&mut self, storage: &Storage, filter: &Arc<Filter>) {
        // What is under way is newer than what could be read now.
        self.settle(storage, self.session.is_none());
        self.hand_over(storage, filter);
        if storage.takes_turns {
            self.look_for_newer(storage);
        }
    }

    /// Gets a session ready for a batch: the one that is there, unless the store has newer; or one
    /// that goes on from what is stored. It waits for room until the deadline.
    ///
    /// # Errors
    ///
    /// If what is stored cannot be taken over now. Without it, the batch is not to be classified.
    pub(super) fn begin(
        &mut self,
        storage: &Storage,
        filter: &Arc<Filter>,
        beginning: Option<&Beginning>,
        deadline: Option<Instant>,
    ) -> Result<Session, Stop> {
        // Also if nothing can be read now: later lines are of this file.
        if let Some(beginning) = beginning {
            self.file = Some(beginning.digest.clone());
            self.files += u64::from(beginning.replaces);
        }
        if self.session.is_none() || self.is_to_be_read() {
            self.read(storage, filter, deadline)?;
        }
        self.look_at_file();
        Ok(self.session.get_or_insert_with(|| Session::anew(filter)).clone())
    }

    /// Classifies some of a batch's records. Those that were learnt before are answered for, and no
    /// more. What is flagged is remembered until it is settled.
    pub(super) fn classify(
        &mut self,
        session: &Session,
        run: &Run,
        batch: &Batch,
        deadline: Option<Instant>,
        aftermath: &mut Aftermath,
    ) -> Isolated {
        let position = self.learnt.position.as_ref();
        let comes_again = |record: &&Position| position.is_some_and(|position| *record <= position);
        let replayed = run.positions.iter().take_while(comes_again).count();
        let mut isolated = if replayed == 0 && run.entries.len() == batch.len() {
            session.filter.classify_isolating(batch, deadline)
        } else {
            let part = batch.part(run.entries.clone()).replayed(replayed);
            session.filter.classify_isolating(&part, deadline)
        };
        match (&isolated.fault, &isolated.stop) {
            // There was no instance yet, and so nothing to lose.
            (_, Some(Stop::Opening(_))) => self.drop_session(),
            (Some(fault), _) => self.lose(&fault.to_string()),
            (None, None) => {
                // Where records have positions, the others come for the first time.
                let again = if run.positions.is_empty() { run.entries.len() } else { replayed };
                let outcome = &mut isolated.outcome;
                let again = {
                    let flagged = flagged::lock(&self.flagged);
                    flagged.flagged.flag_again(outcome, run, batch, 0..again)
                };
                aftermath.lessons.push(self.lesson(run, replayed, &again));
                self.learn(run, replayed, outcome, batch);
                aftermath.unsettled.extend(flagged::unsettled(&self.flagged, outcome, run, batch));
            }
            // It was not begun.
            (None, Some(_)) => {}
        }
        isolated
    }

    /// What is to be learnt of a run.
    fn lesson(&self, run: &Run, replayed: usize, again: &[usize]) -> Lesson {
        let Range { start, end } = run.entries;
        Lesson {
            partition: self.partition.clone(),
            entries: start + replayed..end,
            after: self.learnt.records,
            again: again.iter().map(|index| start + index).collect(),
        }
    }

    /// An event has come, which is all that is under way: records before its first were dealt with.
    pub(super) fn forget_flagged(&mut self, first: &Run) {
        if let Some(position) = first.positions.first() {
            flagged::lock(&self.flagged).flagged.forget_before(position);
        }
    }

    fn learn(&mut self, run: &Run, replayed: usize, outcome: &Outcome, batch: &Batch) {
        telemetry::replayed(replayed);
        // One that failed was not learnt: half a line may be whole when it comes again.
        let is_learnt = |index: &usize| outcome.verdicts.get(*index) != Some(&Verdict::Fail);
        let records = (replayed..run.entries.len()).filter(is_learnt).count() as u64;
        if records == 0 {
            return;
        }
        self.learnt.records += records;
        let last = (replayed..run.positions.len()).rev().find(is_learnt);
        if let Some(last) = last {
            self.learnt.position = Some(run.positions[last].clone());
        }
        let forgotten = flagged::lock(&self.flagged).remember(outcome, run, batch, replayed);
        if forgotten > 0 {
            tracing::warn!(
                partition = %self.partition,
                records = forgotten,
                "too much is flagged to be remembered: what comes again of it may not be flagged again"
            );
        }
        self.unsaved.records += records;
        self.unsaved.since.get_or_insert_with(Instant::now);
    }

    /// The state is gone. The next batch goes on from what is stored.
    pub(super) fn lose(&mut self, reason: &str) {
        tracing::error!(
            partition = %self.partition,
            reason,
            unsaved_records = self.unsaved.records,
            "the state is lost: the rule goes on from what was saved last"
        );
        telemetry::state_lost("fault");
        self.drop_session();
    }

    fn drop_session(&mut self) {
        self.session = None;
        self.is_unconfirmed = false;
        self.learnt = Learnt::default();
        flagged::lock(&self.flagged).flagged = Flagged::default();
        self.unsaved = Unsaved::default();
    }

    /// A file that begins otherwise is another, whatever its name, and so is one that took its place: its
    /// lines are new.
    fn look_at_file(&mut self) {
        let is_the_same = self.learnt.beginning == self.file && self.learnt_in == self.files;
        if self.file.is_none() || is_the_same {
            return;
        }
        if self.learnt.beginning.is_some() {
            tracing::info!(partition = %self.partition, "another file of the same name");
        }
        self.learnt_in = self.files;
        self.learnt.position = None;
        flagged::lock(&self.flagged).flagged = Flagged::default();
        self.learnt.beginning.clone_from(&self.file);
    }

    /// Has the pipeline's rule go on from the state of the one before, if it is another.
    fn hand_over(&mut self, storage: &Storage, filter: &Arc<Filter>) {
        let key = key(&filter.description().name, self.partition.as_str());
        let Some(before) = self.session.clone().filter(|before| !Arc::ptr_eq(&before.of, filter))
        else {
            if self.session.is_none() {
                self.key = key;
            }
            return;
        };
        let snapshot = match before.filter.snapshot() {
            Ok(snapshot) => snapshot,
            Err(fault) => {
                self.lose(&format!("no snapshot: {fault}"));
                self.key = key;
                return;
            }
        };
        match before.hand_over(&snapshot, filter) {
            Ok(session) => {
                tracing::info!(partition = %self.partition, "the state is handed over");
                self.session = Some(session);
                self.unsaved.since.get_or_insert_with(Instant::now);
            }
            Err(NotRestored::Refused(reason)) => {
                tracing::error!(
                    partition = %self.partition,
                    reason,
                    "the new rule does not take over the state"
                );
                telemetry::state_lost("refused");
                // For the day that the old rule comes back.
                self.close(storage);
                self.key = key;
            }
            Err(NotRestored::TooLate(_) | NotRestored::Untried(_)) => {
                tracing::warn!(
                    partition = %self.partition,
                    "the new rule has no room or no time beside the old one: it takes over what is saved"
                );
                self.close(storage);
                self.key = key;
            }
        }
    }

    fn is_to_be_read(&self) -> bool {
        match self.stored {
            Known::Unread { look_at } => look_at.is_none_or(|at| at <= Instant::now()),
            Known::Holds(_) => false,
        }
    }

    /// Asks the store whether another has saved meanwhile.
    fn look_for_newer(&mut self, storage: &Storage) {
        let Known::Holds(seen) = &self.stored else { return };
        let asked = Handle::current().block_on(storage.store.version(&self.key));
        if asked.is_ok() {
            storage.reads_again(&mut self.is_told);
        }
        match asked {
            Ok(version) if version == *seen => {}
            Ok(Some(_)) => self.stored = Known::Unread { look_at: None },
            Ok(None) => {
                tracing::warn!(partition = %self.partition, "the stored state was taken away");
                self.stored = Known::Holds(None);
            }
            Err(error) if storage.is_news(&mut self.is_told) => {
                tracing::warn!(partition = %self.partition, %error, "the store cannot be asked");
            }
            Err(_) => {}
        }
    }

    /// Takes over what is stored. If the store cannot be read, or the rule refuses what it holds, the
    /// rule goes on with what it has, or begins anew.
    ///
    /// # Errors
    ///
    /// If there is no room or no time to take it over. It is read again for the next batch.
    fn read(
        &mut self,
        storage: &Storage,
        filter: &Arc<Filter>,
        deadline: Option<Instant>,
    ) -> Result<(), Stop> {
        let max_bytes = max_bytes(filter);
        let loaded = Handle::current().block_on(storage.store.load(&self.key, max_bytes));
        if loaded.is_ok() {
            storage.reads_again(&mut self.is_told);
        }
        let partition = &self.partition;
        match loaded {
            Ok(None) => {
                tracing::info!(%partition, "nothing is stored");
                telemetry::state_restored("nothing");
                self.stored = Known::Holds(None);
                self.stored_of = None;
            }
            Ok(Some(stored)) if self.is_of_this_session(&stored, storage) => {
                self.stored = Known::Holds(Some(stored.version));
            }
            Ok(Some(stored)) => match restore(&stored.bytes, filter, partition, deadline) {
                Ok((session, header)) => {
                    let Header { rule_version, generation, learnt, flagged, .. } = header;
                    let position = learnt.position.as_ref().map(tracing::field::display);
                    let records = learnt.records;
                    tracing::info!(
                        %partition, rule_version, generation, position, records, "state restored"
                    );
                    telemetry::state_restored("restored");
                    if self.unsaved.since.is_some() {
                        self.tell_superseded();
                    }
                    self.session = Some(session);
                    flagged::lock(&self.flagged).restore(flagged);
                    self.stored_of.clone_from(&learnt.beginning);
                    self.learnt = learnt;
                    self.learnt_in = self.stored_in;
                    self.is_unconfirmed = false;
                    self.generation = generation;
                    self.too_late = 0;
                    self.unsaved = Unsaved::default();
                    self.stored = Known::Holds(Some(stored.version));
                }
                Err(NotRestored::Untried(stop)) => return Err(self.read_later(stop)),
                Err(NotRestored::TooLate(fault))
                    if filter.is_on_trial() || self.too_late + 1 < MAX_TOO_LATE =>
                {
                    self.too_late += u32::from(!filter.is_on_trial());
                    return Err(self.read_later(Stop::Opening(fault)));
                }
                Err(NotRestored::TooLate(fault)) => self.refuse(storage, stored, fault.to_string()),
                Err(NotRestored::Refused(reason)) => self.refuse(storage, stored, reason),
            },
            Err(error) => {
                if storage.is_news(&mut self.is_told) {
                    tracing::error!(
                        %partition,
                        %error,
                        "the store cannot be read: the rule goes on without, and saves nothing until it can"
                    );
                }
                telemetry::state_restored("unavailable");
                self.stored = Known::Unread { look_at: Some(Instant::now() + LOOK_AGAIN_AFTER) };
            }
        }
        Ok(())
    }

    /// Whether a state is this session's own, from a save whose confirmation was lost: it has learnt more since.
    /// One of an earlier session is not, which this one has not seen if the store could not be read.
    fn is_of_this_session(&self, stored: &Stored, storage: &Storage) -> bool {
        let is_own = |(header, _): (Header, _)| header.writer == storage.writer;
        self.is_unconfirmed && self.is_open() && envelope::open(&stored.bytes).is_ok_and(is_own)
    }

    /// What is stored is as good as before: it cannot be taken over now.
    fn read_later(&mut self, stop: Stop) -> Stop {
        tracing::error!(
            partition = %self.partition,
            reason = %stop,
            "the stored state cannot be taken over now: the next batch tries again"
        );
        telemetry::state_restored("unavailable");
        self.stored = Known::Unread { look_at: None };
        stop
    }

    fn refuse(&mut self, storage: &Storage, stored: Stored, reason: String) {
        tracing::error!(
            partition = %self.partition,
            reason,
            "the stored state is refused: the rule goes on without it"
        );
        telemetry::state_restored("refused");
        self.too_late = 0;
        self.set_aside(storage, stored);
    }

    /// Keeps a state that is refused under another key, before it may be overwritten.
    fn set_aside(&mut self, storage: &Storage, refused: Stored) {
        let Stored { bytes, version } = refused;
        let key = format!("{}.refused-{:.16}", self.key, Version::of(&bytes).0);
        let saved = Handle::current().block_on(storage.store.save(&key, bytes, None));
        self.stored = match saved {
            // It was set aside before, if there is one of that name.
            Ok(_) | Err(SaveError::Conflict) => {
                tracing::warn!(partition = %self.partition, key, "the refused state is set aside");
                Known::Holds(Some(version))
            }
            Err(SaveError::Store(error)) => {
                tracing::error!(
                    partition = %self.partition,
                    %error,
                    "the refused state cannot be set aside: nothing is saved until it can"
                );
                Known::Unread { look_at: Some(Instant::now() + LOOK_AGAIN_AFTER) }
            }
        };
    }

    pub(super) fn save_if_due(&mut self, storage: &Storage) {
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
    pub(super) fn begin_to_save_all(&mut self, storage: &Storage) {
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
    pub(super) fn end_to_save(&mut self, storage: &Storage) {
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
    pub(super) fn close(&mut self, storage: &Storage) {
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
    pub(super) fn settle(&mut self, storage: &Storage, wait: bool) {
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

    fn tell_superseded(&self) {
        tracing::warn!(
            partition = %self.partition,
            "another state of this partition was saved: it is taken over, and what was learnt beside it is \
             dropped"
        );
        telemetry::state_lost("superseded");
    }
}

impl Saving {
    fn has_ended(&self) -> bool {
        self.thread.as_ref().map_or(true, JoinHandle::is_finished)
    }
}

impl Session {
    fn anew(of: &Arc<Filter>) -> Self {
        Self { filter: Arc::new(of.anew()), of: Arc::clone(of) }
    }

    /// A session of another filter that goes on from this one's state. It does not wait for room
    /// while this one has some: others may wait for that.
    fn hand_over(&self, snapshot: &[u8], to: &Arc<Filter>) -> Result<Self, NotRestored> {
        let header = Header::new(&self.of, "", &Learnt::default(), Flagged::default(), 0, "");
        header.check(to, "").map_err(NotRestored::Refused)?;
        Self::restored(to, snapshot, Some(Instant::now()))
    }

    /// A session that goes on from a state.
    fn restored(
        of: &Arc<Filter>,
        snapshot: &[u8],
        deadline: Option<Instant>,
    ) -> Result<Self, NotRestored> {
        let session = Self::anew(of);
        match session.filter.restore_until(snapshot, deadline) {
            Ok(Ok(())) => Ok(session),
            Ok(Err(reason)) => Err(NotRestored::Refused(RestoreError::Refused(reason).to_string())),
            Err(Interrupted { fault, stage }) => Err(match stage {
                Stage::Late | Stage::CutShort => NotRestored::Untried(Stop::Deadline),
                Stage::Opening | Stage::NoRoom => NotRestored::Untried(Stop::Opening(fault)),
                Stage::Classifying => match fault {
                    Fault::Limit(LimitExceeded::Time { .. }) => NotRestored::TooLate(fault),
                    _ => NotRestored::Refused(RestoreError::Fault(fault).to_string()),
                },
            }),
        }
    }
}

/// A session that goes on from a stored state.
fn restore(
    stored: &[u8],
    filter: &Arc<Filter>,
    partition: &Partition,
    deadline: Option<Instant>,
) -> Result<(Session, Header), NotRestored> {
    let (header, snapshot) = envelope::open(stored).map_err(NotRestored::Refused)?;
    header.check(filter, partition.as_str()).map_err(NotRestored::Refused)?;
    Ok((Session::restored(filter, snapshot, deadline)?, header))
}

/// How large a stored state of a rule can be, in bytes.
fn max_bytes(filter: &Filter) -> usize {
    filter.limits().output_bytes.saturating_add(MAX_AROUND_BYTES)
}

/// The key of a partition's state: readable, as far as a store takes it, and unlike any other.
fn key(rule: &str, partition: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let readable: Vec<char> =
        partition.chars().map(|c| if is_plain(c) { c } else { '-' }).collect();
    // What names the shard is at the end.
    let readable = &readable[readable.len().saturating_sub(MAX_READABLE)..];
    let digest = sha256_hex(partition);
    format!("{rule}.{}.{}", readable.iter().collect::<String>(), &digest[..16])
}

/// How much of a partition's name its key shows, in characters.
const MAX_READABLE: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_readable_and_fits_any_store() {
        let key_of = |partition: &str| key("forest", partition);
        let shard =
            key_of("kinesis arn:aws:kinesis:eu-west-1:1:stream/vitals shardId-000000000001");
        assert!(
            shard.starts_with("forest.kinesis-arn-aws-kinesis-eu-west-1-1-stream-vitals-shardId-0"),
            "{shard}"
        );
        assert_ne!(key_of("ndjson a/b"), key_of("ndjson a-b"));
        let long = key(&"r".repeat(64), &"ü".repeat(1000));
        assert!(long.len() <= 250 - ".refused-0123456789abcdef".len(), "{long}");
    }

    #[cfg(feature = "default-rule")]
    mod room {
        use std::{fs, iter};

        use tokio::runtime::Builder;

        use super::*;
        use crate::contract::{Origin, Share};
        use crate::state::fixture::{filter, line, share};
        use crate::state::{FileStore, MemoryStore, StateStore};

        /// Has it classify the record of a shard with this number.
        fn classify(
            kept: &mut Kept,
            storage: &Storage,
            filter: &Arc<Filter>,
            number: u64,
            deadline: Option<Instant>,
        ) -> Result<Isolated, Stop> {
            classify_share(kept, storage, filter, share("a", number), deadline)
        }

        fn classify_share(
            kept: &mut Kept,
            storage: &Storage,
            filter: &Arc<Filter>,
            (share, batch): (Share, Batch),
            deadline: Option<Instant>,
        ) -> Result<Isolated, Stop> {
            kept.catch_up(storage, filter);
            let session = kept.begin(storage, filter, share.beginning.as_ref(), deadline)?;
            let left = &mut Aftermath::default();
            Ok(kept.classify(&session, &share.runs[0], &batch, deadline, left))
        }

        fn kept() -> Kept {
            Kept::new(share("a", 1).0.partition)
        }

        #[test]
        fn a_state_that_finds_no_room_is_not_refused() {
            let runtime = Builder::new_current_thread().build().expect("a runtime");
            let _entered = runtime.enter();
            let store = Arc::new(MemoryStore::default());
            let storage = Storage::new(Arc::clone(&store) as _, SaveEvery::Records(100));
            let filter = filter();
            let mut first = kept();
            classify(&mut first, &storage, &filter, 1, None).expect("a session");
            first.close(&storage);
            let load = || runtime.block_on(store.load(&first.key, 1 << 20)).expect("a store");
            let saved = load().expect("a state");

            let now = Some(Instant::now());
            let slots: Vec<_> = iter::from_fn(|| filter.rule().engine.slot(now).ok()).collect();
            let mut second = kept();
            assert_eq!(
                classify(&mut second, &storage, &filter, 2, now).err(),
                Some(Stop::Deadline)
            );
            let all_kept = classify(&mut second, &storage, &filter, 2, None);
            assert!(matches!(all_kept, Err(Stop::Opening(Fault::NoRoom { .. }))), "{all_kept:?}");
            drop(slots);

            classify(&mut second, &storage, &filter, 2, None).expect("a session");
            assert_eq!(second.learnt.records, 2, "it goes on from what was saved");
            assert_eq!(load(), Some(saved));
            let aside = format!("{}.refused-{:.16}", first.key, load().expect("a state").version.0);
            assert_eq!(runtime.block_on(store.load(&aside, 1 << 20)), Ok(None));
        }

        #[test]
        fn the_session_that_the_rule_was_opened_with_serves_the_first_partition() {
            let runtime = Builder::new_current_thread().build().expect("a runtime");
            let _entered = runtime.enter();
            let storage = Storage::new(Arc::new(MemoryStore::default()), SaveEvery::Records(100));
            let filter = filter();
            let now = Some(Instant::now());
            let _others: Vec<_> = iter::from_fn(|| filter.rule().engine.slot(now).ok()).collect();
            let isolated = classify(&mut kept(), &storage, &filter, 1, None).expect("a session");
            assert_eq!((isolated.fault, isolated.stop), (None, None));
        }

        #[test]
        fn what_an_earlier_session_saved_is_not_overwritten_by_one_that_has_not_seen_it() {
            let runtime = Builder::new_current_thread().build().expect("a runtime");
            let _entered = runtime.enter();
            let directory = tempfile::tempdir().expect("a directory");
            let store = FileStore::open(directory.path()).expect("a directory");
            let storage = Storage::new(Arc::new(store), SaveEvery::Records(100));
            let (mut kept, filter) = (kept(), filter());
            for number in 1..=3 {
                classify(&mut kept, &storage, &filter, number, None).expect("a session");
            }
            kept.close(&storage);

            let state = directory.path().join(format!("{}.state", kept.key));
            let away = directory.path().join("away");
            fs::rename(&state, &away).expect("a state");
            fs::create_dir(&state).expect("what cannot be read");
            classify(&mut kept, &storage, &filter, 4, None).expect("a session, without it");
            fs::remove_dir(&state).expect("it");
            fs::rename(&away, &state).expect("the state");
            kept.begin_to_save_all(&storage);
            kept.end_to_save(&storage);
            classify(&mut kept, &storage, &filter, 4, None).expect("a session");
            assert_eq!(kept.learnt.records, 4);
        }

        #[test]
        fn what_is_not_in_the_store_is_not_forgotten() {
            let runtime = Builder::new_current_thread().build().expect("a runtime");
            let _entered = runtime.enter();
            let storage = Storage::new(Arc::new(MemoryStore::default()), SaveEvery::Records(100));
            let filter = filter();
            let mut kept = kept();
            assert!(kept.is_forgettable(), "there is nothing yet");
            classify(&mut kept, &storage, &filter, 1, None).expect("a session");
            assert!(!kept.is_forgettable(), "it is open");
            kept.close(&storage);
            assert!(kept.is_forgettable());
            let under_way = Arc::clone(&kept.flagged);
            assert!(!kept.is_forgettable(), "flags of it are settled later");
            drop(under_way);
            kept.too_late = 1;
            assert!(!kept.is_forgettable(), "the store does not count that");
        }

        #[test]
        fn which_file_is_read_is_forgotten_once_the_store_knows() {
            let runtime = Builder::new_current_thread().build().expect("a runtime");
            let _entered = runtime.enter();
            let storage = Storage::new(Arc::new(MemoryStore::default()), SaveEvery::Records(100));
            let (filter, full) = (filter(), Some(Instant::now()));
            let of = |line, begins, replaces| Origin {
                name: "a.ndjson",
                line,
                is_file: true,
                begins,
                replaces,
            };
            let mut kept = Kept::new(line(of(1, true, false)).0.partition);
            for number in 1..=2 {
                let line = line(of(number, number == 1, false));
                classify_share(&mut kept, &storage, &filter, line, None).expect("a session");
            }
            kept.close(&storage);
            assert!(kept.is_forgettable(), "its lines are known to be of this file");

            // Another takes its place, and nothing of that is learnt.
            let slots: Vec<_> = iter::from_fn(|| filter.rule().engine.slot(full).ok()).collect();
            let first = line(of(1, true, true));
            classify_share(&mut kept, &storage, &filter, first, full).expect_err("no room");
            drop(slots);
            assert!(!kept.is_forgettable(), "its lines would count as coming again");
            classify_share(&mut kept, &storage, &filter, line(of(2, false, false)), None)
                .expect("a session");
            assert_eq!(kept.learnt.records, 3);
            kept.close(&storage);
            assert!(kept.is_forgettable());
        }
    }
}
