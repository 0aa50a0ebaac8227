//! What a scorer for each of many keys costs, in its sandbox, limits on: the table of
//! `docs/migration.md`.
//!
//! ```console
//! $ cargo bench --package weir --no-default-features --features default-rule --bench keys
//! ```
//!
//! Three kinds of stream take turns of a batch: all records are of one key; they are of as many keys
//! as can be awake; each is of another key, so that one scorer falls asleep and one wakes up for it.
//! What is counted is the processor's time: of a record, the median of the turns.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use cpu_time::ProcessTime;
use weir::{Batch, Encoding, Engine, FOREST_RULE, Filter, Limits, Rule};

const KEYS: u64 = 10_000;

/// Records in a batch.
const RECORDS: u64 = 500;

/// Batches of each kind of stream.
const TURNS: u64 = 21;

const MIB: f64 = (1 << 20) as f64;

/// The scorers, and the budget in MiB that holds all keys.
const SCORERS: [(&str, u64); 3] = [
    (r#""scorer":"zscore","subSampleSize":32"#, 8),
    (r#""numberOfTrees":20,"subSampleSize":32"#, 320),
    (r#""numberOfTrees":30,"subSampleSize":64"#, 896),
];

/// How many keys take turns that are awake all the time, whatever the scorer.
const AWAKE: u64 = 50;

fn main() {
    println!("{KEYS} keys, 3 columns; nanoseconds a record");
    println!(
        "| scorer | budget | one key | {AWAKE} keys, awake | a key that sleeps | all snapshots | \
         taken, taken over | resident |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for (scorer, budget_mib) in SCORERS {
        println!("{}", measure(scorer, budget_mib));
    }
}

/// A row of the table.
fn measure(scorer: &str, budget_mib: u64) -> String {
    let settings = format!(
        r#"{{"upper":100,"columns":["/pulse","/systolic","/diastolic"],"key":"/device_id","memoryMiB":{budget_mib},{scorer}}}"#
    );
    let limits = Limits {
        time: Duration::from_secs(60),
        // A snapshot is made beside what it is of.
        memory_bytes: ((3 * budget_mib as usize + 64) << 20).min(4096 << 20),
        output_bytes: (budget_mib as usize) << 20,
        ..Limits::default()
    };
    let engine = Engine::new(limits).expect("an engine");
    let rule = Rule::load(&engine, FOREST_RULE).expect("the forest rule");
    let filter = rule.open(&settings).expect("settings that fit");

    let before = resident();
    eprint!("{scorer}: learning");
    for key in 0..KEYS {
        // As many records as a scorer holds, one key after the other.
        if key % 1000 == 0 {
            eprint!(".");
        }
        classify(&filter, &batch(64, |_| key));
    }
    eprintln!();
    let resident = resident() - before;

    let mut next = 0;
    let mut in_turn = move |_| {
        next = (next + 1) % KEYS;
        next
    };
    let [mut one, mut awake, mut asleep] = [const { Vec::new() }; 3];
    for _ in 0..TURNS {
        one.push(classify(&filter, &batch(RECORDS, |_| 0)));
        classify(&filter, &batch(RECORDS, |record| record % AWAKE));
        awake.push(classify(&filter, &batch(RECORDS, |record| record % AWAKE)));
        asleep.push(classify(&filter, &batch(RECORDS, &mut in_turn)));
    }

    let started = ProcessTime::now();
    let snapshot = filter.snapshot().expect("a snapshot");
    let taken = started.elapsed();
    drop(filter);
    let other = rule.open(&settings).expect("settings that fit");
    let started = ProcessTime::now();
    other.restore(&snapshot).expect("its own snapshot");
    let taken_over = started.elapsed();

    let mut row = format!("| `{scorer}` | {budget_mib} MiB ");
    for nanoseconds in [one, awake, asleep].map(median) {
        write!(row, "| {nanoseconds:.0} ").expect("a string takes all");
    }
    write!(
        row,
        "| {:.1} MiB | {:.0} ms, {:.0} ms | {:.0} MiB |",
        snapshot.len() as f64 / MIB,
        taken.as_secs_f64() * 1e3,
        taken_over.as_secs_f64() * 1e3,
        resident as f64 / MIB
    )
    .expect("a string takes all");
    row
}

/// The processor's time for a record of a batch, in nanoseconds.
fn classify(filter: &Filter, batch: &Batch) -> f64 {
    let started = ProcessTime::now();
    let outcome = filter.classify(batch).expect("an outcome");
    let elapsed = started.elapsed();
    assert!(outcome.failed.is_empty(), "every record is scored");
    elapsed.as_nanos() as f64 / batch.len() as f64
}

/// Vital signs of the keys that `key` tells.
fn batch(records: u64, mut key: impl FnMut(u64) -> u64) -> Batch {
    let mut batch = Batch::with_capacity(Encoding::Plain, records as usize, 0);
    for record in 0..records {
        let key = key(record);
        let number = |factor: u64, range: u64| (record + 1) * (key + 7) * factor % range;
        let (pulse, systolic, diastolic) =
            (60 + number(7919, 41), 100 + number(6271, 31), 60 + number(4447, 26));
        batch.push(
            format!(
                r#"{{"device_id":"device{key:05}","pulse":{pulse},"systolic":{systolic},"diastolic":{diastolic}}}"#
            )
            .as_bytes(),
        );
    }
    batch
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// The memory of this process that is in use, in bytes; 0 where there is no `/proc`.
fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4096
}
