//! Room for instances: an engine has so much of it, and whoever needs some waits until it is given back.
//! The engine itself would refuse.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The room that there is.
#[derive(Debug)]
pub(crate) struct Slots {
    all: usize,
    state: Mutex<State>,
    one_is_free: Condvar,
}

#[derive(Debug)]
struct State {
    free: usize,
    /// How often one was given back.
    given_back: u64,
}

/// Room for one instance, until it is dropped: which has to be after the instance.
#[derive(Debug)]
pub(crate) struct Slot(Arc<Slots>);

/// Why there is no room.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoSlot {
    /// The time for waiting was up.
    #[error("the time was up before an instance could be made")]
    Late,
    /// None was given back for as long as any is used: they are kept.
    #[error("all {0} instances that the engine has room for are kept")]
    AllKept(usize),
}

impl Slots {
    pub(crate) fn new(all: usize) -> Self {
        let state = Mutex::new(State { free: all, given_back: 0 });
        Self { all, state, one_is_free: Condvar::new() }
    }

    /// How many there are, free or not.
    pub(crate) fn all(&self) -> usize {
        self.all
    }

    /// Takes one. It waits for one until the deadline, as long as any is given back within the `use_time`.
    pub(crate) fn take(
        self: &Arc<Self>,
        use_time: Duration,
        deadline: Option<Instant>,
    ) -> Result<Slot, NoSlot> {
        let mut state = self.state();
        while state.free == 0 {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(NoSlot::Late);
            }
            let before = state.given_back;
            let patience = left.map_or(use_time, |left| left.min(use_time));
            let none = |state: &mut State| state.free == 0 && state.given_back == before;
            let waited = self.one_is_free.wait_timeout_while(state, patience, none);
            let (waited, time) = waited.unwrap_or_else(PoisonError::into_inner);
            state = waited;
            if time.timed_out() && patience == use_time {
                return Err(NoSlot::AllKept(self.all));
            }
        }
        state.free -= 1;
        drop(state);
        Ok(Slot(Arc::clone(self)))
    }

    /// Each change of it is whole, so a panic leaves nothing half done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.free += 1;
        state.given_back += 1;
        drop(state);
        self.0.one_is_free.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn there_are_so_many_and_no_more() {
        let slots = Arc::new(Slots::new(2));
        let late = Some(Instant::now());
        let held = [slots.take(LONG, late), slots.take(LONG, late)];
        assert!(held.iter().all(Result::is_ok), "{held:?}");
        assert_eq!(slots.take(LONG, late).err(), Some(NoSlot::Late));
        drop(held);
        assert!(slots.take(LONG, late).is_ok());
    }

    #[test]
    fn one_that_is_given_back_serves_the_next() {
        let slots = Arc::new(Slots::new(3));
        thread::scope(|threads| {
            for _ in 0..16 {
                threads.spawn(|| {
                    for _ in 0..200 {
                        let slot = slots.take(LONG, None).expect("others give theirs back");
                        assert!(slots.state().free < 3);
                        thread::yield_now();
                        drop(slot);
                    }
                });
            }
        });
        assert_eq!(slots.state().free, 3);
    }

    #[test]
    fn those_that_are_kept_are_not_waited_for() {
        let slots = Arc::new(Slots::new(1));
        let _kept = slots.take(LONG, None).expect("a slot");
        let soon = Duration::from_millis(1);
        assert_eq!(slots.take(soon, None).err(), Some(NoSlot::AllKept(1)));
        let deadline = Some(Instant::now() + LONG);
        assert_eq!(slots.take(soon, deadline).err(), Some(NoSlot::AllKept(1)));
        let deadline = Some(Instant::now() + soon);
        assert_eq!(slots.take(LONG, deadline).err(), Some(NoSlot::Late));
    }
}
