use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many requests in a row have to fail before the service counts as away. Of those that are under way
/// at the same time, the first to fail counts for all: it is one moment at which the service failed.
const THRESHOLD: u32 = 5;

/// How long such a moment is at least: retries of many requests, spread by their jitter, meet the same
/// throttling again and again.
const MOMENT: Duration = Duration::from_millis(250);

/// How long nothing is attempted the first time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How long nothing is attempted at the most. Each probe that fails doubles the pause up to it.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Keeps requests from a service that is away, so that it costs a few deadlines and not one for each
/// event.
///
/// ```text
///            5 in a row fail                   the pause is over
///   closed ───────────────────▶ open ◀──────────────────────────▶ half open
///     ▲                                       the probe fails         │
///     └───────────────────────────────────────────────────────────────┘
///                                the probe succeeds
/// ```
///
/// Half open, one request is let through to see; the others are refused, as they are while it is open,
/// and told how far off the next attempt is. A request that was given up without an answer has failed.
#[derive(Debug)]
pub(crate) struct Breaker {
    destination: String,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Closed { failures: u32, last: Option<Instant> },
    Open { until: Instant, pause: Duration, cause: String },
    HalfOpen { since: Instant, pause: Duration, cause: String },
}

impl Breaker {
    pub(crate) fn new(destination: &str) -> Self {
        Self { destination: destination.to_owned(), state: Mutex::new(CLOSED) }
    }

    /// Asks to make a request.
    ///
    /// # Errors
    ///
    /// If the service is away.
    pub(crate) fn admit(&self, now: Instant) -> Result<Attempt<'_>, Away> {
        let mut state = self.state();
        match &*state {
            State::Closed { .. } => {}
            State::Open { until, pause, cause } if *until <= now => {
                tracing::info!(destination = self.destination, "attempting again");
                *state = State::HalfOpen { since: now, pause: *pause, cause: cause.clone() };
            }
            State::Open { until, cause, .. } => {
                return Err(Away { next: *until - now, cause: cause.clone() });
            }
            State::HalfOpen { cause, .. } => {
                return Err(Away { next: Duration::ZERO, cause: cause.clone() });
            }
        }
        Ok(Attempt { breaker: self, begun: now, answered: false })
    }

    fn succeeded(&self) {
        let mut state = self.state();
        if !matches!(*state, State::Closed { .. }) {
            tracing::info!(destination = self.destination, "the service is back");
        }
        *state = CLOSED;
    }

    /// Takes the failure of a request that was begun then.
    fn failed(&self, begun: Instant, now: Instant, cause: &str) {
        let mut state = self.state();
        let pause = match &mut *state {
            State::Closed { last: Some(last), .. } if begun < *last || now < *last + MOMENT => {
                return;
            }
            State::Closed { failures, last } => {
                *last = Some(now);
                *failures += 1;
                if *failures < THRESHOLD {
                    return;
                }
                FIRST_PAUSE
            }
            // A request that was under way when it opened tells nothing new.
            State::Open { .. } => return,
            State::HalfOpen { since, .. } if begun < *since => return,
            State::HalfOpen { pause, .. } => LONGEST_PAUSE.min(*pause * 2),
        };
        tracing::warn!(destination = self.destination, ?pause, cause, "the service is away");
        *state = State::Open { until: now + pause, pause, cause: cause.to_owned() };
    }

    /// Each change leaves a whole state, so a panic elsewhere does no harm.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const CLOSED: State = State::Closed { failures: 0, last: None };

/// A request that was let through. Dropped without a word, it has failed.
#[must_use]
pub(crate) struct Attempt<'a> {
    breaker: &'a Breaker,
    begun: Instant,
    answered: bool,
}

impl Attempt<'_> {
    /// The service answered, whatever it said.
    pub(crate) fn succeeded(mut self) {
        self.answered = true;
        self.breaker.succeeded();
    }

    /// The service is throttling, broken or unreachable.
    pub(crate) fn failed(mut self, now: Instant, cause: &str) {
        self.answered = true;
        self.breaker.failed(self.begun, now, cause);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.breaker.failed(self.begun, Instant::now(), "no answer before the deadline");
        }
    }
}

/// A service that requests are kept from.
#[derive(Debug)]
pub(crate) struct Away {
    /// How far off the next attempt is: not at all, if it is under way.
    pub(super) next: Duration,
    cause: String,
}

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { next, cause } = self;
        write!(f, "the service is away, next attempt in {:.1} s: {cause}", next.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(breaker: &Breaker, now: Instant) {
        breaker.admit(now).expect("let through").failed(now, "500");
    }

    /// So many failures, each a moment of its own. Says when the last of them was.
    fn fail_often(breaker: &Breaker, failures: u32, begin: Instant) -> Instant {
        let moments = (0..failures).map(|number| begin + MOMENT * number);
        moments.inspect(|&moment| fail(breaker, moment)).last().expect("a moment")
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let (breaker, now) = (Breaker::new("topic"), Instant::now());
        let now = fail_often(&breaker, THRESHOLD - 1, now);
        breaker.admit(now).expect("closed").succeeded();
        let now = fail_often(&breaker, THRESHOLD, now);
        let away = breaker.admit(now).err().expect("open").to_string();
        assert!(away.contains("next attempt in 1.0 s: 500"), "{away}");
    }

    #[test]
    fn what_fails_of_requests_under_way_at_once_is_one_failure() {
        let (breaker, mut now) = (Breaker::new("topic"), Instant::now());
        for _ in 0..THRESHOLD {
            let burst: Vec<_> = (0..4).map(|_| breaker.admit(now).expect("closed")).collect();
            for attempt in burst {
                now += MOMENT;
                attempt.failed(now, "500");
            }
        }
        assert!(breaker.admit(now).is_err(), "so many in a row are too many");
    }

    #[test]
    fn what_fails_within_a_moment_is_one_failure() {
        let (breaker, begin) = (Breaker::new("topic"), Instant::now());
        let short_of_opening = MOMENT * (THRESHOLD - 1);
        for retry in 0..100 {
            fail(&breaker, begin + short_of_opening * retry / 100);
        }
        fail(&breaker, begin + short_of_opening);
        assert!(breaker.admit(begin + short_of_opening).is_err(), "it has lasted");
    }

    #[test]
    fn one_probe_is_let_through_and_decides() {
        let (breaker, now) = (Breaker::new("topic"), Instant::now());
        let later = fail_often(&breaker, THRESHOLD, now) + FIRST_PAUSE;
        let probe = breaker.admit(later).expect("half open");
        assert!(breaker.admit(later).is_err(), "one probe at a time");
        probe.failed(later, "503");
        assert!(breaker.admit(later + FIRST_PAUSE).is_err(), "the pause has doubled");
        breaker.admit(later + FIRST_PAUSE * 2).expect("half open").succeeded();
        fail(&breaker, later);
        assert!(breaker.admit(later).is_ok(), "closed");
    }

    #[test]
    fn only_the_probe_decides() {
        let (breaker, now) = (Breaker::new("topic"), Instant::now());
        let slow = breaker.admit(now).expect("closed");
        let later = fail_often(&breaker, THRESHOLD, now) + FIRST_PAUSE;
        let probe = breaker.admit(later).expect("half open");
        slow.failed(later, "503");
        let away = breaker.admit(later).err().expect("half open");
        assert_eq!(away.next, Duration::ZERO, "the probe is still under way");
        probe.failed(later, "503");
        let away = breaker.admit(later).err().expect("open");
        assert_eq!(away.next, FIRST_PAUSE * 2);
    }

    #[test]
    fn the_pause_has_an_end() {
        let (breaker, now) = (Breaker::new("topic"), Instant::now());
        let mut now = fail_often(&breaker, THRESHOLD, now);
        for _ in 0..20 {
            now += LONGEST_PAUSE;
            fail(&breaker, now);
        }
    }

    /// The moment that is needed for the next failure to count has passed since then.
    fn earlier() -> Instant {
        Instant::now() - MOMENT * THRESHOLD
    }

    #[test]
    fn a_request_that_is_given_up_has_failed() {
        let breaker = Breaker::new("topic");
        fail_often(&breaker, THRESHOLD - 1, earlier());
        drop(breaker.admit(Instant::now()).expect("closed"));
        assert!(breaker.admit(Instant::now()).is_err());
    }

    #[test]
    fn what_one_deadline_costs_is_one_failure() {
        let breaker = Breaker::new("topic");
        fail_often(&breaker, THRESHOLD - 2, earlier());
        let now = Instant::now();
        let under_way: Vec<_> = (0..8).map(|_| breaker.admit(now).expect("closed")).collect();
        drop(under_way);
        assert!(breaker.admit(Instant::now()).is_ok(), "closed");
    }
}
