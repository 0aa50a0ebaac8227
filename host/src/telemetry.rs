//! What a host can count, through the facade of the crate [`metrics`]: whoever embeds Weir sets the
//! recorder. Without one, it costs next to nothing.
//!
//! | metric | labels | |
//! | --- | --- | --- |
//! | `weir_records_total` | `verdict` | what the rule said: `pass`, `flag`, `drop`, `fail` |
//! | `weir_failed_records_total` | `kind`, `cause` | answered as failed: `transient` or `permanent`, and [for what](crate::contract::FailureCause) |
//! | `weir_bad_records_total` | `disposal` | dealt with: `dead-letter`, `drop` |
//! | `weir_published_total` | `result` | `confirmed`, `rejected`, `refused`, `unconfirmed` |
//! | `weir_events_total` | `contract` | events answered |
//! | `weir_unreadable_events_total` | | events that could not be read |
//! | `weir_classify_seconds` | | time to classify an event, isolation included |
//! | `weir_publish_seconds` | | time to publish the alerts of an event that has some |
//! | `weir_instances_recycled_total` | | rule instances given up, for a fault or at their deadline |
//! | `weir_isolation_runs_total` | | runs made to find records that make the rule fail |
//! | `weir_recorded_records_total` | `result` | chosen for a recording: `written`, `lost`, `unredactable`, `failed` |
//! | `weir_replayed_records_total` | | records that came again and were not learnt again |
//! | `weir_state_restores_total` | `result` | what was found in the store: `restored`, `nothing`, `refused`, `unavailable` |
//! | `weir_state_saves_total` | `result` | `stored`, `superseded` (by another process), `failed` |
//! | `weir_state_save_seconds` | | time to store a state |
//! | `weir_state_losses_total` | `cause` | what was learnt and is gone: `evicted`, `fault`, `refused`, `superseded`, `unsaved` |
//! | `weir_rule_info` | `rule`, `version`, `digest` | 1 for the rule that serves, 0 for one that did in this process, until it ends; unless it is [left out](leave_out_rule_info) |
//! | `weir_rule_transitions_total` | `transition` | [changes](crate::live::Transition) in which rule serves or is tried |
//! | `weir_shadow_records_total` | `serving`, `candidate` | what both say of the records that a candidate in shadow was run on |
//! | `weir_shadow_faulted_batches_total` | | batches on which it faulted and the serving rule did not |
//! | `weir_shadow_skipped_batches_total` | | batches that it could not keep up with |

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use crate::contract::{Contract, FailureCause, FailureKind};
use crate::isolate::Isolated;
use crate::live::{Agreement, Judgement};
use crate::receipt::PublishError;
use crate::response::{Counts, FailedRecord};
use crate::rule::{Description, Rule};

/// The histograms of time, in seconds.
pub const HISTOGRAMS: [&str; 3] =
    ["weir_classify_seconds", "weir_publish_seconds", "weir_state_save_seconds"];

/// Tells the recorder what is counted. Call it once, after the recorder is set.
pub fn describe() {
    describe_counter!("weir_records_total", Unit::Count, "Records by the rule's verdict");
    describe_counter!("weir_failed_records_total", Unit::Count, "Records answered as failed");
    describe_counter!("weir_bad_records_total", Unit::Count, "Bad records that were dealt with");
    describe_counter!("weir_published_total", Unit::Count, "Alerts by what became of them");
    describe_counter!("weir_events_total", Unit::Count, "Events answered");
    describe_counter!("weir_unreadable_events_total", Unit::Count, "Events that cannot be read");
    describe_histogram!("weir_classify_seconds", Unit::Seconds, "Time to classify an event");
    describe_histogram!("weir_publish_seconds", Unit::Seconds, "Time to publish an event's alerts");
    describe_counter!("weir_instances_recycled_total", Unit::Count, "Rule instances given up");
    describe_counter!("weir_isolation_runs_total", Unit::Count, "Runs to find records at fault");
    describe_counter!("weir_recorded_records_total", Unit::Count, "Records chosen for a recording");
    describe_counter!("weir_replayed_records_total", Unit::Count, "Records not learnt again");
    describe_counter!("weir_state_restores_total", Unit::Count, "States looked for in the store");
    describe_counter!("weir_state_saves_total", Unit::Count, "States by what became of saving");
    describe_histogram!("weir_state_save_seconds", Unit::Seconds, "Time to store a state");
    describe_counter!("weir_state_losses_total", Unit::Count, "States that were lost");
    describe_gauge!("weir_rule_info", Unit::Count, "The rule that serves");
    describe_counter!("weir_rule_transitions_total", Unit::Count, "Changes of the rule");
    describe_counter!("weir_shadow_records_total", Unit::Count, "Records judged by two rules");
    describe_counter!(
        "weir_shadow_faulted_batches_total",
        Unit::Count,
        "Batches on which a candidate faults"
    );
    describe_counter!(
        "weir_shadow_skipped_batches_total",
        Unit::Count,
        "Batches that a candidate missed"
    );
}

/// As the recorder is, it is one for the process.
static RULE_INFO_IS_LEFT_OUT: AtomicBool = AtomicBool::new(false);

/// Leaves out `weir_rule_info` from now on. Call it for a recorder that writes each gauge it knows again
/// and again: there, rules that served long ago would never come to an end. The log names each rule.
pub fn leave_out_rule_info() {
    RULE_INFO_IS_LEFT_OUT.store(true, Relaxed);
}

/// A rule serves from now on.
pub(crate) fn serves(rule: &Rule) {
    rule_info(rule, 1.0);
}

/// It does no more.
pub(crate) fn served(rule: &Rule) {
    rule_info(rule, 0.0);
}

fn rule_info(rule: &Rule, serves: f64) {
    if RULE_INFO_IS_LEFT_OUT.load(Relaxed) {
        return;
    }
    let Description { name, version, .. } = rule.description();
    let (rule, version, digest) = (name.clone(), version.clone(), rule.digest().to_string());
    gauge!("weir_rule_info", "rule" => rule, "version" => version, "digest" => digest).set(serves);
}

pub(crate) fn rule_changed(transition: &'static str) {
    counter!("weir_rule_transitions_total", "transition" => transition).increment(1);
}

/// A candidate was run on a batch.
pub(crate) fn compared(agreement: &Agreement) {
    let count = |serving: Judgement, candidate: Judgement, records| {
        let (serving, candidate) = (serving.name(), candidate.name());
        counter!("weir_shadow_records_total", "serving" => serving, "candidate" => candidate)
            .increment(records);
    };
    agreement.alike.iter().for_each(|(judgement, records)| count(*judgement, *judgement, *records));
    for ((serving, candidate), difference) in &agreement.differences {
        count(*serving, *candidate, difference.records);
    }
    counter!("weir_shadow_faulted_batches_total").increment(agreement.faults);
}

/// A batch did not wait for the candidate.
pub(crate) fn skipped() {
    counter!("weir_shadow_skipped_batches_total").increment(1);
}

pub(crate) fn classified(elapsed: Duration, isolated: &Isolated) {
    histogram!("weir_classify_seconds").record(elapsed);
    counter!("weir_instances_recycled_total").increment(isolated.faulted_runs.into());
    counter!("weir_isolation_runs_total").increment(isolated.extra_runs.into());
}

pub(crate) fn replayed(records: usize) {
    if records > 0 {
        counter!("weir_replayed_records_total").increment(records as u64);
    }
}

pub(crate) fn state_restored(result: &'static str) {
    counter!("weir_state_restores_total", "result" => result).increment(1);
}

pub(crate) fn state_saved(elapsed: Duration, result: &'static str) {
    histogram!("weir_state_save_seconds").record(elapsed);
    counter!("weir_state_saves_total", "result" => result).increment(1);
}

pub(crate) fn state_lost(cause: &'static str) {
    counter!("weir_state_losses_total", "cause" => cause).increment(1);
}

pub(crate) fn published(elapsed: Duration, results: &[Result<(), PublishError>]) {
    if results.is_empty() {
        return;
    }
    histogram!("weir_publish_seconds").record(elapsed);
    for result in results {
        let result = match result {
            Ok(()) => "confirmed",
            Err(PublishError::Rejected(_)) => "rejected",
            Err(PublishError::Refused(_)) => "refused",
            Err(PublishError::Unconfirmed(_)) => "unconfirmed",
        };
        counter!("weir_published_total", "result" => result).increment(1);
    }
}

pub(crate) fn recorded(result: &'static str, records: u64) {
    counter!("weir_recorded_records_total", "result" => result).increment(records);
}

pub(crate) fn unreadable() {
    counter!("weir_unreadable_events_total").increment(1);
}

pub(crate) fn answered(contract: Contract, counts: &Counts, failures: &[FailedRecord]) {
    counter!("weir_events_total", "contract" => contract.name()).increment(1);
    let Counts { records, passed, flagged, dropped, dead_lettered, discarded, .. } = *counts;
    let failed = records - passed - flagged - dropped;
    let verdicts = [("pass", passed), ("flag", flagged), ("drop", dropped), ("fail", failed)];
    for (verdict, count) in verdicts {
        counter!("weir_records_total", "verdict" => verdict).increment(count);
    }
    for (disposal, count) in [("dead-letter", dead_lettered), ("drop", discarded)] {
        counter!("weir_bad_records_total", "disposal" => disposal).increment(count);
    }
    for kind in [FailureKind::Transient, FailureKind::Permanent] {
        for cause in FailureCause::ALL {
            let is_one = |f: &&FailedRecord| f.kind == kind && f.cause == cause;
            let count = failures.iter().filter(is_one).count() as u64;
            if count > 0 {
                let (kind, cause) = (kind.name(), cause.name());
                counter!("weir_failed_records_total", "kind" => kind, "cause" => cause)
                    .increment(count);
            }
        }
    }
}

#[cfg(all(test, feature = "default-rule"))]
mod tests {
    use std::sync::atomic::AtomicU64;

    use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString};

    use super::*;
    use crate::{DEFAULT_RULE, Engine, Limits};

    /// Counts the gauges that are set.
    #[derive(Default)]
    struct Gauges(AtomicU64);

    impl Recorder for Gauges {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            Counter::noop()
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            self.0.fetch_add(1, Relaxed);
            Gauge::noop()
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[test]
    fn rules_can_be_left_out() {
        let engine = Engine::new(Limits::default()).expect("an engine");
        let rule = Rule::load(&engine, DEFAULT_RULE).expect("a rule");
        let gauges = Gauges::default();
        let set = || {
            metrics::with_local_recorder(&gauges, || {
                serves(&rule);
                served(&rule);
            });
            gauges.0.load(Relaxed)
        };
        assert_eq!(set(), 2);
        leave_out_rule_info();
        assert_eq!(set(), 2);
    }
}
