use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::aftermath::Aftermath;
use super::kept::{Kept, Session};
use super::memory::MemoryStore;
use super::storage::{SaveEvery, Storage};
use super::store::StateStore;
use crate::batch::Batch;
use crate::contract::{Partition, Run, Share};
use crate::fault::Fault;
use crate::filter::Filter;
use crate::isolate::{Isolated, Stop};
use crate::outcome::Outcome;
use crate::turns::{Turn, Turns};

/// How many sessions are open at the most, unless it is set.
const MAX_SESSIONS: usize = 32;

/// Keeps the state of a rule that has one: a session for each partition of the stream.
///
/// Batches of one partition are classified one after the other, in the order in which they came;
/// those of different partitions at the same time. A partition's state is taken from the store when
/// its first batch comes, and saved when it is [due](SaveEvery), when its session is closed because
/// others need the room, and by [`Pipeline::save_states`](crate::Pipeline::save_states). Nothing is held of
/// one that is closed: it is read again when the next batch comes.
///
/// A batch that is classified holds a thread, and by
/// [`process_blocking`](crate::Pipeline::process_blocking) also one that waits. Let fewer come that way at
/// once than tokio has threads for what blocks: 512, unless the runtime was told otherwise.
#[derive(Debug)]
pub struct Keeper {
    storage: Storage,
    max_sessions: usize,
    partitions: Mutex<Partitions>,
}

#[derive(Debug, Default)]
struct Partitions {
    slots: HashMap<Partition, Slot>,
    /// Counts the batches that came.
    clock: u64,
}

/// What is held of a partition.
#[derive(Debug)]
struct Slot {
    kept: Arc<Mutex<Kept>>,
    turns: Turns,
    /// When it was last used.
    used: u64,
}

/// The place of a batch in the queues of its partitions.
#[derive(Debug)]
pub(crate) struct Places(Vec<Place>);

#[derive(Debug)]
struct Place {
    share: Share,
    kept: Arc<Mutex<Kept>>,
    turn: Turn,
}

impl Places {
    /// Waits until it is the batch's turn in all partitions, until the deadline at the latest:
    /// [`Keeper::classify`] waits for no other batch then.
    pub(crate) async fn come(&mut self, deadline: Option<Instant>) {
        for place in &mut self.0 {
            place.turn.comes(deadline).await;
        }
    }
}

impl Default for Keeper {
    /// One that saves nothing beyond the life of the process.
    fn default() -> Self {
        Self::new(MemoryStore::default())
    }
}

impl Keeper {
    /// How much is learnt until it is saved, unless it is set.
    pub const SAVE_EVERY: SaveEvery = SaveEvery::Time(Duration::from_secs(30));

    /// A keeper of states in a store.
    pub fn new(store: impl StateStore + 'static) -> Self {
        Self::with_store(Arc::new(store))
    }

    /// A keeper of states in a store that others use as well.
    pub fn with_store(store: Arc<dyn StateStore>) -> Self {
        Self {
            storage: Storage::new(store, Self::SAVE_EVERY),
            max_sessions: MAX_SESSIONS,
            partitions: Mutex::default(),
        }
    }

    /// Sets how much may be learnt until it is saved. By default [`SAVE_EVERY`](Self::SAVE_EVERY).
    pub fn save_every(mut self, every: SaveEvery) -> Self {
        self.storage.every = every;
        self
    }

    /// Says that other processes take turns at the same partitions, as the instances of a function
    /// do: before every batch the store is asked whether another has saved meanwhile, and a batch
    /// waits until what is due is saved, because nothing runs between one event and the next.
    pub fn takes_turns(mut self) -> Self {
        self.storage.takes_turns = true;
        self
    }

    /// Sets how many sessions are open at the most. When another is needed, the one that was not
    /// used for longest is saved and closed. By default 32; and never more than half of the
    /// instances that the [engine](crate::Engine::max_instances) has room for. Those of partitions that are
    /// classified at the same time may be more, until they have ended.
    ///
    /// Where the engine has no room, one is closed before there are as many. But no keeper closes what another
    /// has open: where several share an engine, give them numbers that together leave room for what else runs
    /// in it. Otherwise the sessions of those that came first can leave the last so few that it saves and
    /// closes one for each other that it needs; and if they leave none, its records are failed back.
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.max_sessions = sessions.max(1);
        self
    }

    /// Takes a place in the queue of each partition that a batch holds records of.
    pub(crate) fn enter(&self, shares: Vec<Share>) -> Places {
        let mut partitions = self.partitions();
        if shares.iter().any(|share| !partitions.slots.contains_key(&share.partition)) {
            partitions.forget_idle();
        }
        partitions.clock += 1;
        let used = partitions.clock;
        let place = |share: Share| {
            let slot = partitions.slots.entry(share.partition.clone());
            let slot = slot.or_insert_with_key(|partition| Slot {
                kept: Arc::new(Mutex::new(Kept::new(partition.clone()))),
                turns: Turns::default(),
                used,
            });
            slot.used = used;
            Place { share, kept: Arc::clone(&slot.kept), turn: slot.turns.next() }
        };
        // All at once: so no two batches wait for each other.
        Places(shares.into_iter().map(place).collect())
    }

    /// Classifies a batch, each partition's records with its own state, when its turn has come. What is
    /// flagged is to be settled once it is dealt with.
    ///
    /// It waits: for the batches before, until the deadline, and for the store.
    pub(crate) fn classify(
        &self,
        filter: &Arc<Filter>,
        places: Places,
        batch: &Batch,
        deadline: Option<Instant>,
    ) -> (Isolated, Aftermath) {
        let (mut parts, mut aftermath) = (Vec::new(), Aftermath::default());
        for Place { share, kept, turn } in places.0 {
            let Some(_turn) = turn.wait(deadline) else {
                let late = |run: &Run| not_begun(run.entries.len(), &Stop::Deadline);
                parts.extend(share.runs.iter().map(|run| (run.entries.start, late(run))));
                continue;
            };
            let mut kept = lock(&kept);
            let mut stopped = None;
            for run in &share.runs {
                let isolated = match &stopped {
                    None => {
                        self.with_room(|| match self.begin(filter, &mut kept, &share, deadline) {
                            Ok(session) => {
                                kept.classify(&session, run, batch, deadline, &mut aftermath)
                            }
                            Err(stop) => not_begun(run.entries.len(), &stop),
                        })
                    }
                    Some(stop) => not_begun(run.entries.len(), stop),
                };
                // What is behind a run that was not begun is not learnt before it.
                let is_not_begun = |stop: &Stop| matches!(stop, Stop::Deadline | Stop::Opening(_));
                stopped = isolated.stop.clone().filter(is_not_begun);
                parts.push((run.entries.start, isolated));
            }
            kept.save_if_due(&self.storage);
            drop(kept);
            // Others may wait for room, with nobody else to make it; and the next of this partition
            // could hold it for ever, if it had its turn before.
            self.close_above_maximum(filter);
            if filter.rule().engine.is_waited_for() {
                self.close_idle(1);
            }
        }
        (Isolated::of_parts(batch.len(), parts), aftermath)
    }

    fn begin(
        &self,
        filter: &Arc<Filter>,
        kept: &mut Kept,
        share: &Share,
        deadline: Option<Instant>,
    ) -> Result<Session, Stop> {
        // A fault in the run before has ended the session.
        kept.catch_up(&self.storage, filter);
        if !kept.is_open() {
            self.close_above_maximum(filter);
            if !filter.rule().engine.make_room() {
                self.close_idle(1);
            }
        }
        let session = kept.begin(&self.storage, filter, share.beginning.as_ref(), deadline)?;
        if self.storage.takes_turns {
            kept.forget_flagged(&share.runs[0]);
        }
        Ok(session)
    }

    /// Begins to save what is due.
    pub(crate) fn save_due(&self) {
        for kept in self.least_recently_used() {
            // One that is in use sees to it itself.
            if let Some(mut kept) = try_lock(&kept) {
                kept.settle(&self.storage, false);
                kept.save_if_due(&self.storage);
            }
        }
    }

    /// Saves all that is not saved yet, and waits until it is. It is for the end: what cannot be saved
    /// counts as lost. Returns how many states are lost by now.
    pub(crate) fn save_all(&self) -> usize {
        let all = self.least_recently_used();
        for kept in &all {
            lock(kept).begin_to_save_all(&self.storage);
        }
        for kept in &all {
            lock(kept).end_to_save(&self.storage);
        }
        self.storage.unsaved()
    }

    /// Does what may need room for an instance. If all are kept, what is idle here gives way, and it is
    /// done again.
    fn with_room(&self, mut classify: impl FnMut() -> Isolated) -> Isolated {
        loop {
            let isolated = classify();
            let had_room = !matches!(isolated.stop, Some(Stop::Opening(Fault::NoRoom { .. })));
            if had_room || self.close_idle(1) == 0 {
                return isolated;
            }
        }
    }

    /// Closes idle sessions while more than the maximum are open. One in use, or that waits for room,
    /// counts as open.
    fn close_above_maximum(&self, filter: &Filter) {
        let max = self.max_sessions.min(filter.rule().engine.max_instances() / 2).max(1);
        let is_open = |kept: &Arc<Mutex<Kept>>| try_lock(kept).is_none_or(|kept| kept.is_open());
        let open = self.least_recently_used().into_iter().filter(is_open).count();
        self.close_idle(open.saturating_sub(max));
    }

    /// Closes so many sessions, if as many are idle: those that were not used for longest. Says how many.
    fn close_idle(&self, sessions: usize) -> usize {
        let mut closed = 0;
        for kept in self.least_recently_used() {
            if closed == sessions {
                break;
            }
            if let Some(mut kept) = try_lock(&kept)
                && kept.is_open()
            {
                kept.close(&self.storage);
                closed += 1;
            }
        }
        closed
    }

    fn least_recently_used(&self) -> Vec<Arc<Mutex<Kept>>> {
        let partitions = self.partitions();
        let mut slots: Vec<_> = partitions.slots.values().collect();
        slots.sort_by_key(|slot| slot.used);
        slots.into_iter().map(|slot| Arc::clone(&slot.kept)).collect()
    }

    /// Each change leaves it whole.
    fn partitions(&self) -> MutexGuard<'_, Partitions> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Partitions {
    /// Forgets those that nothing is known of but what is stored: it is read again when they come again.
    fn forget_idle(&mut self) {
        self.slots.retain(|_, slot| {
            // Whoever has a place in its queue holds it, and nobody else can get it meanwhile.
            let is_in_use = Arc::strong_count(&slot.kept) > 1;
            is_in_use || try_lock(&slot.kept).is_none_or(|kept| !kept.is_forgettable())
        });
    }
}

/// What so many records came to that the rule was not given.
fn not_begun(records: usize, stop: &Stop) -> Isolated {
    let outcome = Outcome::unclassified(records, &stop.to_string());
    Isolated { outcome, stop: Some(stop.clone()), ..Isolated::default() }
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(|poisoned| after_panic(kept, poisoned.into_inner()))
}

fn try_lock(kept: &Mutex<Kept>) -> Option<MutexGuard<'_, Kept>> {
    match kept.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(after_panic(kept, poisoned.into_inner())),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Whoever held it before ended in its middle.
fn after_panic<'a>(mutex: &Mutex<Kept>, mut kept: MutexGuard<'a, Kept>) -> MutexGuard<'a, Kept> {
    mutex.clear_poison();
    kept.lose("classification ended early");
    kept
}

#[cfg(all(test, feature = "default-rule"))]
mod tests {
    use std::thread;

    use futures_util::FutureExt;
    use futures_util::future::{BoxFuture, ready};
    use tokio::runtime::Builder;

    use super::super::fixture::{filter, share};
    use super::super::store::{SaveError, StoreError, Stored, Version};
    use super::*;
    use crate::contract::{Contract, Event, Origin};

    fn classify(keeper: &Keeper, filter: &Arc<Filter>, shard: &str, number: u64) -> u64 {
        let (share, batch) = share(shard, number);
        let (_, aftermath) = keeper.classify(filter, keeper.enter(vec![share]), &batch, None);
        aftermath.lessons[0].after
    }

    #[test]
    fn partitions_that_have_ended_are_forgotten_and_known_again() {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let _entered = runtime.enter();
        let (keeper, filter) = (Keeper::default().max_sessions(2), filter());
        for shard in 0..20 {
            assert_eq!(classify(&keeper, &filter, &format!("shard-{shard}"), 1), 0);
            // Those that are open, the one that was closed for this one, and this one.
            assert!(keeper.partitions().slots.len() <= 4);
        }
        for shard in 0..20 {
            assert_eq!(classify(&keeper, &filter, &format!("shard-{shard}"), 2), 1, "as it was");
        }
    }

    #[test]
    fn a_partition_that_a_batch_waits_for_is_not_forgotten() {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let _entered = runtime.enter();
        let (keeper, filter) = (Keeper::default().max_sessions(1), filter());
        let (first, batch) = share("a", 1);
        let waiting = keeper.enter(vec![first]);
        classify(&keeper, &filter, "b", 1);
        classify(&keeper, &filter, "c", 1);
        thread::scope(|threads| {
            let runtime = runtime.handle();
            let (keeper, filter) = (&keeper, &filter);
            // Behind the one that waits.
            let (second, after) = share("a", 2);
            let behind = keeper.enter(vec![second]);
            let after = threads.spawn(move || {
                let _entered = runtime.enter();
                keeper.classify(filter, behind, &after, None).1.lessons[0].after
            });
            keeper.classify(filter, waiting, &batch, None);
            assert_eq!(after.join().expect("no panic"), 1, "the state that the first has taught");
        });
    }

    /// A store of nothing: what fills the engine goes when it is read for the second time.
    #[derive(Debug)]
    struct Relief(Mutex<Vec<Vec<Filter>>>);

    impl StateStore for Relief {
        fn load<'a>(
            &'a self,
            _key: &'a str,
            _max_bytes: usize,
        ) -> BoxFuture<'a, Result<Option<Stored>, StoreError>> {
            self.0.lock().expect("no panic").pop();
            ready(Ok(None)).boxed()
        }

        fn version<'a>(
            &'a self,
            _key: &'a str,
        ) -> BoxFuture<'a, Result<Option<Version>, StoreError>> {
            ready(Ok(None)).boxed()
        }

        fn save<'a>(
            &'a self,
            _key: &'a str,
            _state: Vec<u8>,
            _expected: Option<&'a Version>,
        ) -> BoxFuture<'a, Result<Version, SaveError>> {
            ready(Ok(Version("saved".to_owned()))).boxed()
        }
    }

    #[test]
    fn what_is_behind_records_that_found_no_room_is_not_learnt() {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let _entered = runtime.enter();
        let filter = filter();
        let _opened = filter.anew();
        let rule = filter.rule();
        let open = |_| rule.open(filter.settings()).expect("an opened rule");
        let others = (1..rule.engine.max_instances()).map(open).collect();
        let keeper = Keeper::new(Relief(Mutex::new(vec![others, Vec::new()])));

        let record = |(shard, number)| {
            format!(
                r#"{{"eventID":"{shard}:{number}","eventSourceARN":"arn:s","kinesis":{{"sequenceNumber":"{number}","data":"eyJwdWxzZSI6MX0="}}}}"#
            )
        };
        let records = [("a", 1), ("b", 2), ("a", 3)].map(record).join(",");
        let body = format!(r#"{{"Records":[{records}]}}"#);
        let event = Event::read(Some(Contract::Kinesis), body.as_bytes(), &Origin::default());
        let (event, batch) = event.expect("an event");
        let places = keeper.enter(event.shares(&batch));
        let (isolated, aftermath) = keeper.classify(&filter, places, &batch, None);
        assert!(matches!(isolated.stop, Some(Stop::Opening(Fault::NoRoom { .. }))));
        let learnt: Vec<_> =
            aftermath.lessons.into_iter().flat_map(|lesson| lesson.entries).collect();
        assert_eq!(learnt, [1], "that of the other partition");
    }
}
