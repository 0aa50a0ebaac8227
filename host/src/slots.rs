//! Room for instances: an engine has so much of it, and whoever needs some waits until it is given back.
//! What is idle gives way. The engine itself would refuse.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::time::{Duration, Instant};

/// How often whoever waits looks for what has become idle. That is not told, which would cost each batch.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// The room that there is, and where a `T` with a slot of it may be idle.
pub(crate) struct Slots<T> {
    all: usize,
    state: Mutex<State>,
    one_is_free: Condvar,
    /// How many wait.
    waiting: AtomicUsize,
    places: Mutex<VecDeque<Weak<[Place<T>]>>>,
}

struct State {
    free: usize,
    /// How often one was given back.
    given_back: u64,
}

/// A place for what holds a slot. It is locked while that is in use, or else that is idle.
pub(crate) type Place<T> = Mutex<Option<T>>;

/// Room for one instance, until it is dropped: which has to be after the instance.
pub(crate) struct Slot<T>(Arc<Slots<T>>);

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

impl<T> Slots<T> {
    pub(crate) fn new(all: usize) -> Self {
        let state = Mutex::new(State { free: all, given_back: 0 });
        let (one_is_free, waiting) = (Condvar::new(), AtomicUsize::new(0));
        Self { all, state, one_is_free, waiting, places: Mutex::default() }
    }

    /// How many there are, free or not.
    pub(crate) fn all(&self) -> usize {
        self.all
    }

    /// Has what is idle in these places give way to whoever needs room.
    pub(crate) fn look_into(&self, places: &Arc<[Place<T>]>) {
        let mut all = lock(&self.places);
        all.retain(|places| places.strong_count() > 0);
        all.push_back(Arc::downgrade(places));
    }

    /// Whether one can be had at once. If none is free, what is idle gives way.
    pub(crate) fn make_room(&self) -> bool {
        let is_free = lock(&self.state).free > 0;
        is_free || self.take_idle().is_some()
    }

    /// Takes one. If none is free, what is idle gives way. Otherwise it waits until the deadline, as long
    /// as any is given back within the `use_time`.
    pub(crate) fn take(
        self: &Arc<Self>,
        use_time: Duration,
        deadline: Option<Instant>,
    ) -> Result<Slot<T>, NoSlot> {
        let mut state = lock(&self.state);
        let (mut given_back, mut since) = (state.given_back, None);
        let _waiting = (state.free == 0).then(|| Waiting::begin(&self.waiting));
        while state.free == 0 {
            drop(state);
            // It gives its slot back by itself.
            drop(self.take_idle());
            let may_become_idle = !lock(&self.places).is_empty();
            state = lock(&self.state);
            if state.free > 0 {
                break;
            }
            let now = Instant::now();
            if deadline.is_some_and(|deadline| deadline <= now) {
                return Err(NoSlot::Late);
            }
            if state.given_back != given_back {
                (given_back, since) = (state.given_back, None);
            }
            let patience = use_time.saturating_sub(now - *since.get_or_insert(now));
            if patience.is_zero() {
                return Err(NoSlot::AllKept(self.all));
            }
            let left = deadline.map_or(patience, |deadline| patience.min(deadline - now));
            let pause = if may_become_idle { left.min(LOOK_AGAIN_AFTER) } else { left };
            let waited = self.one_is_free.wait_timeout_while(state, pause, |state| state.free == 0);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        state.free -= 1;
        drop(state);
        Ok(Slot(Arc::clone(self)))
    }

    /// Whether somebody waits for one.
    pub(crate) fn are_waited_for(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// What is idle anywhere: in turns, and where there is more, what was used least.
    fn take_idle(&self) -> Option<T> {
        let mut all = lock(&self.places);
        for _ in 0..all.len() {
            let places = all.pop_front()?;
            if let Some(there) = places.upgrade() {
                all.push_back(places);
                let idle = there.iter().rev().find_map(|place| try_lock(place)?.take());
                if idle.is_some() {
                    return idle;
                }
            }
        }
        None
    }
}

/// Somebody who waits for a slot.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(all: &'a AtomicUsize) -> Self {
        all.fetch_add(1, Ordering::Relaxed);
        Self(all)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.free += 1;
        state.given_back += 1;
        drop(state);
        self.0.one_is_free.notify_one();
    }
}

/// Each change of what is locked here is whole, so a panic leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The place, unless what belongs there is in use.
pub(crate) fn try_lock<T>(place: &Place<T>) -> Option<MutexGuard<'_, Option<T>>> {
    match place.try_lock() {
        Ok(place) => Some(place),
        Err(TryLockError::Poisoned(place)) => Some(place.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    /// What holds a slot.
    struct Held {
        _slot: Slot<Self>,
    }

    fn hold(slots: &Arc<Slots<Held>>) -> Held {
        Held { _slot: slots.take(LONG, Some(Instant::now())).expect("a slot") }
    }

    fn slots(all: usize) -> Arc<Slots<Held>> {
        Arc::new(Slots::new(all))
    }

    #[test]
    fn there_are_so_many_and_no_more() {
        let slots = slots(2);
        let late = Some(Instant::now());
        let held = [slots.take(LONG, late), slots.take(LONG, late)];
        assert!(held.iter().all(Result::is_ok));
        assert_eq!(slots.take(LONG, late).err(), Some(NoSlot::Late));
        drop(held);
        assert!(slots.take(LONG, late).is_ok());
    }

    #[test]
    fn one_that_is_given_back_serves_the_next() {
        let slots = slots(3);
        thread::scope(|threads| {
            for _ in 0..16 {
                threads.spawn(|| {
                    for _ in 0..200 {
                        let slot = slots.take(LONG, None).expect("others give theirs back");
                        assert!(lock(&slots.state).free < 3);
                        thread::yield_now();
                        drop(slot);
                    }
                });
            }
        });
        assert_eq!(lock(&slots.state).free, 3);
    }

    #[test]
    fn those_that_are_kept_are_not_waited_for() {
        let slots = slots(1);
        let _kept = slots.take(LONG, None).expect("a slot");
        let soon = Duration::from_millis(1);
        assert_eq!(slots.take(soon, None).err(), Some(NoSlot::AllKept(1)));
        let deadline = Some(Instant::now() + LONG);
        assert_eq!(slots.take(soon, deadline).err(), Some(NoSlot::AllKept(1)));
        let deadline = Some(Instant::now() + soon);
        assert_eq!(slots.take(LONG, deadline).err(), Some(NoSlot::Late));
    }

    /// So many places in use.
    fn places(slots: &Slots<Held>, count: usize) -> Arc<[Place<Held>]> {
        let places = (0..count).map(|_| Place::default()).collect();
        slots.look_into(&places);
        places
    }

    #[test]
    fn what_is_idle_gives_way_in_turns() {
        let slots = slots(3);
        let (one, other) = (places(&slots, 2), places(&slots, 1));
        let [first, second, third] = [(); 3].map(|()| hold(&slots));
        assert!(!slots.make_room());
        *lock(&one[0]) = Some(first);
        *lock(&one[1]) = Some(second);
        *lock(&other[0]) = Some(third);
        let _held = hold(&slots);
        assert!(lock(&one[1]).is_none() && lock(&one[0]).is_some());
        assert!(slots.make_room());
        assert!(lock(&other[0]).is_none() && lock(&one[0]).is_some());
        let _held = [hold(&slots), hold(&slots)];
        assert!(lock(&one[0]).is_none() && !slots.make_room());
        assert_eq!(slots.take(LONG, Some(Instant::now())).err(), Some(NoSlot::Late));
    }

    #[test]
    fn what_is_in_use_does_not_give_way_until_it_is_idle() {
        let slots = slots(1);
        let places = places(&slots, 1);
        let mut in_use = lock(&places[0]);
        *in_use = Some(hold(&slots));
        assert_eq!(slots.take(LONG, Some(Instant::now())).err(), Some(NoSlot::Late));
        assert!(!slots.are_waited_for());
        thread::scope(|threads| {
            let waiting = threads.spawn(|| slots.take(LONG, None).is_ok());
            while !slots.are_waited_for() {
                thread::yield_now();
            }
            drop(in_use);
            assert!(waiting.join().expect("no panic"));
        });
        assert!(!slots.are_waited_for());
    }

    #[test]
    fn nobody_looks_into_places_that_are_gone() {
        let slots = slots(1);
        let places = places(&slots, 1);
        *lock(&places[0]) = Some(hold(&slots));
        drop(places);
        assert_eq!((lock(&slots.state).free, Arc::strong_count(&slots)), (1, 1));
        let _places = self::places(&slots, 1);
        assert_eq!(lock(&slots.places).len(), 1);
    }
}
