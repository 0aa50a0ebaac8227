//! What a record costs: Weir beside other engines that run WebAssembly over records, at the same
//! work, with the same rule compiled by the same compiler.
//!
//! `cargo run --release` in this folder prints a table. All contestants do the same work on the same
//! batch, in turns, in one process; a ratio is the median over the turns, so that it holds where the
//! machine's speed drifts. `README.md` says what each is given.

mod engines;

#[allow(dead_code, reason = "all records are alike here")]
#[path = "../../host/benches/workload/records.rs"]
mod records;

#[path = "../../host/benches/performance/turns.rs"]
mod turns;

use engines::{Contestant, weir};

/// Records in a batch.
const RECORDS: usize = 500;

/// JSON in a record, in bytes.
const RECORD_BYTES: usize = 200;

/// Turns that count.
const TURNS: usize = 200;

fn main() {
    let mut contestants = contestants(&records::records(RECORDS, RECORD_BYTES));
    let flagged: Vec<_> = contestants.iter_mut().map(|one| (one.classify)()).collect();
    assert!(flagged.iter().all(|count| *count == flagged[0]), "they disagree: {flagged:?}");
    println!(
        "classify {RECORDS} records a batch: decode base64, validate {RECORD_BYTES} bytes of \
         JSON, compare the score; all flag {} of them\n",
        flagged[0]
    );

    let mut work: Vec<_> =
        contestants.iter_mut().map(|one| turns::per_record(RECORDS, || (one.classify)())).collect();
    let figures = turns::take(TURNS, &mut work);
    drop(work);
    println!("{:<44} {:>9} {:>7} {:>7}   mark", "", "ns/record", "/ fresh", "/ kept");
    for (index, one) in contestants.iter().enumerate() {
        let [fresh, kept] = [FRESH, KEPT].map(|weir| figures.ratio(index, weir));
        let (cost, verdict) = (figures.of(index), verdict(one.mark, kept));
        println!("{:<44} {cost:>9.0} {fresh:>7.2} {kept:>7.2}{verdict}", one.name);
        println!("  {}", one.terms);
    }
}

/// Which of the contestants Weir is, with a fresh instance for each batch, and with one that is kept: the
/// others' costs are multiples of these.
const FRESH: usize = 0;
const KEPT: usize = 1;

fn contestants(records: &[String]) -> Vec<Contestant> {
    vec![
        weir::fresh(records),
        weir::reused(records),
        #[cfg(feature = "extism")]
        engines::extism::reused(records),
        #[cfg(feature = "extism")]
        engines::extism::fresh(records),
        #[cfg(feature = "extism")]
        engines::extism::pooled(records),
        #[cfg(feature = "fluvio")]
        engines::fluvio::reused(records),
    ]
}

fn verdict(mark: Option<f64>, ratio: f64) -> String {
    match mark {
        None => String::new(),
        Some(mark) if ratio >= mark => format!("   ≥ {mark}: reached"),
        Some(mark) => format!("   ≥ {mark}: missed"),
    }
}
