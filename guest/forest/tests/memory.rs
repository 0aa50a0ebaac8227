//! What a forest takes from the allocator: all of it at the beginning, and as much as it says.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::thread::LocalKey;

use weir_forest::rcf::{Forest, ForestSettings};

// Of this thread: the one that runs the tests allocates meanwhile.
thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

fn add(number: &'static LocalKey<Cell<usize>>, more: usize) {
    number.set(number.get().wrapping_add(more));
}

/// Counts what is held, and how often more is asked for.
struct Counting;

// SAFETY: all is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(&HELD, layout.size());
        add(&CALLS, 1);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        add(&HELD, layout.size().wrapping_neg());
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_forest_takes_what_it_says_and_nothing_for_a_record() {
    let small =
        ForestSettings { trees: 10, sample_size: 16, time_decay: 40, ..ForestSettings::new(2) };
    for settings in
        [small, ForestSettings { shingle: 5, columns: 3, ..small }, ForestSettings::new(3)]
    {
        let before = HELD.get();
        let mut forest = Forest::new(settings).expect("settings within their ranges");
        let held = HELD.get() - before;
        assert_eq!(held + size_of::<Forest>(), forest.memory_bytes());
        assert_eq!(settings.memory_bytes(), forest.memory_bytes() as u64);

        let calls = CALLS.get();
        let mut record = vec![0.0; settings.columns as usize];
        let calls = CALLS.get() - calls;
        assert_eq!(calls, 1, "the record");
        let calls = CALLS.get();
        for n in 0..500 {
            record[0] = f64::from(n % 97);
            forest.score_and_learn(&record);
        }
        assert_eq!(CALLS.get(), calls);
    }
}
