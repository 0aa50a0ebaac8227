use std::time::Duration;

/// When a rule takes the place of another, and when it gives it back.
#[derive(Clone, Debug, PartialEq)]
pub struct UpdatePolicy {
    /// On how many records a candidate is compared with the serving rule before it takes over. At 0
    /// it takes over at once.
    pub promote_after: u64,
    /// The share of these records, from 0 to 1, on which it may differ.
    pub max_difference: f64,
    /// How long a rule that took over is on probation: the one before it is held ready. At zero it
    /// is not.
    pub rollback_window: Duration,
    /// On how many batches it may fault in that time where the one before it does not.
    pub rollback_faults: u64,
    /// The share of the records, from 0 to 1, that it may fail in that time where the one before it
    /// does not. Counted as of [`LEAST_RECORDS`](Self::LEAST_RECORDS) records at the least.
    pub rollback_failures: f64,
}

impl UpdatePolicy {
    /// A share of fewer records than that says nothing yet.
    pub const LEAST_RECORDS: u64 = 100;
}

impl Default for UpdatePolicy {
    /// A candidate takes over at once; within 5 minutes, the first fault or more than 1 % of failed
    /// records give the place back.
    fn default() -> Self {
        Self {
            promote_after: 0,
            max_difference: 0.0,
            rollback_window: Duration::from_secs(300),
            rollback_faults: 0,
            rollback_failures: 0.01,
        }
    }
}

/// How many of so many records a share allows.
pub(super) fn allowed(share: f64, records: u64) -> u64 {
    (share * records as f64) as u64
}
