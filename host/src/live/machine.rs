use std::collections::HashSet;
use std::error::Error;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::agreement::Agreement;
use super::offer::{Offer, Stage};
use super::policy::UpdatePolicy;
use super::probation::{self, Troubles};
use super::queue::{Feed, Interest, queue};
use super::serving::Serving;
use super::shadow;
use super::transition::Transition;
use crate::batch::{Batch, Encoding};
use crate::digest::Digest;
use crate::fault::Fault;
use crate::filter::Filter;
use crate::telemetry;
use crate::window::LONGEST_WINDOW;

/// The stages of a rule's life, and what leads from one to the next.
pub(super) struct Machine {
    /// What the next batch takes. Batches wait for nothing else here.
    serving: ArcSwap<Serving>,
    policy: UpdatePolicy,
    /// Held by whoever changes something.
    progress: Mutex<Progress>,
    /// For the threads of trials: they do not keep the rule alive.
    this: Weak<Self>,
}

#[derive(Default)]
struct Progress {
    trial: Option<Trial>,
    /// How many trials have begun: the decision of an earlier one counts for nothing.
    trials: u64,
    refused: HashSet<Version>,
}

impl Progress {
    /// The candidate in shadow that is to serve if it agrees.
    fn undecided(&self) -> Option<&Filter> {
        match &self.trial {
            Some(Trial::Shadow(Shadow { candidate, decides: true, .. })) => Some(candidate),
            _ => None,
        }
    }
}

/// What is tried, on a thread of its own.
enum Trial {
    Shadow(Shadow),
    Probation(Probation),
}

struct Shadow {
    candidate: Arc<Filter>,
    agreement: Arc<Mutex<Agreement>>,
    /// Whether it is to serve if it agrees.
    decides: bool,
    thread: JoinHandle<()>,
}

struct Probation {
    last_good: Arc<Filter>,
    troubles: Arc<Mutex<Troubles>>,
}

/// What makes two opened rules the same: the component and the settings.
type Version = (Digest, String);

fn version(filter: &Filter) -> Version {
    (filter.rule().digest(), filter.settings().to_owned())
}

impl Machine {
    pub(super) fn start(filter: Filter, policy: UpdatePolicy) -> Arc<Self> {
        telemetry::serves(filter.rule());
        let serving = ArcSwap::from_pointee(Serving::new(Arc::new(filter), None));
        Arc::new_cyclic(|this| Self {
            serving,
            policy,
            progress: Mutex::default(),
            this: this.clone(),
        })
    }

    pub(super) fn serving(&self) -> Arc<Serving> {
        self.serving.load_full()
    }

    pub(super) fn offer(&self, candidate: Arc<Filter>) -> Offer {
        let mut progress = self.progress();
        let offered = version(&candidate);
        // Whatever becomes of the offer, what is tried no longer stands where offers come from.
        if let Some(tried) = progress.undecided()
            && version(tried) != offered
        {
            let why = match offered == version(&self.serving().filter) {
                true => "the serving rule was offered again",
                false => "another rule was offered",
            };
            self.withdraw_for(&mut progress, why);
        }
        if let Some(known) = self.known(&mut progress, &offered) {
            return known;
        }
        if let Some(refused) = self.probe(&mut progress, &candidate) {
            return refused;
        }
        if self.policy.promote_after > 0 {
            return self.begin_shadow(&mut progress, candidate, true);
        }
        self.withdraw_for(&mut progress, "another rule was offered");
        self.switch(&mut progress, candidate, &Transition::Switched)
    }

    pub(super) fn shadow(&self, candidate: Arc<Filter>) -> Offer {
        let mut progress = self.progress();
        if matches!(progress.trial, Some(Trial::Probation(_))) {
            return Offer::Later;
        }
        if let Some(refused) = self.probe(&mut progress, &candidate) {
            return refused;
        }
        self.begin_shadow(&mut progress, candidate, false)
    }

    pub(super) fn withdraw(&self) -> Option<Agreement> {
        let mut progress = self.progress();
        let trial = progress.trial.take_if(|trial| matches!(trial, Trial::Shadow(_)));
        let Some(Trial::Shadow(shadow)) = trial else { return None };
        let serving = self.serving();
        self.serve(Arc::clone(&serving.filter), None);
        drop(progress);
        Transition::Withdrawn("it was to run no longer".to_owned())
            .record(&shadow.candidate, &serving.filter);
        // With the last batch that goes in there, the thread comes to its end.
        drop(serving);
        // It panics in nothing that it does not report itself.
        let _ = shadow.thread.join();
        Some(lock(&shadow.agreement).clone())
    }

    pub(super) fn withdraw_undecided(&self, why: &str) {
        let mut progress = self.progress();
        if progress.undecided().is_some() {
            self.withdraw_for(&mut progress, why);
        }
    }

    pub(super) fn swap(&self, filter: Arc<Filter>) {
        let mut progress = self.progress();
        let old = self.serving();
        progress.trial = None;
        self.serve(Arc::clone(&filter), None);
        telemetry::served(old.rule());
        telemetry::serves(filter.rule());
        Transition::Switched.record(&filter, &filter);
    }

    pub(super) fn stage(&self) -> Stage {
        match &self.progress().trial {
            None => Stage::Serving,
            Some(Trial::Shadow(Shadow { candidate, agreement, .. })) => Stage::Shadow {
                candidate: candidate.rule().digest(),
                agreement: lock(agreement).clone(),
            },
            Some(Trial::Probation(Probation { last_good, troubles, .. })) => Stage::Probation {
                last_good: last_good.rule().digest(),
                troubles: lock(troubles).clone(),
            },
        }
    }

    /// What is to be said of a candidate without running it, if anything.
    fn known(&self, progress: &mut Progress, offered: &Version) -> Option<Offer> {
        if progress.refused.contains(offered) {
            return Some(Offer::RefusedBefore);
        }
        if *offered == version(&self.serving().filter) {
            return Some(Offer::Known);
        }
        match &progress.trial {
            Some(Trial::Shadow(Shadow { decides: true, .. })) => Some(Offer::Known),
            Some(Trial::Probation(probation)) if version(&probation.last_good) == *offered => {
                self.roll_back(progress, "the rule before it was offered again");
                Some(Offer::Serves)
            }
            Some(Trial::Probation(_)) => Some(Offer::Later),
            _ => None,
        }
    }

    /// Has a candidate classify nothing. What faults on that is refused, unless it did not run.
    fn probe(&self, progress: &mut Progress, candidate: &Arc<Filter>) -> Option<Offer> {
        let fault = candidate.classify(&Batch::with_capacity(Encoding::Plain, 0, 0)).err()?;
        if let Fault::NoRoom { .. } = fault {
            return Some(not_begun(candidate, &fault));
        }
        let reason = format!("on a batch without records, {fault}");
        self.refuse(progress, candidate, reason.clone());
        Some(Offer::Refused(reason))
    }

    fn begin_shadow(
        &self,
        progress: &mut Progress,
        candidate: Arc<Filter>,
        decides: bool,
    ) -> Offer {
        self.withdraw_for(progress, "another rule was offered");
        let serving = self.serving();
        let agreement = Arc::new(Mutex::new(Agreement::default()));
        let (feed, samples) = queue(Interest::All);

        let policy = decides.then(|| self.policy.clone());
        let (filter, shared) = (Arc::clone(&candidate), Arc::clone(&agreement));
        let run = move || shadow::run(&filter, &samples, &shared, policy.as_ref());
        let panicked = shadow::Decision::Refuse("the host panicked when it ran it".to_owned());
        let begun = self.begin(progress, "weir-shadow", run, panicked, Self::compared);
        let thread = match begun {
            Ok(thread) => thread,
            Err(error) => return not_begun(&candidate, &error),
        };
        self.serve(Arc::clone(&serving.filter), Some(feed));
        Transition::Shadowed.record(&candidate, &serving.filter);
        let shadow = Shadow { candidate, agreement, decides, thread };
        progress.trial = Some(Trial::Shadow(shadow));
        Offer::Shadows
    }

    /// Has a candidate take over, with the rule before it ready.
    fn switch(
        &self,
        progress: &mut Progress,
        candidate: Arc<Filter>,
        transition: &Transition,
    ) -> Offer {
        let last_good = Arc::clone(&self.serving().filter);
        let window = self.policy.rollback_window.min(LONGEST_WINDOW);
        let mut feed = None;
        if !window.is_zero() {
            match self.begin_probation(progress, &last_good, window) {
                Ok(begun) => feed = Some(begun),
                Err(error) => return not_begun(&candidate, &error),
            }
            candidate.set_on_trial(true);
        }
        self.serve(Arc::clone(&candidate), feed);
        telemetry::served(last_good.rule());
        telemetry::serves(candidate.rule());
        transition.record(&candidate, &candidate);
        Offer::Serves
    }

    fn begin_probation(
        &self,
        progress: &mut Progress,
        last_good: &Arc<Filter>,
        window: Duration,
    ) -> io::Result<Feed> {
        let troubles = Arc::new(Mutex::new(Troubles::default()));
        let (feed, samples) = queue(Interest::Failed);
        let end = Instant::now() + window;

        let policy = self.policy.clone();
        let (filter, shared) = (Arc::clone(last_good), Arc::clone(&troubles));
        let run = move || probation::run(&filter, &samples, &shared, &policy, end);
        let panicked = probation::Decision::RollBack("the host panicked when it compared".into());
        self.begin(progress, "weir-probation", run, panicked, Self::watched)?;
        let probation = Probation { last_good: Arc::clone(last_good), troubles };
        progress.trial = Some(Trial::Probation(probation));
        Ok(feed)
    }

    /// Begins a trial on a thread of its own, that ends with a decision or with its feed.
    fn begin<D: Send + 'static>(
        &self,
        progress: &mut Progress,
        name: &str,
        run: impl FnOnce() -> Option<D> + Send + 'static,
        panicked: D,
        decided: fn(&Self, u64, D),
    ) -> io::Result<JoinHandle<()>> {
        let this = Weak::clone(&self.this);
        let number = progress.trials + 1;
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let decision = catch_unwind(AssertUnwindSafe(run)).unwrap_or(Some(panicked));
            if let (Some(machine), Some(decision)) = (this.upgrade(), decision) {
                decided(&machine, number, decision);
            }
        })?;
        progress.trials = number;
        Ok(thread)
    }

    /// The end of a shadow.
    fn compared(&self, number: u64, decision: shadow::Decision) {
        let mut progress = self.progress();
        let progress = &mut *progress;
        let ended = progress.trial.take_if(|_| progress.trials == number);
        let Some(Trial::Shadow(Shadow { candidate, .. })) = ended else { return };
        let serving = self.serving();
        match decision {
            shadow::Decision::Promote(why) => {
                let promoted = Transition::Promoted(why);
                if self.switch(progress, candidate, &promoted) == Offer::Later {
                    self.serve(Arc::clone(&serving.filter), None);
                }
            }
            shadow::Decision::Refuse(why) => {
                self.serve(Arc::clone(&serving.filter), None);
                self.refuse(progress, &candidate, why);
            }
        }
    }

    /// The end of a probation.
    fn watched(&self, number: u64, decision: probation::Decision) {
        let mut progress = self.progress();
        if progress.trials != number || progress.trial.is_none() {
            return;
        }
        match decision {
            probation::Decision::Keep(why) => {
                progress.trial = None;
                let filter = Arc::clone(&self.serving().filter);
                filter.set_on_trial(false);
                self.serve(Arc::clone(&filter), None);
                Transition::Proven(why).record(&filter, &filter);
            }
            probation::Decision::RollBack(why) => {
                let bad = version(&self.serving().filter);
                progress.refused.insert(bad);
                let why = format!("{why}; a host that is started anew does not know of it");
                self.roll_back(&mut progress, &why);
            }
        }
    }

    /// Gives the rule before its place back.
    fn roll_back(&self, progress: &mut Progress, why: &str) {
        let Some(Trial::Probation(probation)) = progress.trial.take() else { return };
        let last_good = probation.last_good;
        let bad = self.serving();
        self.serve(Arc::clone(&last_good), None);
        telemetry::served(bad.rule());
        telemetry::serves(last_good.rule());
        Transition::RolledBack(why.to_owned()).record(&bad.filter, &last_good);
    }

    fn refuse(&self, progress: &mut Progress, candidate: &Filter, why: String) {
        progress.refused.insert(version(candidate));
        Transition::Refused(why).record(candidate, &self.serving().filter);
    }

    /// Ends the shadow, if there is one. Its thread does what it was given, for nothing.
    fn withdraw_for(&self, progress: &mut Progress, why: &str) {
        if let Some(Trial::Shadow(shadow)) =
            progress.trial.take_if(|trial| matches!(trial, Trial::Shadow(_)))
        {
            let serving = self.serving();
            self.serve(Arc::clone(&serving.filter), None);
            Transition::Withdrawn(why.to_owned()).record(&shadow.candidate, &serving.filter);
        }
    }

    /// From the next batch on.
    fn serve(&self, filter: Arc<Filter>, feed: Option<Feed>) {
        self.serving.store(Arc::new(Serving::new(filter, feed)));
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        lock(&self.progress)
    }
}

/// A trial needs a thread, and an instance.
fn not_begun(candidate: &Filter, error: &dyn Error) -> Offer {
    let rule = candidate.rule();
    tracing::error!(rule = rule.description().name, digest = %rule.digest(), %error,
        "the rule cannot be tried now");
    Offer::Later
}

/// Whoever panicked left nothing half done that matters more than going on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
