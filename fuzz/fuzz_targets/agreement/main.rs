//! An event is accepted, refused and read as another parser says: any bytes, and records that vary those
//! before them, since each is read by comparing it with the last.

#![no_main]

mod variations;

use libfuzzer_sys::arbitrary::{Arbitrary, Unstructured};
use variations::Script;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    weir::fuzzing::agreement(bytes);
    if let Ok(script) = Script::arbitrary_take_rest(Unstructured::new(bytes)) {
        weir::fuzzing::agreement(&script.event());
    }
});
