//! A candidate beside the serving rule: it classifies the same records, and nobody is told.

use std::sync::{Mutex, PoisonError};

use super::agreement::Agreement;
use super::policy::{UpdatePolicy, allowed};
use super::queue::{Sample, Samples, wrong};
use crate::filter::Filter;
use crate::telemetry;

/// What a candidate's agreement with the serving rule leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Promote(String),
    Refuse(String),
}

/// Runs the candidate on what the serving rule has classified, until the policy decides what becomes
/// of it. None if there is nothing more to run it on.
pub(super) fn run(
    candidate: &Filter,
    samples: &Samples,
    agreement: &Mutex<Agreement>,
    policy: Option<&UpdatePolicy>,
) -> Option<Decision> {
    while let Some(sample) = samples.next() {
        let of_batch = compare(candidate, &sample);
        telemetry::compared(&of_batch);
        let mut agreement = agreement.lock().unwrap_or_else(PoisonError::into_inner);
        agreement.add(of_batch);
        (agreement.skipped_batches, agreement.skipped_records) = samples.skipped();
        if let Some(decision) = policy.and_then(|policy| decide(&agreement, policy)) {
            return Some(decision);
        }
    }
    None
}

/// Has the candidate classify a batch, and compares.
fn compare(candidate: &Filter, sample: &Sample) -> Agreement {
    let (classified, candidate_time) = sample.again(candidate);
    let mut agreement = Agreement::of(&sample.classified.outcome, &classified.outcome);
    agreement.serving_time = sample.elapsed;
    agreement.candidate_time = candidate_time;
    if wrong(&sample.classified).is_none() {
        agreement.first_fault = wrong(&classified);
        agreement.faults = agreement.first_fault.is_some().into();
    }
    agreement
}

/// A candidate is refused as soon as it cannot be promoted any more.
fn decide(agreement: &Agreement, policy: &UpdatePolicy) -> Option<Decision> {
    let UpdatePolicy { promote_after, max_difference, .. } = *policy;
    if agreement.faults > 0 {
        return Some(Decision::Refuse(format!(
            "it faults, the serving rule does not: {agreement}"
        )));
    }
    if agreement.differing() > allowed(max_difference, agreement.records.max(promote_after)) {
        let percent = 100.0 * max_difference;
        return Some(Decision::Refuse(format!("it may differ on {percent} %: {agreement}")));
    }
    let compared = agreement.records >= promote_after;
    compared.then(|| Decision::Promote(agreement.to_string()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::live::{Difference, Judgement};

    /// An agreement on so many records, of which the candidate drops some.
    fn agreement(records: u64, dropped: u64) -> Agreement {
        let difference = Difference { records: dropped, first: 1, reason: None };
        let differences = BTreeMap::from([((Judgement::Pass, Judgement::Drop), difference)]);
        Agreement { records, differences, ..Agreement::default() }
    }

    fn decided(records: u64, dropped: u64) -> Option<&'static str> {
        let policy =
            UpdatePolicy { promote_after: 1000, max_difference: 0.01, ..UpdatePolicy::default() };
        decide(&agreement(records, dropped), &policy).map(|decision| match decision {
            Decision::Promote(_) => "promote",
            Decision::Refuse(_) => "refuse",
        })
    }

    #[test]
    fn a_candidate_is_promoted_when_enough_records_agree() {
        assert_eq!(decided(999, 10), None);
        assert_eq!(decided(1000, 10), Some("promote"));
    }

    #[test]
    fn a_candidate_is_refused_when_it_can_no_longer_be_promoted() {
        assert_eq!(decided(500, 11), Some("refuse"));
        assert_eq!(decided(1000, 11), Some("refuse"));
        // The last batch brought more than were asked for.
        assert_eq!(decided(1100, 11), Some("promote"));
    }

    #[test]
    fn a_fault_is_worse_than_any_difference() {
        let policy =
            UpdatePolicy { promote_after: 1, max_difference: 1.0, ..UpdatePolicy::default() };
        let faulty = Agreement { faults: 1, ..agreement(1000, 0) };
        assert!(matches!(decide(&faulty, &policy), Some(Decision::Refuse(_))));
    }
}
