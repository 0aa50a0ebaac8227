use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::time::Instant;

/// Hands out turns, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    last: Option<End>,
}

/// A turn: it comes when the one before has ended, and ends when what is made of it is dropped. One that is
/// dropped before it came lets no other pass: what waits for its end waits for that of the one before.
#[derive(Debug)]
pub(crate) struct Turn {
    before: Option<End>,
    ended: Sender<End>,
}

/// The end of a turn: nothing comes any more, or else the end to wait for instead.
#[derive(Debug)]
struct End(Receiver<End>);

/// A turn that has come, until this is dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    _turn: Turn,
}

impl Turns {
    pub(crate) fn next(&mut self) -> Turn {
        let (ended, end) = mpsc::channel();
        Turn { before: self.last.replace(End(end)), ended }
    }
}

impl Turn {
    /// Waits until it comes, until the deadline at the latest. It ends when what is returned is dropped.
    pub(crate) fn wait(mut self, deadline: Option<Instant>) -> Option<Taken> {
        while let Some(End(end)) = self.before.take() {
            self.before = match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
                None => end.recv().ok(),
                Some(left) => match end.recv_timeout(left) {
                    Err(RecvTimeoutError::Timeout) => {
                        self.before = Some(End(end));
                        return None;
                    }
                    ended => ended.ok(),
                },
            };
        }
        Some(Taken { _turn: self })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // The last that has not ended: else all those before would be held for those that come.
        while let Some(End(end)) = self.before.take() {
            match end.try_recv() {
                Ok(before) => self.before = Some(before),
                Err(TryRecvError::Disconnected) => {}
                Err(TryRecvError::Empty) => {
                    // Perhaps nobody comes after it.
                    let _ = self.ended.send(End(end));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

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
