mod key;

mod loading;

mod saving;

mod session;

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use self::key::key;
use self::loading::Known;
use self::saving::{Saving, Unsaved};
use self::session::NotRestored;
pub(super) use self::session::Session;
use super::aftermath::{Aftermath, Lesson};
use super::envelope::Learnt;
use super::flagged::{self, Flagged};
use super::storage::Storage;
use crate::batch::Batch;
use crate::contract::{Beginning, Partition, Position, Run};
use crate::filter::Filter;
use crate::isolate::{Isolated, Stop};
use crate::outcome::{Outcome, Verdict};
use crate::telemetry;

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
}

#[cfg(all(test, feature = "default-rule"))]
mod tests {
    use std::{fs, iter};

    use tokio::runtime::Builder;

    use super::*;
    use crate::contract::{Origin, Share};
    use crate::fault::Fault;
    use crate::state::fixture::{filter, line, share};
    use crate::state::{FileStore, MemoryStore, SaveEvery, StateStore};

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
        assert_eq!(classify(&mut second, &storage, &filter, 2, now).err(), Some(Stop::Deadline));
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
