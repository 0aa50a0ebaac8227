//! What the forest's score costs in its sandbox, limits on, beside crate `krcf` natively, which is a
//! fork of Amazon's own Rust library; how it grows; and what its state costs.
//!
//! ```console
//! $ cargo bench --package weir --no-default-features --features default-rule --bench forest
//! ```
//!
//! All score each record and learn it, and have learnt the same records before. Theirs are numbers in
//! memory, the rule's are JSON. They work in turns; figures, and ratios, are medians of the turns.

#[path = "performance/turns.rs"]
mod turns;

use std::time::Instant;

use krcf::{RandomCutForest, RandomCutForestOptions};
use turns::{Contestant, per_record, take};
use weir::{Batch, Encoding, Engine, FOREST_RULE, Filter, Limits, Rule};
use weir_forest::rcf::{Forest, ForestSettings};

/// Records in a batch.
const RECORDS: usize = 500;

/// Batches that are learnt before any turn, and come in turn.
const BATCHES: usize = 40;

const TURNS: usize = 41;

/// Batches in a turn of the forest. In this it works about as long as `krcf` does for one batch: what
/// a turn of the others left in the processor's caches is to count for each alike.
const IN_A_TURN: usize = 5;

/// How many times as fast as `krcf` the sandboxed rule is to be.
const MARK: f64 = 5.0;

/// How much taking a state and taking it over may cost together, beside scoring 100 records.
const STATE_MARK: f64 = 1.0;

fn main() {
    let engine = Engine::new(Limits::default()).expect("an engine");
    let rule = Rule::load(&engine, FOREST_RULE).expect("the forest rule");

    println!("nanoseconds a record, after {} were learnt", BATCHES * RECORDS);
    println!(
        "\n| columns | trees | `krcf`, native | sandboxed rule | times as fast | the same forest, native |"
    );
    println!("| ---: | ---: | ---: | ---: | ---: | ---: |");
    for (columns, trees) in [(3, 50), (3, 100), (8, 50), (8, 100)] {
        println!("{}", beside(&rule, ForestSettings { trees, ..ForestSettings::new(columns) }));
    }

    let default = ForestSettings::new(3);
    println!("\n| sandboxed rule | nanoseconds a record |");
    println!("| --- | ---: |");
    for (what, settings) in [
        ("3 columns, 100 trees, samples of 256, no shingles", default),
        ("10 trees", ForestSettings { trees: 10, ..default }),
        ("1000 trees, samples of 64", ForestSettings { trees: 1000, sample_size: 64, ..default }),
        ("1 column", ForestSettings { columns: 1, ..default }),
        ("8 columns", ForestSettings { columns: 8, ..default }),
        ("30 columns", ForestSettings { columns: 30, ..default }),
        ("shingles of 4", ForestSettings { shingle: 4, ..default }),
        ("shingles of 8", ForestSettings { shingle: 8, ..default }),
        ("samples of 64", ForestSettings { sample_size: 64, ..default }),
        ("samples of 1000", ForestSettings { sample_size: 1000, ..default }),
    ] {
        println!("| {what} | {:.0} |", alone(&rule, settings));
    }

    println!(
        "\nmilliseconds; opened is an instance that has learnt nothing, as a state is taken over by"
    );
    println!(
        "\n| columns | snapshot | opened | taken | taken over | 100 records | taken and taken over beside 100 records |"
    );
    println!("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for columns in [1, 3, 8] {
        println!("{}", state(&rule, ForestSettings::new(columns)));
    }
}

/// A row of the table of contestants.
fn beside(rule: &Rule, settings: ForestSettings) -> String {
    let ForestSettings { trees, columns, .. } = settings;
    let records = records(settings);
    let mut contestants: [Contestant<'_>; 3] = [
        theirs(settings, &records),
        sandboxed(rule, settings, &records),
        native(settings, &records),
    ];
    let figures = take(TURNS, &mut contestants);
    let [theirs, sandboxed, native] = [0, 1, 2].map(|contestant| figures.of(contestant));
    let times = figures.ratio(0, 1);
    let missed = if times < MARK { " (missed)" } else { "" };
    format!(
        "| {columns} | {trees} | {theirs:.0} | {sandboxed:.0} | {times:.1}{missed} | {native:.0} |"
    )
}

/// What a record costs the rule.
fn alone(rule: &Rule, settings: ForestSettings) -> f64 {
    take(TURNS, &mut [sandboxed(rule, settings, &records(settings))]).of(0)
}

/// A row of the table of states.
fn state(rule: &Rule, settings: ForestSettings) -> String {
    let records = records(settings);
    let filter = opened(rule, settings);
    let batches: Vec<_> = records.chunks(RECORDS).map(batch).collect();
    batches.iter().for_each(|batch| classify(&filter, batch));
    let mut hundreds = records.chunks(100).map(batch).cycle();
    let milliseconds = |work: &mut dyn FnMut()| {
        let started = Instant::now();
        work();
        started.elapsed().as_secs_f64() * 1e3
    };
    let mut snapshot = filter.snapshot().expect("a snapshot");
    let mut other = opened(rule, settings);
    let mut turns = [const { Vec::new() }; 5];
    for _ in 0..TURNS {
        let open = milliseconds(&mut || other = opened(rule, settings));
        let taken = milliseconds(&mut || snapshot = filter.snapshot().expect("a snapshot"));
        let over = milliseconds(&mut || other.restore(&snapshot).expect("its own snapshot"));
        let hundred = hundreds.next().expect("they come again");
        let scored = milliseconds(&mut || classify(&filter, &hundred));
        let figures = [open, taken, over, scored, (taken + over) / scored];
        turns.iter_mut().zip(figures).for_each(|(turns, figure)| turns.push(figure));
    }
    let [open, taken, over, scored, ratio] = turns.map(|mut figures| {
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    });
    let missed = if ratio > STATE_MARK { " (missed)" } else { "" };
    format!(
        "| {} | {} bytes | {open:.2} | {taken:.2} | {over:.2} | {scored:.2} | {ratio:.2}{missed} |",
        settings.columns,
        snapshot.len()
    )
}

/// `krcf`, which scores each record, then learns it.
fn theirs(settings: ForestSettings, records: &[Vec<f64>]) -> Contestant<'static> {
    let options = RandomCutForestOptions {
        dimensions: settings.columns as usize,
        shingle_size: settings.shingle as usize,
        num_trees: Some(settings.trees as usize),
        sample_size: Some(settings.sample_size as usize),
        output_after: Some(settings.sample_size as usize),
        lambda: Some(1.0 / f64::from(settings.time_decay)),
        random_seed: Some(settings.seed),
        ..RandomCutForestOptions::default()
    };
    let mut forest = RandomCutForest::new(options).expect("options that fit");
    let number = |&number: &f64| number as f32;
    let records: Vec<Vec<f32>> = records.iter().map(|r| r.iter().map(number).collect()).collect();
    records.iter().for_each(|record| forest.update(record).expect("a record that fits"));
    let mut batches = in_turn(records);
    per_record(RECORDS, move || {
        let mut sum = 0.0;
        for record in batches() {
            sum += forest.score(&record).expect("a record that fits");
            forest.update(&record).expect("a record that fits");
        }
        sum
    })
}

/// The forest, without rule and sandbox.
fn native(settings: ForestSettings, records: &[Vec<f64>]) -> Contestant<'static> {
    let mut forest = Forest::new(settings).expect("settings that fit");
    records.iter().for_each(|record| forest.learn(record));
    let mut batches = in_turn(records.to_vec());
    per_record(IN_A_TURN * RECORDS, move || {
        let mut batch =
            || batches().iter().map(|record| forest.score_and_learn(record)).sum::<f64>();
        (0..IN_A_TURN).map(|_| batch()).sum::<f64>()
    })
}

/// The rule in its sandbox.
fn sandboxed(rule: &Rule, settings: ForestSettings, records: &[Vec<f64>]) -> Contestant<'static> {
    let filter = opened(rule, settings);
    let batches: Vec<_> = records.chunks(RECORDS).map(batch).collect();
    batches.iter().for_each(|batch| classify(&filter, batch));
    let mut next = 0;
    per_record(IN_A_TURN * RECORDS, move || {
        for _ in 0..IN_A_TURN {
            next = (next + 1) % batches.len();
            classify(&filter, &batches[next]);
        }
    })
}

/// The batches of records, one after another, and again.
fn in_turn<T: Clone>(records: Vec<T>) -> impl FnMut() -> Vec<T> {
    let mut next = 0;
    move || {
        next = (next + RECORDS) % records.len();
        records[next..next + RECORDS].to_vec()
    }
}

fn opened(rule: &Rule, settings: ForestSettings) -> Filter {
    let ForestSettings { trees, sample_size, time_decay, shingle, columns, .. } = settings;
    let columns: Vec<_> = (0..columns).map(|column| format!("/c{column}")).collect();
    let document = format!(
        r#"{{"upper":100,"columns":{columns:?},"numberOfTrees":{trees},"subSampleSize":{sample_size},"timeDecay":{time_decay},"shingleSize":{shingle}}}"#
    );
    rule.open(&document).expect("settings that fit")
}

fn classify(filter: &Filter, batch: &Batch) {
    let outcome = filter.classify(batch).expect("an outcome");
    assert!(outcome.failed.is_empty(), "every record is scored");
}

fn batch(records: &[Vec<f64>]) -> Batch {
    let mut batch = Batch::with_capacity(Encoding::Plain, records.len(), 0);
    for record in records {
        let members: Vec<_> = record
            .iter()
            .enumerate()
            .map(|(column, number)| format!(r#""c{column}":{number}"#))
            .collect();
        batch.push(format!("{{{}}}", members.join(",")).as_bytes());
    }
    batch
}

/// Records whose numbers lie around a mean of their column's, to three decimals.
fn records(settings: ForestSettings) -> Vec<Vec<f64>> {
    let mut state = 1_u64;
    // Knuth's generator for MMIX. Twelve uniform numbers sum to one that is nearly normal.
    let mut uniform = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1_u64 << 31) as f64
    };
    let mut normal = move || (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
    let mut number = move |column: u32| {
        let number = f64::from(column + 1) * (10.0 + normal());
        (number * 1000.0).round() / 1000.0
    };
    let mut record = move |_| (0..settings.columns).map(&mut number).collect();
    (0..BATCHES * RECORDS).map(&mut record).collect()
}
