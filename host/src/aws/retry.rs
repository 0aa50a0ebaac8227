use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};

use super::breaker::Away;
use super::{Destination, Entry, RequestFailure};
use crate::receipt::PublishError;

/// How often entries that may still succeed are sent again.
const RETRIES: usize = 7;

/// The pause before the first of them; each is twice as long as the one before, with jitter.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause, also for a service that is away: what would have to wait longer fails at once.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long a send without a deadline waits for a service that is away.
const PATIENCE: Duration = Duration::from_secs(30);

/// What became of messages, by their indices.
type Results = Vec<(usize, Result<(), PublishError>)>;

/// The entries of a request that have no result yet.
struct Pending<E> {
    entries: Vec<E>,
    /// Why each is not confirmed yet.
    reasons: Vec<PublishError>,
    /// Those that have a result.
    results: Results,
}

/// Sends the entries of one request until each is confirmed or refused, the retries are used up, the
/// service is away for longer, or the deadline comes. Entries that fail are sent again alone.
pub(super) async fn send<D: Destination>(
    destination: &D,
    entries: Vec<D::Entry>,
    deadline: Option<Instant>,
) -> Results {
    let unsent = || PublishError::Unconfirmed("the deadline came first".to_owned());
    let reasons = entries.iter().map(|_| unsent()).collect();
    let mut pending = Pending { entries, reasons, results: Vec::new() };
    let attempts = attempts(destination, &mut pending, deadline);
    match deadline {
        None => attempts.await,
        // Not even begun: a request that is given up at once may have been taken.
        Some(deadline) if deadline <= Instant::now() => drop(attempts),
        // What is left then has its reason.
        Some(deadline) => {
            let _ = tokio::time::timeout_at(deadline.into(), attempts).await;
        }
    }
    let Pending { entries, reasons, mut results } = pending;
    let left = entries.into_iter().zip(reasons);
    results.extend(left.map(|(entry, reason)| (entry.index(), Err(reason))));
    results
}

async fn attempts<D: Destination>(
    destination: &D,
    pending: &mut Pending<D::Entry>,
    deadline: Option<Instant>,
) {
    let end = deadline.unwrap_or_else(|| Instant::now() + PATIENCE);
    let mut pauses = ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_max_times(RETRIES)
        .with_jitter()
        .build();
    loop {
        let pause = match attempt(destination, pending).await {
            Ok(()) if pending.entries.is_empty() => None,
            Ok(()) => pauses.next().inspect(|pause| {
                tracing::debug!(entries = pending.entries.len(), ?pause, "sending again");
            }),
            // Nothing was sent, so it is none of the retries: those that wait for a probe, however long it
            // takes, still have theirs when it is answered.
            Err(away) => {
                pending.all_unconfirmed(&away.to_string());
                Some(away.next.max(FIRST_PAUSE))
                    .filter(|&pause| pause <= LONGEST_PAUSE && Instant::now() + pause < end)
            }
        };
        let Some(pause) = pause else { return };
        tokio::time::sleep(pause).await;
    }
}

/// One request with all that is pending.
///
/// # Errors
///
/// If the service is away. Nothing was sent then.
async fn attempt<D: Destination>(
    destination: &D,
    pending: &mut Pending<D::Entry>,
) -> Result<(), Away> {
    let line = destination.line();
    // The semaphore is never closed.
    let _permit = line.requests.acquire().await;
    let attempt = line.breaker.admit(Instant::now())?;
    let answer = destination.request(&pending.entries).await;
    match answer {
        Err(RequestFailure::Away(reason)) => {
            attempt.failed(Instant::now(), &reason);
            pending.all_unconfirmed(&reason);
        }
        Err(RequestFailure::Refused(reason)) => {
            attempt.succeeded();
            pending.settle_all(&PublishError::Refused(reason));
        }
        Err(RequestFailure::Invalid(reason)) => {
            attempt.succeeded();
            if pending.entries.len() == 1 {
                pending.settle_all(&PublishError::Rejected(reason));
            } else {
                one_by_one(destination, pending).await;
            }
        }
        Ok(results) => {
            attempt.succeeded();
            pending.settle(results);
        }
    }
    Ok(())
}

/// Finds out which entry of an invalid request is to blame.
async fn one_by_one<D: Destination>(destination: &D, pending: &mut Pending<D::Entry>) {
    for _ in 0..pending.entries.len() {
        let answer = destination.request(&pending.entries[..1]).await;
        // At once: the deadline may come before the next answer does.
        pending.settle_first(match answer {
            Ok(one) => one.into_iter().next().unwrap_or(Ok(())),
            Err(RequestFailure::Away(reason)) => Err(PublishError::Unconfirmed(reason)),
            Err(RequestFailure::Refused(reason)) => Err(PublishError::Refused(reason)),
            Err(RequestFailure::Invalid(reason)) => Err(PublishError::Rejected(reason)),
        });
    }
}

impl<E: Entry> Pending<E> {
    fn all_unconfirmed(&mut self, reason: &str) {
        self.reasons.fill(PublishError::Unconfirmed(reason.to_owned()));
    }

    fn settle_all(&mut self, error: &PublishError) {
        let entries = std::mem::take(&mut self.entries);
        self.reasons.clear();
        self.results.extend(entries.iter().map(|entry| (entry.index(), Err(error.clone()))));
    }

    /// Takes the results of a request, one an entry.
    fn settle(&mut self, results: Vec<Result<(), PublishError>>) {
        results.into_iter().for_each(|result| self.settle_first(result));
    }

    /// Takes the result of the first entry. If it may still succeed it stays, behind the others.
    fn settle_first(&mut self, result: Result<(), PublishError>) {
        let entry = self.entries.remove(0);
        self.reasons.remove(0);
        match result {
            Err(reason @ PublishError::Unconfirmed(_)) => {
                self.entries.push(entry);
                self.reasons.push(reason);
            }
            settled => self.results.push((entry.index(), settled)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::aws::{Answer, Line};

    struct Message(usize);

    impl Entry for Message {
        fn index(&self) -> usize {
            self.0
        }

        fn bytes(&self) -> usize {
            1
        }
    }

    /// Takes single messages only, and of these the first two.
    struct Choosy(Line);

    impl Destination for Choosy {
        type Entry = Message;

        async fn request(&self, entries: &[Message]) -> Answer {
            match entries {
                [Message(0 | 1)] => Ok(vec![Ok(())]),
                [_] => std::future::pending().await,
                _ => Err(RequestFailure::Invalid("one of them is bad".to_owned())),
            }
        }

        fn line(&self) -> &Line {
            &self.0
        }
    }

    /// Takes everything, but the first request takes it a while: the others come to wait for it.
    struct Healthy {
        line: Line,
        requests: AtomicUsize,
    }

    impl Healthy {
        fn new() -> Self {
            Self { line: Line::new("healthy"), requests: AtomicUsize::new(0) }
        }

        /// Has it fail from that moment on, until it counts as away. Says when the last failure was.
        fn fails_from(&self, mut moment: Instant) -> Instant {
            while let Ok(attempt) = self.line.breaker.admit(moment) {
                attempt.failed(moment, "503");
                moment += Duration::from_millis(250);
            }
            moment - Duration::from_millis(250)
        }
    }

    impl Destination for Healthy {
        type Entry = Message;

        async fn request(&self, entries: &[Message]) -> Answer {
            if self.requests.fetch_add(1, Ordering::Relaxed) == 0 {
                tokio::time::sleep(FIRST_PAUSE * 3).await;
            }
            Ok(vec![Ok(()); entries.len()])
        }

        fn line(&self) -> &Line {
            &self.line
        }
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(future)
    }

    /// Sends more than are under way at once.
    fn send_many(destination: &Healthy) -> Vec<Result<(), PublishError>> {
        let (messages, results) = ((0..200).map(Message).collect(), vec![None; 200]);
        block_on(crate::aws::send(destination, messages, 1000, false, results, None))
    }

    #[test]
    fn a_service_that_is_away_for_a_moment_is_waited_for() {
        let destination = Healthy::new();
        let ago = Duration::from_millis(1950);
        let opened = destination.fails_from(Instant::now() - ago);
        assert!(destination.line.breaker.admit(opened).is_err(), "it is away");
        assert_eq!(send_many(&destination), vec![Ok(()); 200]);
    }

    #[test]
    fn a_service_that_is_away_for_longer_is_not() {
        let destination = Healthy::new();
        let mut probe = destination.fails_from(Instant::now());
        for _ in 0..3 {
            probe += Duration::from_secs(60);
            destination.line.breaker.admit(probe).expect("a probe").failed(probe, "503");
        }
        for result in send_many(&destination) {
            let reason = result.expect_err("not confirmed").to_string();
            assert!(reason.contains("the service is away"), "{reason}");
        }
        assert_eq!(destination.requests.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_was_confirmed_before_the_deadline_is() {
        let deadline = Instant::now() + Duration::from_millis(50);
        let destination = Choosy(Line::new("choosy"));
        let mut results =
            block_on(send(&destination, (0..4).map(Message).collect(), Some(deadline)));
        results.sort_by_key(|(index, _)| *index);
        let confirmed: Vec<_> =
            results.iter().map(|(index, result)| (*index, result.is_ok())).collect();
        assert_eq!(confirmed, [(0, true), (1, true), (2, false), (3, false)]);
    }
}
