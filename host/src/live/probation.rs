//! A rule that took over, watched: what it does wrong and the rule before it does not.

use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::agreement::Judgement;
use super::policy::{UpdatePolicy, allowed};
use super::queue::{Sample, Samples, wrong};
use crate::filter::Filter;
use crate::outcome::Outcome;

/// What a rule on probation does wrong on records that the one before it can classify.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Troubles {
    /// The records that it has been given.
    pub records: u64,
    /// The batches on which it faulted or ran out of time.
    pub faults: u64,
    /// The records that it failed.
    pub failures: u64,
    /// What it said or did the first time.
    pub first: Option<String>,
    /// The batches that the rule before it was not given, as it could not keep up: they count for
    /// nothing.
    pub skipped_batches: u64,
}

/// What probation leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Keep(String),
    RollBack(String),
}

/// Watches a rule until `end`, with the one before it to compare with; what waits then is still
/// compared. None if it serves no more
/// before that.
pub(super) fn run(
    last_good: &Filter,
    samples: &Samples,
    troubles: &Mutex<Troubles>,
    policy: &UpdatePolicy,
    end: Instant,
) -> Option<Decision> {
    loop {
        let sample = samples.next_until(end);
        let found = sample.as_ref().map(|sample| compare(last_good, sample)).unwrap_or_default();
        let mut troubles = troubles.lock().unwrap_or_else(PoisonError::into_inner);
        troubles.add(found);
        troubles.records = samples.records();
        (troubles.skipped_batches, _) = samples.skipped();
        match sample {
            Ok(_) if troubles.exceed(policy) => {
                return Some(Decision::RollBack(troubles.to_string()));
            }
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => return Some(Decision::Keep(troubles.to_string())),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

/// What is wrong with a batch, and not wrong when the rule before classifies it.
fn compare(last_good: &Filter, sample: &Sample) -> Troubles {
    let (before, _) = sample.again(last_good);
    let fault = wrong(&sample.classified).filter(|_| wrong(&before).is_none());
    let outcome = &sample.classified.outcome;
    let failed = failed_only_by(outcome, &before.outcome);
    let reason = |index| outcome.failed.iter().find(|failure| failure.index == index);
    let first = failed.first().and_then(|index| reason(*index));
    Troubles {
        faults: fault.is_some().into(),
        failures: failed.len() as u64,
        first: fault.or_else(|| first.map(|failure| failure.reason.clone())),
        ..Troubles::default()
    }
}

/// The records that fail, and do not in another outcome.
fn failed_only_by(outcome: &Outcome, other: &Outcome) -> Vec<usize> {
    let fails = |judgement| matches!(judgement, Judgement::Fail(_));
    let both = Judgement::all(outcome).zip(Judgement::all(other)).enumerate();
    both.filter(|&(_, (one, other))| fails(one) && !fails(other)).map(|(index, _)| index).collect()
}

impl Troubles {
    fn add(&mut self, more: Self) {
        self.faults += more.faults;
        self.failures += more.failures;
        self.first = self.first.take().or(more.first);
    }

    /// Whether it is more than a policy bears.
    fn exceed(&self, policy: &UpdatePolicy) -> bool {
        let records = self.records.max(UpdatePolicy::LEAST_RECORDS);
        self.faults > policy.rollback_faults
            || self.failures > allowed(policy.rollback_failures, records)
    }
}

impl std::fmt::Display for Troubles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { records, faults, failures, first, skipped_batches } = self;
        write!(
            f,
            "of {records} records it failed {failures} that the rule before it does not, and it \
             faulted on {faults} batches"
        )?;
        if let Some(first) = first {
            write!(f, ", first: {first}")?;
        }
        if *skipped_batches > 0 {
            write!(f, "; {skipped_batches} batches skipped")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_failures_of_a_few_records_say_nothing() {
        let policy = UpdatePolicy::default();
        let troubles = |records, failures| Troubles { records, failures, ..Troubles::default() };
        assert!(!troubles(1, 1).exceed(&policy));
        assert!(troubles(2, 2).exceed(&policy));
        assert!(!troubles(1000, 10).exceed(&policy));
        assert!(troubles(1000, 11).exceed(&policy));
    }

    #[test]
    fn as_many_faults_are_borne_as_the_policy_says() {
        let policy = UpdatePolicy { rollback_faults: 2, ..UpdatePolicy::default() };
        let troubles = |faults| Troubles { faults, ..Troubles::default() };
        assert!(!troubles(2).exceed(&policy));
        assert!(troubles(3).exceed(&policy));
    }
}
