//! One instance of a rule, from its opening to the last batch that it classifies.

use std::fmt;
use std::time::{Duration, Instant};

use wasmtime::Store;

use crate::batch::Batch;
use crate::bindings::rule;
use crate::exports::Classifier;
use crate::fault::Fault;
use crate::limits::{LimitExceeded, Limits, Meter};
use crate::outcome::{MAX_REASON, Outcome};
use crate::printable::cut;
use crate::rule::Rule;
use crate::slots::{self, NoSlot};

/// A batch of more bytes of payloads is handed to a stateless rule in several calls. So an instance
/// needs little memory however large the batch is, and what it reads and writes stays in the
/// processor's caches. A call more costs what a record or two do, or what it takes to clear a page or two of
/// a fresh instance's memory.
const PART_BYTES: usize = 64 << 10;

/// Room for one session.
pub(crate) type Slot = slots::Slot<Box<Session>>;

/// One instance of a rule with one open classifier in it.
pub(crate) struct Session {
    store: Store<Meter>,
    classifier: Classifier,
    /// Whether it has neither seen a batch nor taken over a state.
    pub(crate) is_as_opened: bool,
    /// The last to be dropped.
    _slot: Slot,
}

impl Session {
    pub(crate) fn open(
        slot: Slot,
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
        Ok(Box::new(Self { store, classifier, is_as_opened: true, _slot: slot }))
    }

    /// Whether it uses so little memory that it will not soon exceed its limit.
    pub(crate) fn is_small(&self, limits: &Limits) -> bool {
        self.store.data().memory_bytes <= limits.memory_bytes / 2
    }

    /// Classifies a batch, into an empty outcome, which means nothing if it is interrupted.
    pub(crate) fn classify(
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
            // Mostly it is the only one, and its outcome that of the batch.
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

    /// Classifies some of the records, in what is left of the time and of the output. Their outcome is
    /// apart from that of others, whose details have other indices.
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

    pub(crate) fn snapshot(&mut self, rule: &Rule) -> Result<Vec<u8>, Fault> {
        let limits = rule.engine.limits();
        rule.engine.start_time(&mut self.store, limits.time);
        self.store.set_hostcall_fuel(limits.output_bytes);
        let snapshot = self.classifier.snapshot(&mut self.store);
        snapshot.map_err(|error| Fault::of(&error, limits))
    }

    pub(crate) fn restore(
        &mut self,
        rule: &Rule,
        snapshot: &[u8],
    ) -> Result<Result<(), String>, Fault> {
        self.is_as_opened = false;
        let limits = rule.engine.limits();
        rule.engine.start_time(&mut self.store, limits.time);
        let restored = self.classifier.restore(&mut self.store, snapshot);
        restored.map_err(|error| Fault::of(&error, limits))
    }
}

pub(crate) fn check_time_is_left(deadline: Option<Instant>) -> Result<(), Interrupted> {
    if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
        return Err(Interrupted::late());
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
    /// Zero unless the run was [timed](crate::filter::Filter::run_timed): to look at the clock takes as long as a
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
    /// Before it began: no instance could be made, because all that the engine has room for are kept.
    NoRoom,
    /// Before the rule was given the batch.
    Opening,
    /// At the batch, or at a snapshot.
    Classifying,
    /// At the deadline, before the rule's own time was up.
    CutShort,
}

impl From<NoSlot> for Interrupted {
    fn from(why: NoSlot) -> Self {
        match why {
            NoSlot::Late => Self::late(),
            NoSlot::AllKept(instances) => {
                Self { fault: Fault::NoRoom { instances }, stage: Stage::NoRoom }
            }
        }
    }
}

impl From<NoSlot> for Fault {
    fn from(why: NoSlot) -> Self {
        Interrupted::from(why).fault
    }
}

impl Stage {
    /// Whether an instance of the rule was there to be given up.
    pub(crate) fn has_run(self) -> bool {
        !matches!(self, Self::Late | Self::NoRoom)
    }
}

impl Interrupted {
    fn late() -> Self {
        let fault = Fault::Limit(LimitExceeded::Time { maximum: Duration::ZERO });
        Self { fault, stage: Stage::Late }
    }

    pub(crate) fn new(fault: Fault, stage: Stage, limits: &Limits) -> Self {
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
#[non_exhaustive]
pub enum OpenError {
    /// It refused the settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// It failed.
    #[error("the rule cannot be opened: {0}")]
    Fault(#[from] Fault),
}

/// What a rule has against a settings document, each part cut after 1000 characters.
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
        let [path, value, expected] =
            [error.path, error.value, error.expected].map(|text| cut(&text, MAX_REASON));
        Self { path, value, expected }
    }
}
