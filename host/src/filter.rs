use std::fmt;
use std::iter;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use wasmtime::Store;

use crate::batch::Batch;
use crate::bindings::rule;
use crate::exports::Classifier;
use crate::fault::Fault;
use crate::limits::{LimitExceeded, Limits, Meter};
use crate::outcome::Outcome;
use crate::rule::{Description, Rule};

/// A rule, opened with settings: it classifies batches.
///
/// Any number of threads can classify at once with a stateless rule. A rule that keeps state has one
/// instance, and its batches wait for each other; a [`Keeper`](crate::state::Keeper) holds one for
/// each partition of a stream.
pub struct Filter {
    rule: Rule,
    settings: String,
    instances: Instances,
    /// Places for sessions that classify one batch after the other. A rule that keeps state has one;
    /// a stateless rule as many as instances can live at once, if they are to be kept, or else none.
    places: Box<[Place]>,
}

/// A place for a session, locked while that is used. It is empty until the first batch, and again after
/// a fault: then the next batch opens a new session, and what the rule remembered is gone.
type Place = Mutex<Option<Box<Session>>>;

/// A batch of more bytes of payloads is handed to a stateless rule in several calls. So an instance
/// needs little memory however large the batch is, and what it reads and writes stays in the
/// processor's caches. A call more costs what a few records do, or what it takes to clear ten pages of a
/// fresh instance's memory.
const PART_BYTES: usize = 64 << 10;

/// Which instance of a stateless rule classifies a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Instances {
    /// A fresh one for each batch: nothing that a rule does outlives the batch.
    #[default]
    Fresh,
    /// One that went well on batches before, where one is idle. It is worth it where batches hold a
    /// few records only, and the rule is trusted not to carry anything from one batch to the next.
    ///
    /// An instance that faults, or has come to use more than half of the memory that it may, is given
    /// up; a batch on which it faulted runs in a fresh one.
    Kept,
}

impl Rule {
    /// Opens the rule with a settings document, which is JSON.
    ///
    /// # Errors
    ///
    /// If the rule refuses the settings, or fails at being opened.
    pub fn open(&self, settings: &str) -> Result<Filter, OpenError> {
        let session = Session::open(self, settings, None)?;
        let filter = Filter {
            rule: self.clone(),
            settings: settings.to_owned(),
            instances: Instances::default(),
            places: places(self, Instances::default()),
        };
        if let Some(mut place) = filter.free_place() {
            *place = Some(session);
        }
        Ok(filter)
    }
}

impl Filter {
    /// The opened rule.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// The settings document that it was opened with, as JSON.
    pub fn settings(&self) -> &str {
        &self.settings
    }

    /// What the opened rule says of itself.
    pub fn description(&self) -> &Description {
        self.rule.description()
    }

    /// The same rule, opened with the same settings, that has seen nothing yet. It is opened when it
    /// is first used.
    pub(crate) fn anew(&self) -> Self {
        Self {
            rule: self.rule.clone(),
            settings: self.settings.clone(),
            instances: self.instances,
            places: places(&self.rule, self.instances),
        }
    }

    /// Sets which instances classify. It says nothing to a rule that keeps state.
    pub fn instances(mut self, instances: Instances) -> Self {
        if !self.description().keeps_state {
            self.instances = instances;
            self.places = places(&self.rule, instances);
        }
        self
    }

    /// Classifies a batch.
    ///
    /// # Errors
    ///
    /// If the rule is at fault: it ran into a limit, trapped, or broke its contract. Then no record
    /// of the batch has a verdict.
    pub fn classify(&self, batch: &Batch) -> Result<Outcome, Fault> {
        let mut outcome = Outcome::default();
        self.run_into(batch, None, &mut outcome)?;
        Ok(outcome)
    }

    /// The state of a rule that keeps one: what [`restore`](Self::restore) takes. Empty for a rule
    /// that keeps none.
    ///
    /// # Errors
    ///
    /// If the rule is at fault. Its state is gone then, as after any fault.
    pub fn snapshot(&self) -> Result<Vec<u8>, Fault> {
        if !self.description().keeps_state {
            return Ok(Vec::new());
        }
        self.in_order(None, |session| session.snapshot(&self.rule))
    }

    /// Takes over a state that was [taken](Self::snapshot) from the same rule, opened with the same
    /// settings.
    ///
    /// # Errors
    ///
    /// If the rule refuses the snapshot or is at fault. Then it goes on as it was opened.
    pub fn restore(&self, snapshot: &[u8]) -> Result<(), RestoreError> {
        if !self.description().keeps_state {
            return Err(RestoreError::Refused("the rule keeps no state".to_owned()));
        }
        let mut place = self.the_place();
        // What it has learnt until now does not count, whatever comes of the snapshot.
        let mut session = match place.take().filter(|session| session.is_as_opened) {
            Some(session) => session,
            None => self.session(None).map_err(Fault::from)?,
        };
        // What a rule says to have left alone may still be half done: then its session is given up.
        session.restore(&self.rule, snapshot)?.map_err(RestoreError::Refused)?;
        *place = Some(session);
        Ok(())
    }

    /// Has the one session of a rule that keeps state do something, unless the deadline has passed. A
    /// fault is the end of it.
    fn in_order<T, E: From<Interrupted>>(
        &self,
        deadline: Option<Instant>,
        work: impl FnOnce(&mut Session) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut place = self.the_place();
        check_time_is_left(deadline)?;
        let mut session = match place.take() {
            Some(session) => session,
            None => self.session(None)?,
        };
        let done = work(&mut session)?;
        *place = Some(session);
        Ok(done)
    }

    /// The limits that the rule runs within.
    pub(crate) fn limits(&self) -> &Limits {
        self.rule.engine.limits()
    }

    /// Runs the rule on a batch, until the deadline at the latest. A rule that keeps state is not
    /// begun after the deadline, but is not cut short by it either: that would cost the state.
    pub(crate) fn run(
        &self,
        batch: &Batch,
        deadline: Option<Instant>,
    ) -> Result<(Outcome, Use), Interrupted> {
        let mut outcome = Outcome::default();
        let used = self.run_into(batch, deadline, &mut outcome)?;
        Ok((outcome, used))
    }

    /// Does the same, into an empty outcome. If it is interrupted, that means nothing.
    fn run_into(
        &self,
        batch: &Batch,
        deadline: Option<Instant>,
        outcome: &mut Outcome,
    ) -> Result<Use, Interrupted> {
        if self.description().keeps_state {
            return self
                .in_order(deadline, |session| session.classify(&self.rule, batch, None, outcome));
        }
        check_time_is_left(deadline)?;
        let mut place = self.free_place();
        let kept = place.as_mut().and_then(|place| place.take());
        let is_fresh = kept.is_none();
        let mut session = match kept {
            Some(session) => session,
            None => self.session(deadline)?,
        };
        match session.classify(&self.rule, batch, deadline, outcome) {
            Ok(used) => {
                if let Some(mut place) = place {
                    *place = Some(session).filter(|session| session.is_small(self.limits()));
                }
                Ok(used)
            }
            // It may be for what earlier batches left behind.
            Err(Interrupted { stage: Stage::Classifying, .. }) if !is_fresh => {
                check_time_is_left(deadline)?;
                // The fresh one may need its place in the engine.
                drop(session);
                *outcome = Outcome::default();
                self.session(deadline)?.classify(&self.rule, batch, deadline, outcome)
            }
            Err(interrupted) => Err(interrupted),
        }
    }

    /// Runs a stateless rule on a batch in a fresh instance, until the deadline at the latest, and
    /// looks at the clock.
    pub(crate) fn run_timed(
        &self,
        batch: &Batch,
        deadline: Option<Instant>,
    ) -> Result<(Outcome, Use), Interrupted> {
        check_time_is_left(deadline)?;
        let mut session = self.session(deadline)?;
        let mut outcome = Outcome::default();
        let started = Instant::now();
        let used = session.classify(&self.rule, batch, deadline, &mut outcome)?;
        Ok((outcome, Use { time: started.elapsed(), ..used }))
    }

    fn session(&self, deadline: Option<Instant>) -> Result<Box<Session>, Interrupted> {
        Session::open(&self.rule, &self.settings, deadline).map_err(|error| {
            let fault = match error {
                OpenError::Fault(fault) => fault,
                OpenError::Settings(error) => {
                    Fault::Contract(format!("it refused settings that it had accepted: {error}"))
                }
            };
            Interrupted::new(fault, Stage::Opening, self.limits())
        })
    }

    /// The place of the one session of a rule that keeps state, once it is free. A session is taken
    /// out of its place while it is used, so a panic leaves nothing half done.
    fn the_place(&self) -> MutexGuard<'_, Option<Box<Session>>> {
        self.places[0].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place that is free, if there is one.
    fn free_place(&self) -> Option<MutexGuard<'_, Option<Box<Session>>>> {
        self.places.iter().find_map(|place| match place.try_lock() {
            Ok(place) => Some(place),
            Err(TryLockError::Poisoned(place)) => Some(place.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        })
    }
}

fn places(rule: &Rule, instances: Instances) -> Box<[Place]> {
    let places = match instances {
        _ if rule.description().keeps_state => 1,
        Instances::Fresh => 0,
        Instances::Kept => rule.engine.max_instances(),
    };
    iter::repeat_with(Place::default).take(places).collect()
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").field("rule", &self.rule).finish_non_exhaustive()
    }
}

/// One instance of a rule with one open classifier in it.
struct Session {
    store: Store<Meter>,
    classifier: Classifier,
    /// Whether it has neither seen a batch nor taken over a state.
    is_as_opened: bool,
}

impl Session {
    fn open(
        rule: &Rule,
        settings: &str,
        deadline: Option<Instant>,
    ) -> Result<Box<Self>, OpenError> {
        let limits = limits_until(deadline, rule.engine.limits());
        let mut store = rule.engine.store();
        rule.engine.start_time(&mut store, limits.time);
        let opened = rule.exports.open(&mut store, settings);
        let opened = opened.map_err(|error| OpenError::Fault(Fault::of(&error, &limits)))?;
        let classifier = opened.map_err(SettingsError::from)?;
        Ok(Box::new(Self { store, classifier, is_as_opened: true }))
    }

    /// Whether it uses so little memory that it will not soon exceed its limit.
    fn is_small(&self, limits: &Limits) -> bool {
        self.store.data().memory_bytes <= limits.memory_bytes / 2
    }

    fn classify(
        &mut self,
        rule: &Rule,
        batch: &Batch,
        deadline: Option<Instant>,
        outcome: &mut Outcome,
    ) -> Result<Use, Interrupted> {
        let interrupted = |fault| Interrupted::new(fault, Stage::Classifying, rule.engine.limits());
        self.is_as_opened = false;
        let memory_before = self.store.data().memory_bytes;
        let limits = limits_until(deadline, rule.engine.limits());
        let part_bytes = if rule.description().keeps_state { usize::MAX } else { PART_BYTES };
        rule.engine.start_time(&mut self.store, limits.time);
        let (mut ends, mut output_bytes) = (Vec::new(), 0);
        for part in batch.parts(part_bytes) {
            let is_first = part.start == 0;
            let lowered = batch.lowered(part, &mut ends);
            if is_first {
                self.classify_part(rule, lowered, output_bytes, &limits, outcome)
                    .map_err(interrupted)?;
                output_bytes = outcome.bytes();
            } else {
                let mut next = Outcome::default();
                self.classify_part(rule, lowered, output_bytes, &limits, &mut next)
                    .map_err(interrupted)?;
                output_bytes += next.bytes();
                outcome.append(next);
            }
        }
        Ok(Use {
            time: Duration::ZERO,
            memory_bytes: self.store.data().memory_bytes - memory_before,
            memory_before,
            output_bytes,
        })
    }

    /// Classifies some of the records, in what is left of the time and of the output.
    fn classify_part(
        &mut self,
        rule: &Rule,
        part: rule::Batch<'_>,
        output_bytes: usize,
        limits: &Limits,
        outcome: &mut Outcome,
    ) -> Result<(), Fault> {
        let records = part.payloads.ends.len();
        // Together, rewritten payloads are divided by 32-bit numbers as well.
        let maximum = limits.output_bytes.min(Batch::MAX_BYTES);
        self.store.set_hostcall_fuel(maximum.saturating_sub(output_bytes));
        let answered = self.classifier.classify(&mut self.store, part, outcome);
        answered.map_err(|error| Fault::of(&error, limits))?;
        outcome.check(records, rule.description().rewrites).map_err(Fault::Contract)
    }

    fn snapshot(&mut self, rule: &Rule) -> Result<Vec<u8>, Fault> {
        let limits = rule.engine.limits();
        rule.engine.start_time(&mut self.store, limits.time);
        self.store.set_hostcall_fuel(limits.output_bytes);
        let snapshot = self.classifier.snapshot(&mut self.store);
        snapshot.map_err(|error| Fault::of(&error, limits))
    }

    fn restore(&mut self, rule: &Rule, snapshot: &[u8]) -> Result<Result<(), String>, Fault> {
        self.is_as_opened = false;
        let limits = rule.engine.limits();
        rule.engine.start_time(&mut self.store, limits.time);
        let restored = self.classifier.restore(&mut self.store, snapshot);
        restored.map_err(|error| Fault::of(&error, limits))
    }
}

fn check_time_is_left(deadline: Option<Instant>) -> Result<(), Interrupted> {
    if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
        let fault = Fault::Limit(LimitExceeded::Time { maximum: Duration::ZERO });
        return Err(Interrupted { fault, stage: Stage::Late });
    }
    Ok(())
}

/// The limits, with no more time than is left until the deadline.
fn limits_until(deadline: Option<Instant>, limits: &Limits) -> Limits {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    Limits { time: left.map_or(limits.time, |left| left.min(limits.time)), ..*limits }
}

/// What a rule used of its limits while it classified.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Use {
    /// Zero unless the run was [timed](Filter::run_timed): to look at the clock takes as long as a
    /// record.
    pub(crate) time: Duration,
    /// Linear memory that it took in addition to what it had.
    pub(crate) memory_bytes: usize,
    /// Linear memory that it had.
    pub(crate) memory_before: usize,
    pub(crate) output_bytes: usize,
}

/// A run of a rule that did not end with an outcome.
#[derive(Clone, Debug)]
pub(crate) struct Interrupted {
    pub(crate) fault: Fault,
    pub(crate) stage: Stage,
}

impl From<Interrupted> for Fault {
    fn from(interrupted: Interrupted) -> Self {
        interrupted.fault
    }
}

/// Where a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Before it began: the deadline has passed.
    Late,
    /// Before the rule was given the batch.
    Opening,
    /// At the batch.
    Classifying,
    /// At the deadline, before the rule's own time was up.
    CutShort,
}

impl Interrupted {
    fn new(fault: Fault, stage: Stage, limits: &Limits) -> Self {
        let stage = match fault {
            Fault::Limit(LimitExceeded::Time { maximum }) if maximum < limits.time => {
                Stage::CutShort
            }
            _ => stage,
        };
        Self { fault, stage }
    }
}

/// Why a rule could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It refused the settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// It failed.
    #[error("the rule cannot be opened: {0}")]
    Fault(#[from] Fault),
}

/// Why a state could not be taken over. The rule goes on as it was opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The rule says that it is none of its own, or damaged.
    #[error("the rule refuses the snapshot: {0}")]
    Refused(String),
    /// The rule failed.
    #[error("the snapshot cannot be restored: {0}")]
    Fault(#[from] Fault),
}

/// What a rule has against a settings document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    /// Where, as a JSON Pointer. Empty for the document as a whole.
    pub path: String,
    /// The value found there, as JSON. Empty where nothing was found.
    pub value: String,
    /// What the rule would have accepted there.
    pub expected: String,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, value, expected } = self;
        match path.as_str() {
            "" => write!(f, "settings: expected {expected}")?,
            path => write!(f, "setting {path}: expected {expected}")?,
        }
        if value.is_empty() { Ok(()) } else { write!(f, ", found {value}") }
    }
}

impl std::error::Error for SettingsError {}

impl From<rule::SettingsError> for SettingsError {
    fn from(error: rule::SettingsError) -> Self {
        Self { path: error.path, value: error.value, expected: error.expected }
    }
}
