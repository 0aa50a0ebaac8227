use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

/// How often what may still succeed is attempted again.
const RETRIES: usize = 4;

/// The pause before the first of them; each is twice as long as the one before, with jitter.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The pauses between attempts.
pub(super) fn backoff() -> impl Iterator<Item = Duration> + Send {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_max_times(RETRIES)
        .with_jitter()
        .build()
}
