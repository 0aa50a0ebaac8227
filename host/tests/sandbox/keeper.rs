//! How the state of a rule is kept: for each partition, through replays, faults and restarts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all, ready};
use tokio::runtime::{Builder, Runtime};
use weir::contract::{Contract, Origin};
use weir::publish::{PublishError, Publisher};
use weir::state::{Keeper, SaveError, SaveEvery, StateStore, StoreError, Stored, Version};
use weir::{Alert, Limits, Pipeline, Request};

use crate::guest::{Answer, FLAG, Guest, LISTS, of_shard};
use crate::state::remembering;

/// A rule that flags the one record of a batch, with the number of records that it has learnt as the
/// score. It traps on a payload that begins with an `x`.
fn learning() -> Guest {
    let score = LISTS + 24;
    let classify = format!(
        "(if (local.get 2) (then
             (if (i32.eq (i32.load8_u (local.get 1)) (i32.const 120)) (then (unreachable)))))
         (global.set $seen (i32.add (global.get $seen) (i32.eqz (local.get 6))))
         (f64.store (i32.const {score}) (f64.convert_i32_u (global.get $seen)))"
    );
    let answer = Answer { verdicts: vec![FLAG], flagged: vec![(0, 0.0)], ..Answer::default() };
    Guest { answer, ..remembering(classify) }
}

/// What was published: the score of each alert.
#[derive(Clone, Default)]
struct Scores {
    published: Arc<Mutex<Vec<f64>>>,
    /// It confirms nothing.
    is_away: Arc<AtomicBool>,
}

impl Publisher for Scores {
    async fn publish(
        &self,
        alerts: Vec<Alert>,
        _deadline: Option<Instant>,
    ) -> Vec<Result<(), PublishError>> {
        if self.is_away.load(Ordering::Relaxed) {
            return vec![Err(PublishError::Unconfirmed("away".to_owned())); alerts.len()];
        }
        let results = vec![Ok(()); alerts.len()];
        let scores = alerts.into_iter().filter_map(|alert| alert.score);
        self.published.lock().expect("no panic").extend(scores);
        results
    }
}

/// A store that does what a test wants.
#[derive(Clone, Debug, Default)]
struct Shelf {
    states: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    /// It answers nothing but errors.
    away: Arc<AtomicBool>,
    /// It stores what it is given, and answers with an error.
    mute: Arc<AtomicBool>,
    /// It is read by as many at once, the next time.
    crowd: Arc<Mutex<Option<Arc<Barrier>>>>,
}

impl Shelf {
    fn states(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.states.lock().expect("no panic")
    }

    fn crowd(&self) -> MutexGuard<'_, Option<Arc<Barrier>>> {
        self.crowd.lock().expect("no panic")
    }

    fn read<T>(&self, what: impl FnOnce(&BTreeMap<String, Vec<u8>>) -> T) -> Result<T, StoreError> {
        match self.away.load(Ordering::Relaxed) {
            true => Err(StoreError("away".to_owned())),
            false => Ok(what(&self.states())),
        }
    }
}

/// The bytes themselves tell versions apart.
fn version(bytes: &[u8]) -> Version {
    Version(String::from_utf8_lossy(bytes).into_owned())
}

impl StateStore for Shelf {
    fn load<'a>(
        &'a self,
        key: &'a str,
        _max_bytes: usize,
    ) -> BoxFuture<'a, Result<Option<Stored>, StoreError>> {
        let crowd = self.crowd().clone();
        if let Some(crowd) = crowd {
            crowd.wait();
            *self.crowd() = None;
        }
        let stored = self.read(|states| {
            let bytes = states.get(key)?.clone();
            Some(Stored { version: version(&bytes), bytes })
        });
        ready(stored).boxed()
    }

    fn version<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Version>, StoreError>> {
        ready(self.read(|states| states.get(key).map(|bytes| version(bytes)))).boxed()
    }

    fn save<'a>(
        &'a self,
        key: &'a str,
        state: Vec<u8>,
        expected: Option<&'a Version>,
    ) -> BoxFuture<'a, Result<Version, SaveError>> {
        let saved = self.read(|states| states.get(key).map(|bytes| version(bytes)));
        let saved = saved.map_err(SaveError::from).and_then(|stored| {
            if stored.as_ref() != expected {
                return Err(SaveError::Conflict);
            }
            let version = version(&state);
            self.states().insert(key.to_owned(), state);
            match self.mute.load(Ordering::Relaxed) {
                true => Err(StoreError("no answer".to_owned()).into()),
                false => Ok(version),
            }
        });
        ready(saved).boxed()
    }
}

/// A process: a pipeline with the runtime that it saves by.
struct Process {
    runtime: Runtime,
    pipeline: Pipeline<Scores>,
    scores: Scores,
}

impl Process {
    fn new(guest: &Guest, keeper: Keeper) -> Self {
        Self::with_settings(guest, "{}", keeper)
    }

    fn with_settings(guest: &Guest, settings: &str, keeper: Keeper) -> Self {
        Self::within(Limits::default(), guest, settings, keeper)
    }

    fn within(limits: Limits, guest: &Guest, settings: &str, keeper: Keeper) -> Self {
        Self::on(&weir::Engine::new(limits).expect("an engine"), guest, settings, keeper)
    }

    fn on(engine: &weir::Engine, guest: &Guest, settings: &str, keeper: Keeper) -> Self {
        let rule = weir::Rule::load(engine, &guest.component()).expect("a rule");
        let filter = rule.open(settings).expect("an opened rule");
        let scores = Scores::default();
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        Self { runtime, pipeline: Pipeline::new(filter, scores.clone()).keeper(keeper), scores }
    }

    fn process(&self, request: Request<'_>) -> Vec<f64> {
        self.runtime.block_on(self.pipeline.process(request)).expect("an event");
        std::mem::take(&mut *self.scores.published.lock().expect("no panic"))
    }

    /// Processes while nothing can be published.
    fn unpublished(&self, process: impl FnOnce(&Self) -> Vec<f64>) {
        self.scores.is_away.store(true, Ordering::Relaxed);
        assert!(process(self).is_empty());
        self.scores.is_away.store(false, Ordering::Relaxed);
    }

    /// Processes a message of a queue.
    fn message(&self, id: &str, payload: &str) -> Vec<f64> {
        let body = format!(
            r#"{{"Records":[{{"messageId":"{id}","eventSource":"aws:sqs","eventSourceARN":"arn:q","body":"{payload}"}}]}}"#
        );
        let contract = Some(Contract::Sqs);
        self.process(Request { body: body.as_bytes(), contract, ..Request::default() })
    }

    /// Processes an event of Kinesis with one record for each shard and sequence number.
    fn kinesis(&self, records: &[(&str, u64)]) -> Vec<f64> {
        let records: Vec<_> = records.iter().map(|(shard, n)| (*shard, *n, "e30=")).collect();
        self.kinesis_with(&records)
    }

    /// The same, with the data of each record.
    fn kinesis_with(&self, records: &[(&str, u64, &str)]) -> Vec<f64> {
        let record = |(shard, number, data): &(&str, u64, &str)| {
            format!(
                r#"{{"eventID":"{shard}:{number}","eventSourceARN":"arn:s","kinesis":{{"sequenceNumber":"{number}","data":"{data}"}}}}"#
            )
        };
        let records: Vec<_> = records.iter().map(record).collect();
        let body = format!(r#"{{"Records":[{}]}}"#, records.join(","));
        let contract = Some(Contract::Kinesis);
        self.process(Request { body: body.as_bytes(), contract, ..Request::default() })
    }

    /// Processes an event of Kinesis for each of so many shards, all at once.
    fn shards(&self, shards: usize, number: u64) -> Vec<f64> {
        let process = |shard| async move {
            let body = of_shard(shard, number);
            let contract = Some(Contract::Kinesis);
            let request = Request { body: body.as_bytes(), contract, ..Request::default() };
            self.pipeline.process(request).await
        };
        let answers = self.runtime.block_on(join_all((0..shards).map(process)));
        assert!(answers.iter().all(Result::is_ok));
        std::mem::take(&mut *self.scores.published.lock().expect("no panic"))
    }

    /// Processes a line of a file.
    fn line(&self, line: u64, text: &str) -> Vec<f64> {
        self.line_of(line, text, false)
    }

    /// The same, of a file that may have taken the place of another.
    fn line_of(&self, line: u64, text: &str, replaces: bool) -> Vec<f64> {
        let begins = line == 1;
        let origin = Origin { name: "a.ndjson", line, is_file: true, begins, replaces };
        let contract = Some(Contract::Ndjson);
        self.process(Request { body: text.as_bytes(), contract, origin, deadline: None })
    }

    /// Returns how many states could not be saved so far.
    fn save(&self) -> usize {
        self.runtime.block_on(self.pipeline.save_states())
    }
}

/// A keeper that saves when it is told to.
fn keeper(store: &Shelf) -> Keeper {
    Keeper::new(store.clone()).save_every(SaveEvery::Time(Duration::MAX))
}

#[test]
fn each_partition_has_a_state_of_its_own() {
    let process = Process::new(&learning(), Keeper::default());
    let scores: Vec<_> = [("a", 1), ("b", 2), ("a", 3), ("a", 4), ("b", 5)]
        .into_iter()
        .flat_map(|record| process.kinesis(&[record]))
        .collect();
    assert_eq!(scores, [1.0, 1.0, 2.0, 3.0, 2.0]);
}

#[test]
fn an_event_may_hold_records_of_several_partitions() {
    let process = Process::new(&learning(), Keeper::default());
    assert_eq!(process.kinesis(&[("a", 1)]), [1.0]);
    assert_eq!(process.kinesis(&[("a", 2), ("b", 3), ("a", 4)]), [2.0, 1.0, 3.0]);
}

#[test]
fn a_record_that_comes_again_is_answered_for_and_not_learnt() {
    let process = Process::new(&learning(), Keeper::default());
    // Of more digits than the next, and yet before it.
    let numbers = [99, 100, 99, 100, 101];
    let scores: Vec<_> = numbers.iter().flat_map(|n| process.kinesis(&[("a", *n)])).collect();
    assert_eq!(scores, [1.0, 2.0, 2.0, 2.0, 3.0]);
}

/// A rule that finds something else, with a score of 100, in what it has learnt.
fn forgetful() -> Guest {
    let score = LISTS + 24;
    let mut guest = learning();
    guest.classify +=
        &format!("(if (local.get 6) (then (f64.store (i32.const {score}) (f64.const 100))))");
    guest
}

#[test]
fn what_was_not_published_is_flagged_again_as_it_was_until_it_is() {
    let store = Shelf::default();
    let first = Process::new(&forgetful(), keeper(&store));
    first.unpublished(|process| process.kinesis(&[("a", 1)]));
    first.unpublished(|process| process.kinesis(&[("a", 1)]));
    // It goes on, as one does that has several events under way.
    assert_eq!(first.kinesis(&[("a", 2)]), [2.0]);
    first.save();
    let second = Process::new(&forgetful(), keeper(&store));
    let numbers = [2, 1, 1, 3];
    let scores: Vec<_> = numbers.iter().flat_map(|n| second.kinesis(&[("a", *n)])).collect();
    assert_eq!(scores, [100.0, 1.0, 100.0, 3.0], "the second was published before");
    second.save();
    let third = Process::new(&forgetful(), keeper(&store));
    assert_eq!(third.kinesis(&[("a", 1)]), [100.0], "that it was published since is saved too");
}

#[test]
fn instances_in_turns_take_what_comes_before_an_event_for_published() {
    let store = Shelf::default();
    let first = Process::new(&forgetful(), keeper(&store).takes_turns());
    first.unpublished(|process| process.kinesis(&[("a", 1)]));
    assert_eq!([first.kinesis(&[("a", 2)]), first.kinesis(&[("a", 1)])].concat(), [2.0, 100.0]);
}

#[test]
fn instances_in_turns_do_not_take_over_what_they_have_published() {
    let store = Shelf::default();
    let in_turns = || keeper(&store).save_every(SaveEvery::Records(1)).takes_turns();
    let (one, other) =
        (Process::new(&learning(), in_turns()), Process::new(&learning(), in_turns()));
    // Each is saved before it is published, and the other goes on from that.
    let process = |(instance, id): (&Process, &str)| instance.message(id, "one");
    let first = [(&one, "a"), (&other, "b"), (&one, "c"), (&other, "d")];
    assert_eq!(first.into_iter().flat_map(process).collect::<Vec<_>>(), [1.0, 2.0, 3.0, 4.0]);
    let again = [(&one, "a"), (&other, "b")];
    assert_eq!(again.into_iter().flat_map(process).collect::<Vec<_>>(), [5.0, 6.0]);
}

#[test]
fn where_there_are_no_positions_what_was_not_published_is_known_by_its_id() {
    let process = Process::new(&learning(), Keeper::default());
    process.unpublished(|process| process.message("a", "one"));
    assert_eq!(process.message("a", "another"), [2.0], "an id that was given again");
    // It is learnt again.
    assert_eq!([process.message("a", "one"), process.message("a", "one")].concat(), [1.0, 4.0]);
}

#[test]
fn a_restart_goes_on_where_it_was_saved() {
    let store = Shelf::default();
    let first = Process::new(&learning(), keeper(&store));
    assert_eq!(first.kinesis(&[("a", 1)]), [1.0]);
    assert_eq!(first.kinesis(&[("a", 2)]), [2.0]);
    first.save();
    // It is not saved, and the process ends.
    assert_eq!(first.kinesis(&[("a", 3)]), [3.0]);

    let second = Process::new(&learning(), keeper(&store));
    let scores: Vec<_> = (1..=4).flat_map(|number| second.kinesis(&[("a", number)])).collect();
    assert_eq!(scores, [2.0, 2.0, 3.0, 4.0]);
}

#[test]
fn a_file_that_is_read_again_is_told_from_another_of_its_name() {
    let store = Shelf::default();
    let first = Process::new(&learning(), keeper(&store));
    assert_eq!([first.line(1, "{}"), first.line(2, "{}")].concat(), [1.0, 2.0]);
    first.save();

    let again = Process::new(&learning(), keeper(&store));
    let lines = [again.line(1, "{}"), again.line(2, "{}"), again.line(3, "{}")];
    assert_eq!(lines.concat(), [2.0, 2.0, 3.0]);
    again.save();

    let other = Process::new(&learning(), keeper(&store));
    assert_eq!([other.line(1, "[]"), other.line(2, "{}")].concat(), [4.0, 5.0]);
}

#[test]
fn a_file_that_took_the_place_of_another_is_another_though_it_begins_alike() {
    let store = Shelf::default();
    let process = Process::new(&learning(), keeper(&store));
    (1..=3).for_each(|line| assert_eq!(process.line(line, "{}"), [line as f64]));
    process.save();
    assert_eq!(process.line_of(1, "{}", true), [4.0]);
    assert_eq!(process.line_of(2, "{}", true), [5.0]);
    // What was stored before has learnt no line of it.
    assert!(process.line(3, "x").is_empty());
    assert_eq!(process.line_of(2, "{}", true), [4.0]);
    process.save();
    let again = Process::new(&learning(), keeper(&store));
    assert_eq!(
        [again.line(1, "{}"), again.line(2, "{}"), again.line(3, "{}")].concat(),
        [4.0, 4.0, 5.0]
    );
}

#[test]
fn a_fault_does_not_make_a_file_another() {
    let store = Shelf::default();
    let first = Process::new(&learning(), keeper(&store));
    (1..=3).for_each(|line| assert_eq!(first.line(line, "{}"), [line as f64]));
    first.save();

    let other = Process::new(&learning(), keeper(&store));
    assert_eq!(other.line(1, "[]"), [4.0]);
    assert!(other.line(2, "x").is_empty());
    // What is stored knows a second line of the file before.
    assert_eq!([other.line(2, "{}"), other.line(3, "{}")].concat(), [4.0, 5.0]);
}

#[test]
fn a_fault_costs_what_was_learnt_since_it_was_saved() {
    let process = Process::new(&learning(), keeper(&Shelf::default()));
    assert_eq!(process.line(1, "{}"), [1.0]);
    process.save();
    assert_eq!(process.line(2, "{}"), [2.0]);
    assert!(process.line(3, "x").is_empty());
    // The second was learnt by the state that is gone: it is learnt again, if it comes again.
    assert_eq!(process.line(2, "{}"), [2.0]);
    assert_eq!(process.line(4, "{}"), [3.0]);
}

#[test]
fn a_fault_costs_the_partition_that_it_is_in() {
    let process = Process::new(&learning(), Keeper::default());
    assert_eq!(process.kinesis(&[("a", 1), ("b", 2)]), [1.0, 1.0]);
    // In base64 it begins with an x as well.
    let event = [("a", 3, "xxxx"), ("b", 4, "e30="), ("a", 5, "e30=")];
    assert_eq!(process.kinesis_with(&event), [2.0, 1.0], "b goes on, and a begins anew");
    assert_eq!(process.kinesis(&[("a", 6), ("b", 7)]), [2.0, 3.0]);
}

#[test]
fn a_state_is_saved_when_it_is_due() {
    let store = Shelf::default();
    let every_two = Keeper::new(store.clone()).save_every(SaveEvery::Records(2));
    let process = Process::new(&learning(), every_two.takes_turns());
    process.kinesis(&[("a", 1)]);
    // What comes again does not count.
    process.kinesis(&[("a", 1)]);
    assert!(store.states().is_empty());
    process.kinesis(&[("a", 2)]);
    assert_eq!(store.states().len(), 1);

    let at_once = Keeper::new(store.clone()).save_every(SaveEvery::Time(Duration::ZERO));
    let process = Process::new(&learning(), at_once.takes_turns());
    process.kinesis(&[("b", 1)]);
    assert_eq!(store.states().len(), 2);
}

#[test]
fn what_is_due_is_saved_while_no_event_comes() {
    let store = Shelf::default();
    let process = Process::new(&learning(), keeper(&store).save_every(SaveEvery::Records(9)));
    process.kinesis(&[("a", 1)]);
    process.runtime.block_on(process.pipeline.save_due_states());
    assert!(store.states().is_empty(), "it is not due");

    let soon = keeper(&store).save_every(SaveEvery::Time(Duration::from_nanos(1)));
    let process = Process::new(&learning(), soon);
    store.away.store(true, Ordering::Relaxed);
    process.kinesis(&[("a", 1)]);
    store.away.store(false, Ordering::Relaxed);
    while store.states().is_empty() {
        process.runtime.block_on(process.pipeline.save_due_states());
    }
}

#[test]
fn a_state_that_is_refused_is_set_aside_and_the_rule_begins_anew() {
    let store = Shelf::default();
    let process = Process::new(&learning(), keeper(&store));
    process.kinesis(&[("a", 1)]);
    process.save();
    let (key, good) =
        store.states().first_key_value().map(|(k, v)| (k.clone(), v.clone())).expect("a state");
    let mut damaged = good.clone();
    *damaged.last_mut().expect("a snapshot") ^= 1;

    let foreign = {
        let other = Shelf::default();
        let process = Process::new(&Guest { name: "other", ..learning() }, keeper(&other));
        process.kinesis(&[("a", 1)]);
        process.save();
        other.states().values().next().cloned().expect("a state")
    };
    let refusing = {
        let other = Shelf::default();
        let two_bytes = Guest {
            snapshot: learning().snapshot.replace("(i32.const 1))", "(i32.const 2))"),
            ..learning()
        };
        let process = Process::new(&two_bytes, keeper(&other));
        process.kinesis(&[("a", 1)]);
        process.save();
        other.states().values().next().cloned().expect("a state")
    };
    for refused in [damaged, foreign, refusing, b"not a state".to_vec(), Vec::new()] {
        store.states().clear();
        store.states().insert(key.clone(), refused.clone());
        let process = Process::new(&learning(), keeper(&store));
        assert_eq!(process.kinesis(&[("a", 1)]), [1.0], "anew");
        assert_eq!(store.states()[&key], refused, "nothing is overwritten yet");
        process.save();
        assert_eq!(store.states()[&key].len(), good.len());
        let aside: Vec<_> =
            store.states().range(format!("{key}.refused")..).map(|(_, v)| v.clone()).collect();
        assert_eq!(aside, [refused]);
    }
}

#[test]
fn a_rule_that_goes_on_with_other_settings_keeps_its_state() {
    let store = Shelf::default();
    let process = Process::new(&learning(), keeper(&store));
    process.kinesis(&[("a", 1)]);
    process.save();
    let process = Process::with_settings(&learning(), r#"{"a":1}"#, keeper(&store));
    assert_eq!(process.kinesis(&[("a", 2)]), [2.0]);
    process.save();
    assert_eq!(store.states().len(), 1, "none is set aside");
}

#[test]
fn a_newer_state_of_another_process_is_taken_over_and_never_overwritten() {
    let store = Shelf::default();
    let (one, two) =
        (Process::new(&learning(), keeper(&store)), Process::new(&learning(), keeper(&store)));
    assert_eq!([one.kinesis(&[("a", 1)]), two.kinesis(&[("a", 1)])], [[1.0], [1.0]]);
    assert_eq!(two.kinesis(&[("a", 2)]), [2.0]);
    two.save();
    let newer = store.states().clone();
    one.save();
    assert_eq!(*store.states(), newer);
    // As the other left it.
    assert_eq!([one.kinesis(&[("a", 2)]), one.kinesis(&[("a", 3)])], [[2.0], [3.0]]);
    one.save();
    assert_ne!(*store.states(), newer);
}

#[test]
fn processes_that_take_turns_go_on_from_each_other() {
    let store = Shelf::default();
    let every_batch = || keeper(&store).save_every(SaveEvery::Records(1)).takes_turns();
    let processes = [0, 1].map(|_| Process::new(&learning(), every_batch()));
    let scores: Vec<_> =
        (0..6).flat_map(|n| processes[n % 2].kinesis(&[("a", n as u64)])).collect();
    assert_eq!(scores, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn while_the_store_is_away_records_are_classified_and_nothing_is_overwritten() {
    let store = Shelf::default();
    let first = Process::new(&learning(), keeper(&store));
    first.kinesis(&[("a", 1)]);
    assert_eq!(first.save(), 0);
    let saved = store.states().clone();

    store.away.store(true, Ordering::Relaxed);
    let second = Process::new(&learning(), keeper(&store));
    assert_eq!(second.kinesis(&[("a", 2)]), [1.0], "without what is stored");
    second.save();
    store.away.store(false, Ordering::Relaxed);
    second.save();
    assert_eq!(*store.states(), saved, "it has not seen it");

    store.away.store(true, Ordering::Relaxed);
    assert_eq!(first.kinesis(&[("a", 2)]), [2.0]);
    assert_eq!(first.save(), 1);
    store.away.store(false, Ordering::Relaxed);
    assert_eq!(first.save(), 1, "none since");
    assert_ne!(*store.states(), saved, "what could not be saved is saved later");
}

#[test]
fn a_save_that_was_not_confirmed_is_known_again() {
    let store = Shelf::default();
    let process = Process::new(&learning(), keeper(&store));
    store.mute.store(true, Ordering::Relaxed);
    process.kinesis(&[("a", 1)]);
    process.save();
    store.mute.store(false, Ordering::Relaxed);
    assert_eq!(process.kinesis(&[("a", 2)]), [2.0]);
    process.save();
    let next = Process::new(&learning(), keeper(&store));
    assert_eq!(next.kinesis(&[("a", 3)]), [3.0]);
}

#[test]
fn a_state_that_was_taken_away_is_stored_again() {
    let store = Shelf::default();
    let process = Process::new(&learning(), keeper(&store));
    process.kinesis(&[("a", 1)]);
    process.save();
    store.states().clear();
    assert_eq!(process.kinesis(&[("a", 2)]), [2.0]);
    process.save();
    assert_eq!(store.states().len(), 1);
}

#[test]
fn sessions_are_closed_when_others_need_the_room() {
    let store = Shelf::default();
    let process = Process::new(&learning(), keeper(&store).max_sessions(1));
    let mut scores = Vec::new();
    for number in 0..3 {
        for shard in ["a", "b", "c"] {
            scores.extend(process.kinesis(&[(shard, number)]));
        }
        assert!(store.states().len() >= 2, "what was closed was saved");
    }
    assert_eq!(scores, [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0]);
}

#[test]
fn more_partitions_at_once_than_there_are_instances_have_room_one_after_the_other() {
    let store = Shelf::default();
    let process = Process::new(&learning(), keeper(&store));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let partitions = 40 + 64.max(2 * cores);
    // All of them need an instance at the same time.
    *store.crowd() = Some(Arc::new(Barrier::new(partitions)));
    for round in 1..=3 {
        assert_eq!(process.shards(partitions, round), vec![round as f64; partitions]);
    }
    let states = store.states();
    assert!(states.len() >= partitions - 32, "what was closed was saved");
    assert!(states.keys().all(|key| !key.contains("refused")), "{:?}", states.keys());
}

/// What leaves room for so many instances in an engine.
fn others(engine: &weir::Engine, room: usize) -> Vec<weir::Filter> {
    let rule = weir::Rule::load(engine, &learning().component()).expect("a rule");
    let open = |_| rule.open("{}").expect("an opened rule");
    // The pipeline's rule has one.
    (room + 1..engine.max_instances()).map(open).collect()
}

#[test]
fn sessions_give_way_to_each_other_where_others_leave_little_room() {
    let engine = weir::Engine::new(Limits::default()).expect("an engine");
    let store = Shelf::default();
    let process = Process::on(&engine, &learning(), "{}", keeper(&store));
    let _others = others(&engine, 1);
    let mut scores = Vec::new();
    for number in 1..=3 {
        for shard in ["a", "b", "c"] {
            scores.extend(process.kinesis(&[(shard, number)]));
        }
    }
    assert_eq!(scores, [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0]);
}

#[test]
fn a_session_that_has_become_idle_gives_way_to_one_that_waits_for_room() {
    let engine = weir::Engine::new(Limits::default()).expect("an engine");
    let store = Shelf::default();
    let process = Process::on(&engine, &learning(), "{}", keeper(&store));
    let _others = others(&engine, 0);
    // Neither is open when the other needs an instance.
    *store.crowd() = Some(Arc::new(Barrier::new(2)));
    assert_eq!(process.shards(2, 1), [1.0, 1.0]);
}

#[test]
fn a_state_that_takes_too_long_is_tried_again_before_it_is_refused() {
    let store = Shelf::default();
    let process = Process::new(&learning(), keeper(&store));
    process.kinesis(&[("a", 1)]);
    process.save();
    let saved = store.states().clone();

    let endless = Guest { restore: "(loop $l (br $l))".to_owned(), ..learning() };
    let limits = Limits { time: Duration::from_millis(50), ..Limits::default() };
    let slow = Process::within(limits, &endless, "{}", keeper(&store));
    for _ in 0..2 {
        assert!(slow.kinesis(&[("a", 2)]).is_empty(), "it fails");
        assert_eq!(*store.states(), saved, "the state may be as good as any");
    }
    let other = Process::new(&learning(), keeper(&store));
    assert_eq!(other.kinesis(&[("a", 2)]), [2.0], "it is");

    assert_eq!(slow.kinesis(&[("a", 2)]), [1.0], "anew");
    assert_eq!(store.states().len(), 2, "it is set aside");
}
