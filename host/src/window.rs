use std::time::Duration;

/// A longer window is no longer than that. The clock knows no time without end.
pub(crate) const LONGEST_WINDOW: Duration = Duration::from_secs(366 * 24 * 3600);
