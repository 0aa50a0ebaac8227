use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wasmtime::Store;
use wasmtime::component::ResourceAny;

use crate::batch::Batch;
use crate::bindings::{self, rule};
use crate::fault::Fault;
use crate::limits::Limits;
use crate::outcome::Outcome;
use crate::rule::{Description, Rule};

/// A rule, opened with settings: it classifies batches.
///
/// Every batch of a stateless rule runs in a fresh instance, so any number of threads can classify
/// at once. A rule that keeps state has one instance, and its batches wait for each other.
pub struct Filter {
    rule: Rule,
    settings: String,
    /// The one session of a rule that keeps state. Empty after a fault: the next batch opens a new
    /// one, and what the rule remembered is gone.
    kept: Mutex<Option<Session>>,
}

impl Rule {
    /// Opens the rule with a settings document, which is JSON.
    ///
    /// # Errors
    ///
    /// If the rule refuses the settings, or fails at being opened.
    pub fn open(&self, settings: &str) -> Result<Filter, OpenError> {
        let session = Session::open(self, settings)?;
        let kept = self.description().keeps_state.then_some(session);
        Ok(Filter { rule: self.clone(), settings: settings.to_owned(), kept: Mutex::new(kept) })
    }
}

impl Filter {
    /// What the opened rule says of itself.
    pub fn description(&self) -> &Description {
        self.rule.description()
    }

    /// Classifies a batch.
    ///
    /// # Errors
    ///
    /// If the rule is at fault: it ran into a limit, trapped, or broke its contract. Then no record
    /// of the batch has a verdict.
    pub fn classify(&self, batch: &Batch) -> Result<Outcome, Fault> {
        self.classify_within(batch, self.limits().time)
    }

    /// The same, in as much time.
    pub(crate) fn classify_within(&self, batch: &Batch, time: Duration) -> Result<Outcome, Fault> {
        if !self.description().keeps_state {
            return self.session()?.classify(&self.rule, batch, time);
        }
        let mut kept = self.kept();
        let mut session = match kept.take() {
            Some(session) => session,
            None => self.session()?,
        };
        let outcome = session.classify(&self.rule, batch, time)?;
        *kept = Some(session);
        Ok(outcome)
    }

    /// What the rule runs within.
    pub(crate) fn limits(&self) -> &Limits {
        self.rule.engine.limits()
    }

    fn session(&self) -> Result<Session, Fault> {
        Session::open(&self.rule, &self.settings).map_err(|error| match error {
            OpenError::Fault(fault) => fault,
            OpenError::Settings(error) => {
                Fault::Contract(format!("it refused settings that it had accepted: {error}"))
            }
        })
    }

    /// A session is taken out of the lock while it is used, so a panic leaves nothing half done.
    fn kept(&self) -> MutexGuard<'_, Option<Session>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").field("rule", &self.rule).finish_non_exhaustive()
    }
}

/// One instance of a rule with one open classifier in it.
struct Session {
    store: Store<Limits>,
    instance: bindings::Filter,
    classifier: ResourceAny,
}

impl Session {
    fn open(rule: &Rule, settings: &str) -> Result<Self, OpenError> {
        let fault = |error| OpenError::Fault(Fault::of(&error, rule.engine.limits()));
        let mut store = rule.engine.store();
        let instance = rule.component.instantiate(&mut store).map_err(fault)?;
        rule.engine.start_time(&mut store, rule.engine.limits().time);
        let classifier = instance
            .weir_filter_rule()
            .classifier()
            .call_open(&mut store, settings)
            .map_err(fault)?
            .map_err(SettingsError::from)?;
        Ok(Self { store, instance, classifier })
    }

    fn classify(&mut self, rule: &Rule, batch: &Batch, time: Duration) -> Result<Outcome, Fault> {
        rule.engine.start_time(&mut self.store, time);
        let answer = self
            .instance
            .weir_filter_rule()
            .classifier()
            .call_classify(&mut self.store, self.classifier, &batch.0)
            .map_err(|error| Fault::of(&error, rule.engine.limits()))?;
        let may_rewrite = rule.description().rewrites;
        Outcome::check(answer, batch.len(), may_rewrite).map_err(Fault::Contract)
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
