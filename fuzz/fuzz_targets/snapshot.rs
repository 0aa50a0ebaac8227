//! A forest's snapshot: it is refused, or is the state of a forest that works.

#![no_main]

use weir_forest::rcf::{Forest, ForestSettings};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let settings = ForestSettings {
        trees: 2,
        sample_size: 10,
        time_decay: 20,
        shingle: 2,
        ..ForestSettings::new(2)
    };
    let _ = Forest::restore(settings, bytes);

    // As what follows the settings.
    let mut snapshot = Vec::new();
    Forest::new(settings).expect("settings within their ranges").snapshot(&mut snapshot);
    snapshot.truncate(34);
    snapshot.extend_from_slice(bytes);
    let Ok(mut forest) = Forest::restore(settings, &snapshot) else { return };
    let mut again = Vec::new();
    forest.snapshot(&mut again);
    let mut other = Forest::restore(settings, &again).expect("its own snapshot");
    for n in 0..40 {
        let record = [f64::from(n % 7), f64::from(n % 5) * 1e30];
        let score = forest.score_and_learn(&record);
        assert!((0.0..=4.0).contains(&score), "{score}");
        assert_eq!(score, other.score_and_learn(&record));
    }
});
