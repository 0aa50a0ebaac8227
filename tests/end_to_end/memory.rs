//! A run takes the memory of a batch, however many there are.

use std::process::Command;

use weir_tests::memory::resident_after;
use weir_tests::weir::{run, weir};

/// The most that may be resident with the default rule, in KiB.
const MAX_RESIDENT_KIB: u64 = 32 << 10;

/// The half of it is for what the process allocates, the other half for its code. Of code, a build
/// that is not optimized has several times as much.
const MAX_ALLOCATED_KIB: u64 = MAX_RESIDENT_KIB / 2;

#[test]
fn a_thousand_events_take_no_more_memory_than_some() {
    let mut generator = Command::new(env!("CARGO_BIN_EXE_generate-events"));
    let event = run(generator.args(["--records", "500"])).success();
    let mut weir = weir(["run", "--upper", "1.5", "-"]);
    let [few, many] = resident_after([200, 1000], &mut weir, event.as_bytes());
    assert!(many.allocated_kib <= MAX_ALLOCATED_KIB, "{many:?}");
    if cfg!(not(debug_assertions)) {
        assert!(many.peak_kib <= MAX_RESIDENT_KIB, "{many:?}");
    }
    let grown = many.peak_kib * 10 > few.peak_kib * 11;
    assert!(!grown, "{few:?} after 200 events, {many:?} after 1000");
}
