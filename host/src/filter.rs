use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use wasmtime::Store;
use wasmtime::component::ResourceAny;

use crate::batch::Batch;
use crate::bindings::rule;
use crate::exports::Exported;
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
    /// The sessions that classify the next batches: of a rule that keeps state there is one. It is
    /// empty after a fault: then the next batch opens a new one, and what the rule remembered is
    /// gone.
    idle: Mutex<Vec<Session>>,
}

/// A batch of more bytes of payloads is handed to a stateless rule in several calls. So an instance
/// needs little memory however large the batch is, and what it reads and writes stays in the
/// processor's caches. A call more costs what a few records do.
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
    /// An instance that faults, or has come to use half of the memory that it may, is given up; a
    /// batch on which it faulted runs in a fresh one.
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
        let kept = self.description().keeps_state.then_some(session);
        Ok(Filter {
            rule: self.clone(),
            settings: settings.to_owned(),
            instances: Instances::default(),
            idle: Mutex::new(kept.into_iter().collect()),
        })
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
            idle: Mutex::default(),
        }
    }

    /// Sets which instances classify. It says nothing to a rule that keeps state.
    pub fn instances(mut self, instances: Instances) -> Self {
        self.instances = instances;
        self
    }

    /// Classifies a batch.
    ///
    /// # Errors
    ///
    /// If the rule is at fault: it ran into a limit, trapped, or broke its contract. Then no record
    /// of the batch has a verdict.
    pub fn classify(&self, batch: &Batch) -> Result<Outcome, Fault> {
        let (outcome, _) = self.run(batch, None)?;
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
        // What it has learnt until now does not count, whatever comes of the snapshot.
        self.idle().retain(|session| session.is_as_opened);
        let restored = self.in_order(None, |session| session.restore(&self.rule, snapshot))?;
        // What a rule says to have left alone may still be half done.
        restored.map_err(|reason| {
            self.idle().clear();
            RestoreError::Refused(reason)
        })
    }

    /// Has the one session of a rule that keeps state do something, unless the deadline has passed. A
    /// fault is the end of it.
    fn in_order<T, E: From<Interrupted>>(
        &self,
        deadline: Option<Instant>,
        work: impl FnOnce(&mut Session) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut idle = self.idle();
        check_time_is_left(deadline)?;
        let mut session = match idle.pop() {
            Some(session) => session,
            None => self.session(None)?,
        };
        let done = work(&mut session)?;
        idle.push(session);
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
        if self.description().keeps_state {
            return self.in_order(deadline, |session| session.classify(&self.rule, batch, None));
        }
        if self.instances == Instances::Fresh {
            return self.run_afresh(batch, deadline);
        }
        check_time_is_left(deadline)?;
        let kept = self.idle().pop();
        let is_fresh = kept.is_none();
        let mut session = match kept {
            Some(session) => session,
            None => self.session(deadline)?,
        };
        match session.classify(&self.rule, batch, deadline) {
            Ok(classified) => {
                self.keep(session);
                Ok(classified)
            }
            // It may be for what earlier batches left behind.
            Err(Interrupted { stage: Stage::Classifying, .. }) if !is_fresh => {
                self.run_afresh(batch, deadline)
            }
            Err(interrupted) => Err(interrupted),
        }
    }

    /// Runs a stateless rule on a batch in a fresh instance, until the deadline at the latest.
    pub(crate) fn run_afresh(
        &self,
        batch: &Batch,
        deadline: Option<Instant>,
    ) -> Result<(Outcome, Use), Interrupted> {
        check_time_is_left(deadline)?;
        let mut session = self.session(deadline)?;
        let started = Instant::now();
        let (outcome, used) = session.classify(&self.rule, batch, deadline)?;
        Ok((outcome, Use { time: started.elapsed(), ..used }))
    }

    /// Keeps a session for the next batch, unless it holds so much that it would soon exceed its
    /// memory.
    fn keep(&self, session: Session) {
        if session.store.data().memory_bytes <= self.limits().memory_bytes / 2 {
            self.idle().push(session);
        }
    }

    fn session(&self, deadline: Option<Instant>) -> Result<Session, Interrupted> {
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

    /// A session is taken out of the lock while it is used, so a panic leaves nothing half done.
    fn idle(&self) -> MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").field("rule", &self.rule).finish_non_exhaustive()
    }
}

/// One instance of a rule with one open classifier in it.
struct Session {
    store: Store<Meter>,
    exported: Exported,
    classifier: ResourceAny,
    /// Whether it has neither seen a batch nor taken over a state.
    is_as_opened: bool,
}

impl Session {
    fn open(rule: &Rule, settings: &str, deadline: Option<Instant>) -> Result<Self, OpenError> {
        let limits = limits_until(deadline, rule.engine.limits());
        let mut store = rule.engine.store();
        rule.engine.start_time(&mut store, limits.time);
        let opened = rule.exports.instantiate(&mut store).and_then(|exported| {
            let opened = rule.exports.open(&mut store, &exported, settings)?;
            Ok((exported, opened))
        });
        let (exported, opened) =
            opened.map_err(|error| OpenError::Fault(Fault::of(&error, &limits)))?;
        let classifier = opened.map_err(SettingsError::from)?;
        Ok(Self { store, exported, classifier, is_as_opened: true })
    }

    fn classify(
        &mut self,
        rule: &Rule,
        batch: &Batch,
        deadline: Option<Instant>,
    ) -> Result<(Outcome, Use), Interrupted> {
        let interrupted = |fault| Interrupted::new(fault, Stage::Classifying, rule.engine.limits());
        self.is_as_opened = false;
        let memory_before = self.store.data().memory_bytes;
        let limits = limits_until(deadline, rule.engine.limits());
        let part_bytes = if rule.description().keeps_state { usize::MAX } else { PART_BYTES };
        rule.engine.start_time(&mut self.store, limits.time);
        let mut outcome: Option<Outcome> = None;
        let (mut ends, mut output_bytes) = (Vec::new(), 0);
        for part in batch.parts(part_bytes) {
            let answer = self
                .classify_part(rule, batch.lowered(part, &mut ends), output_bytes, &limits)
                .map_err(interrupted)?;
            output_bytes += answer.bytes();
            match &mut outcome {
                None => outcome = Some(answer),
                Some(outcome) => outcome.append(answer),
            }
        }
        let used = Use {
            time: Duration::ZERO,
            memory_bytes: self.store.data().memory_bytes - memory_before,
            memory_before,
            output_bytes,
        };
        Ok((outcome.unwrap_or_default(), used))
    }

    /// Classifies some of the records, in what is left of the time and of the output.
    fn classify_part(
        &mut self,
        rule: &Rule,
        part: rule::Batch<'_>,
        output_bytes: usize,
        limits: &Limits,
    ) -> Result<Outcome, Fault> {
        let records = part.payloads.ends.len();
        // Together, rewritten payloads are divided by 32-bit numbers as well.
        let maximum = limits.output_bytes.min(Batch::MAX_BYTES);
        self.store.set_hostcall_fuel(maximum.saturating_sub(output_bytes));
        let answer = self
            .exported
            .classify(&mut self.store, self.classifier, part)
            .map_err(|error| Fault::of(&error, limits))?;
        Outcome::check(answer, records, rule.description().rewrites).map_err(Fault::Contract)
    }

    fn snapshot(&mut self, rule: &Rule) -> Result<Vec<u8>, Fault> {
        let limits = rule.engine.limits();
        rule.engine.start_time(&mut self.store, limits.time);
        let snapshot = rule
            .exports
            .snapshot(&mut self.store, &self.exported, self.classifier)
            .map_err(|error| Fault::of(&error, limits))?;
        let maximum = limits.output_bytes;
        if snapshot.len() > maximum {
            return Err(Fault::Limit(LimitExceeded::Output { maximum }));
        }
        Ok(snapshot)
    }

    fn restore(&mut self, rule: &Rule, snapshot: &[u8]) -> Result<Result<(), String>, Fault> {
        self.is_as_opened = false;
        let limits = rule.engine.limits();
        rule.engine.start_time(&mut self.store, limits.time);
        rule.exports
            .restore(&mut self.store, &self.exported, self.classifier, snapshot)
            .map_err(|error| Fault::of(&error, limits))
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
    /// Zero unless the instance was [fresh](Filter::run_afresh): to look at the clock takes as long
    /// as a record, and nobody asks.
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
