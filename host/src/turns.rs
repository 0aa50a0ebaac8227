use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, MaybeDone, maybe_done};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::unconstrained;
use tokio::time::timeout_at;

/// Hands out turns, one after the other.
#[derive(Debug)]
pub(crate) struct Turns {
    /// Has one permit, and gives it to those who wait in the order in which they began to.
    line: Arc<Semaphore>,
}

/// A turn: it comes when the one before has ended, and ends when what is made of it is dropped. One that is
/// dropped before it came lets no other pass.
pub(crate) struct Turn(MaybeDone<BoxFuture<'static, Taken>>);

/// A turn that has come, until this is dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    _permit: OwnedSemaphorePermit,
}

impl Default for Turns {
    fn default() -> Self {
        Self { line: Arc::new(Semaphore::new(1)) }
    }
}

impl Turns {
    pub(crate) fn next(&mut self) -> Turn {
        let permit = Arc::clone(&self.line).acquire_owned();
        let comes = async { Taken { _permit: permit.await.expect("it is never closed") } };
        // How much a task has done is nothing to the order.
        let mut comes = maybe_done(unconstrained(comes).boxed());
        // It stands in line from now on.
        let _ = (&mut comes).now_or_never();
        Turn(comes)
    }
}

impl Turn {
    /// Waits until it comes, until the deadline at the latest: from then on, [`wait`](Self::wait) takes no
    /// time.
    pub(crate) async fn comes(&mut self, deadline: Option<Instant>) {
        match deadline {
            None => (&mut self.0).await,
            // Whether it came in time is asked when it is taken.
            Some(deadline) => drop(timeout_at(deadline.into(), &mut self.0).await),
        }
    }

    /// Waits on this thread until it comes, until the deadline at the latest. It ends when what is returned is
    /// dropped.
    pub(crate) fn wait(mut self, deadline: Option<Instant>) -> Option<Taken> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        while self.0.poll_unpin(&mut context).is_pending() {
            match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                Some(Duration::ZERO) => return None,
                Some(left) => thread::park_timeout(left),
            }
        }
        Pin::new(&mut self.0).take_output()
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").finish_non_exhaustive()
    }
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn turns_that_are_dropped_are_not_held() {
        let mut turns = Turns::default();
        let first = turns.next().wait(None);
        (0..1_000_000).for_each(|_| drop(turns.next()));
        drop(first);
        let _last = turns.next().wait(None);
    }

    #[test]
    fn a_turn_that_does_not_come_in_time_lets_no_other_pass() {
        let mut turns = Turns::default();
        let (first, late, next) = (turns.next().wait(None), turns.next(), turns.next());
        let now = Some(Instant::now());
        assert!(late.wait(now).is_none());
        let (came, comes) = mpsc::channel();
        thread::scope(|threads| {
            threads.spawn(move || {
                let _turn = next.wait(None);
                came.send(()).expect("the test");
            });
            thread::yield_now();
            assert!(comes.try_recv().is_err(), "the first has not ended");
            drop(first);
            assert_eq!(comes.recv(), Ok(()));
        });
        assert!(turns.next().wait(now).is_some(), "none is before it");
    }

    #[test]
    fn a_turn_that_is_dropped_lets_no_other_pass() {
        let mut turns = Turns::default();
        let first = turns.next().wait(None);
        let (second, third, fourth) = (turns.next(), turns.next(), turns.next());
        drop(third);
        drop(second);
        let (came, comes) = mpsc::channel();
        thread::scope(|threads| {
            threads.spawn(move || {
                let _turn = fourth.wait(None);
                came.send("the fourth").expect("the test");
            });
            thread::yield_now();
            assert!(comes.try_recv().is_err(), "the first has not ended");
            drop(first);
            assert_eq!(comes.recv(), Ok("the fourth"));
        });
    }
}
