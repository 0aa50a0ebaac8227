//! What a record costs: Weir beside other engines that run WebAssembly over records, at the same
//! work, with the same rule compiled by the same compiler.
//!
//! `cargo run --release` in this folder prints a table. All contestants do the same work on the same
//! batch, in turns, in one process; a ratio is the median over the turns, so that it holds where the
//! machine's speed drifts. `README.md` says what each is given.

mod engines;

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
    println!("{:<44} {:>9} {:>7}   mark", "", "ns/record", "ratio");
    for (index, one) in contestants.iter().enumerate() {
        let (cost, ratio) = (figures.of(index), figures.ratio(index, 0));
        println!("{:<44} {cost:>9.0} {ratio:>7.2}{}", one.name, verdict(one.mark, ratio));
        println!("  {}", one.terms);
    }
}

/// Weir first: the others' costs are multiples of its own.
fn contestants(records: &[String]) -> Vec<Contestant> {
    vec![
        weir::fresh(records),
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
