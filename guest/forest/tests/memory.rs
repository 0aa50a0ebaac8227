//! What a forest takes from the allocator: all of it at the beginning, and as much as it says.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use weir_forest::rcf::{Forest, ForestSettings};

static HELD: AtomicUsize = AtomicUsize::new(0);
static CALLS: AtomicUsize = AtomicUsize::new(0);

/// Counts what is held, and how often more is asked for.
struct Counting;

// SAFETY: all is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// One test: another would allocate meanwhile.
#[test]
fn a_forest_takes_what_it_says_and_nothing_for_a_record() {
    let small =
        ForestSettings { trees: 10, sample_size: 16, time_decay: 40, ..ForestSettings::new(2) };
    for settings in
        [small, ForestSettings { shingle: 5, columns: 3, ..small }, ForestSettings::new(3)]
    {
        let before = HELD.load(Ordering::Relaxed);
        let mut forest = Forest::new(settings).expect("settings within their ranges");
        let held = HELD.load(Ordering::Relaxed) - before;
        assert_eq!(held + size_of::<Forest>(), forest.memory_bytes());
        assert_eq!(settings.memory_bytes(), forest.memory_bytes() as u64);

        let calls = CALLS.load(Ordering::Relaxed);
        let mut record = vec![0.0; settings.columns as usize];
        let calls = CALLS.load(Ordering::Relaxed) - calls;
        assert_eq!(calls, 1, "the record");
        let calls = CALLS.load(Ordering::Relaxed);
        for n in 0..500 {
            record[0] = f64::from(n % 97);
            forest.score_and_learn(&record);
        }
        assert_eq!(CALLS.load(Ordering::Relaxed), calls);
    }
}
