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
//! | `weir_rule_info` | `rule`, `version`, `digest` | 1, for the rule that runs |

use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use crate::contract::{Contract, FailureCause, FailureKind};
use crate::isolate::Isolated;
use crate::receipt::PublishError;
use crate::response::{Counts, FailedRecord};
use crate::rule::Rule;

/// The histograms of time, in seconds.
pub const HISTOGRAMS: [&str; 2] = ["weir_classify_seconds", "weir_publish_seconds"];

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
    describe_gauge!("weir_rule_info", Unit::Count, "The rule that runs");
}

pub(crate) fn opened(rule: &Rule) {
    let (name, version) = (rule.description().name.clone(), rule.description().version.clone());
    let digest = rule.digest().to_string();
    gauge!("weir_rule_info", "rule" => name, "version" => version, "digest" => digest).set(1);
}

pub(crate) fn classified(elapsed: Duration, isolated: &Isolated) {
    histogram!("weir_classify_seconds").record(elapsed);
    counter!("weir_instances_recycled_total").increment(isolated.faulted_runs.into());
    counter!("weir_isolation_runs_total").increment(isolated.extra_runs.into());
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
