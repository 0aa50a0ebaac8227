use std::fmt;
use std::iter;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Instant;

use crate::batch::Batch;
use crate::fault::Fault;
use crate::limits::Limits;
use crate::outcome::{MAX_REASON, Outcome};
use crate::printable::cut;
use crate::rule::{Description, Rule};
use crate::session::{Interrupted, OpenError, Session, Slot, Stage, Use, check_time_is_left};
use crate::slots::{self, try_lock};

/// A rule, opened with settings: it classifies batches.
///
/// Any number of threads can classify at once with a stateless rule: those for which the engine has no
/// room for an instance wait for one. A rule that keeps state has one
/// instance, and its batches wait for each other; a [`Keeper`](crate::state::Keeper) holds one for
/// each partition of a stream.
pub struct Filter {
    rule: Rule,
    settings: String,
    instances: Instances,
    /// Places for sessions that classify one batch after the other. A rule that keeps state has one; a
    /// stateless rule half as many as instances can live at once, if they are to be kept, or else none.
    places: Arc<[Place]>,
    /// Whether it serves in the place of another that may yet have it back.
    on_trial: AtomicBool,
}

/// A place for a session, locked while that is used. It is empty until the first batch, and again after
/// a fault: then the next batch opens a new session, and what the rule remembered is gone.
type Place = slots::Place<Box<Session>>;

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
    /// up; a batch on which it faulted runs in a fresh one. So is one that is idle, when all that the
    /// [engine](crate::Engine::max_instances) has room for are made and another is needed.
    Kept,
}

impl Rule {
    /// Opens the rule with a settings document, which is JSON.
    ///
    /// # Errors
    ///
    /// If the rule refuses the settings, or fails at being opened.
    pub fn open(&self, settings: &str) -> Result<Filter, OpenError> {
        let slot = self.engine.slot(None).map_err(Fault::from)?;
        let session = Session::open(slot, self, settings, None)?;
        let filter = Filter {
            rule: self.clone(),
            settings: settings.to_owned(),
            instances: Instances::default(),
            places: places(self, Instances::default()),
            on_trial: AtomicBool::new(false),
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
    /// is first used; but where this one keeps state and has seen nothing either, it takes over the
    /// session, which would take up room here for nothing.
    pub(crate) fn anew(&self) -> Self {
        let places = places(&self.rule, self.instances);
        if self.description().keeps_state
            && let Ok(mut place) = self.places[0].try_lock()
            && let Some(session) = place.take_if(|session| session.is_as_opened)
        {
            places[0].lock().unwrap_or_else(PoisonError::into_inner).replace(session);
        }
        let (rule, settings) = (self.rule.clone(), self.settings.clone());
        let on_trial = AtomicBool::new(self.is_on_trial());
        Self { rule, settings, instances: self.instances, places, on_trial }
    }

    /// Says whether it is on trial: then a state that it has no time for is left to the rule that may yet
    /// take its place back.
    pub(crate) fn set_on_trial(&self, on_trial: bool) {
        self.on_trial.store(on_trial, Ordering::Relaxed);
    }

    pub(crate) fn is_on_trial(&self) -> bool {
        self.on_trial.load(Ordering::Relaxed)
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

    /// Takes over a state that was [taken](Self::snapshot) from a rule of this name. Only the rule knows
    /// which versions of it and which settings it can go on from.
    ///
    /// # Errors
    ///
    /// If the rule refuses the snapshot or is at fault. Then it goes on as it was opened.
    pub fn restore(&self, snapshot: &[u8]) -> Result<(), RestoreError> {
        let restored = self.restore_until(snapshot, None).map_err(Fault::from)?;
        restored.map_err(RestoreError::Refused)
    }

    /// Does the same, or says why the rule refuses. It waits for room until the deadline, but is not
    /// cut short by it.
    pub(crate) fn restore_until(
        &self,
        snapshot: &[u8],
        deadline: Option<Instant>,
    ) -> Result<Result<(), String>, Interrupted> {
        if !self.description().keeps_state {
            return Ok(Err("the rule keeps no state".to_owned()));
        }
        let mut place = self.the_place();
        // What it has learnt until now does not count, whatever comes of the snapshot.
        let mut session = match place.take().filter(|session| session.is_as_opened) {
            Some(session) => session,
            None => self.uncut_session(deadline)?,
        };
        let restored = session.restore(&self.rule, snapshot);
        let restored =
            restored.map_err(|fault| Interrupted::new(fault, Stage::Classifying, self.limits()))?;
        // What a rule says to have left alone may still be half done: then its session is given up.
        if restored.is_ok() {
            *place = Some(session);
        }
        Ok(restored.map_err(|reason| cut(&reason, MAX_REASON)))
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
            None => self.uncut_session(deadline)?,
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
        self.open_session(self.rule.engine.slot(deadline)?, deadline)
    }

    /// A session that waits for room until the deadline, and then has all of its time.
    fn uncut_session(&self, deadline: Option<Instant>) -> Result<Box<Session>, Interrupted> {
        self.open_session(self.rule.engine.slot(deadline)?, None)
    }

    fn open_session(
        &self,
        slot: Slot,
        deadline: Option<Instant>,
    ) -> Result<Box<Session>, Interrupted> {
        Session::open(slot, &self.rule, &self.settings, deadline).map_err(|error| {
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
        self.places.iter().find_map(try_lock)
    }
}

fn places(rule: &Rule, instances: Instances) -> Arc<[Place]> {
    let keeps_state = rule.description().keeps_state;
    let count = match instances {
        _ if keeps_state => 1,
        Instances::Fresh => 0,
        // What else runs in the engine has the others.
        Instances::Kept => rule.engine.max_instances() / 2,
    };
    let places = iter::repeat_with(Place::default).take(count).collect();
    // What a rule remembers does not give way.
    if instances == Instances::Kept && !keeps_state {
        rule.engine.look_into(&places);
    }
    places
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").field("rule", &self.rule).finish_non_exhaustive()
    }
}

/// Why a state could not be taken over. The rule goes on as it was opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The rule says that it is none of its own, or damaged: its reason, cut after 1000 characters.
    #[error("the rule refuses the snapshot: {0}")]
    Refused(String),
    /// The rule failed.
    #[error("the snapshot cannot be restored: {0}")]
    Fault(#[from] Fault),
}
