//! What a record costs: the rule in its sandbox beside the same work done natively.
//!
//! `cargo bench --bench classify` prints a table. All contestants of a line do the same work on the
//! same batch, in turns, in one process; a ratio is the median over the turns, so that it holds
//! where the machine's speed drifts.

mod contestants;

mod cpython;

mod records;

use std::hint::black_box;
use std::time::{Duration, Instant};

use contestants::{Contestant, component, native_mark, native_rule};

/// Records in a batch.
const RECORDS: usize = 500;

/// Turns that count, and turns before them that do not.
const TURNS: usize = 200;
const WARM_UP: usize = 20;

/// How long each contestant works in a turn, at the least.
const TURN: Duration = Duration::from_millis(2);

fn main() {
    println!("classify: {RECORDS} records a batch, limits on, a fresh instance for each batch");
    for bytes in [200, 2000] {
        let records = records::encoded(RECORDS, bytes);
        let mut contestants = [native_mark(&records), native_rule(&records), component(&records)];
        let flagged: Vec<_> = contestants.iter_mut().map(|one| (one.classify)()).collect();
        assert!(flagged.iter().all(|count| *count == flagged[0]), "they disagree: {flagged:?}");

        println!("\n{:<48} {:>9} {:>9}", format!("{bytes}-byte JSON"), "ns/record", "ratio");
        let turns = take_turns(&mut contestants);
        for (index, one) in contestants.iter().enumerate() {
            let cost = median(turns.iter().map(|turn| turn[index]));
            let ratio = median(turns.iter().map(|turn| turn[index] / turn[0]));
            println!("  {:<46} {cost:>9.0} {ratio:>9.2}", one.name);
        }
        let mark = median(turns.iter().map(|turn| turn[0]));
        match cpython::cost(&records, flagged[0]) {
            Ok(cost) => println!("  {:<46} {cost:>9.0} {:>9.2}", cpython::NAME, cost / mark),
            Err(why) => println!("  {:<46} {why}", cpython::NAME),
        }
    }
}

/// What a record costs each contestant, turn by turn, in nanoseconds.
fn take_turns<const N: usize>(contestants: &mut [Contestant<'_>; N]) -> Vec<[f64; N]> {
    let mut turn = || contestants.each_mut().map(cost_of_turn);
    (0..WARM_UP).for_each(|_| {
        turn();
    });
    (0..TURNS).map(|_| turn()).collect()
}

fn cost_of_turn(contestant: &mut Contestant<'_>) -> f64 {
    let started = Instant::now();
    let mut batches = 0;
    while started.elapsed() < TURN {
        black_box((contestant.classify)());
        batches += 1;
    }
    started.elapsed().as_nanos() as f64 / f64::from(batches) / RECORDS as f64
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
