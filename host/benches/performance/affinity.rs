//! Which cores a thread may run on.

use std::sync::atomic::{AtomicUsize, Ordering};

use core_affinity::CoreId;

/// The cores that this process may run on. Empty if the system does not tell.
pub(crate) fn cores() -> Vec<CoreId> {
    core_affinity::get_core_ids().unwrap_or_default()
}

/// Runs `work` in a thread that stays on one core, as do the threads and processes that it starts.
pub(crate) fn on_one_core<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let pinned = scope.spawn(|| {
            pin(cores().first());
            work()
        });
        pinned.join().expect("it does not panic")
    })
}

/// What distributes threads over cores: each that calls it stays on the next.
pub(crate) fn over(cores: Vec<CoreId>) -> impl Fn() + Send + Sync + 'static {
    let next = AtomicUsize::new(0);
    move || {
        let thread = next.fetch_add(1, Ordering::Relaxed);
        pin(cores.get(thread % cores.len().max(1)));
    }
}

fn pin(core: Option<&CoreId>) {
    let pinned = core.is_some_and(|core| core_affinity::set_for_current(*core));
    if !pinned {
        eprintln!("a thread cannot be pinned to a core here: the figure may be of several cores");
    }
}
