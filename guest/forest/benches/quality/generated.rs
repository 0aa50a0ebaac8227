//! Data whose anomalies are known, made anew at every run and always the same.

use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// Records in a data set, those of the warm-up included.
const RECORDS: usize = 10_000;
/// One record in so many is an anomaly.
const ONE_IN: u64 = 100;

/// Records with columns of numbers, and which of them are anomalies.
#[derive(Clone, Debug)]
pub(crate) struct DataSet {
    pub(crate) name: &'static str,
    pub(crate) columns: u32,
    pub(crate) points: Vec<Vec<f64>>,
    pub(crate) anomalies: Vec<bool>,
}

/// The data sets, in the order of the tables.
pub(crate) fn all() -> Vec<DataSet> {
    vec![heart_rates(), vital_signs()]
}

/// What Amazon's documentation of `RANDOM_CUT_FOREST` tries it on: 99% of the heart rates are whole
/// numbers from 60 to 100, 1% from 150 to 200
/// (<https://docs.aws.amazon.com/kinesisanalytics/latest/dev/app-anomaly-detection.html>).
fn heart_rates() -> DataSet {
    generate("heart rates", 1, |random, anomaly| {
        vec![if anomaly { uniform(random, 150, 200) } else { uniform(random, 60, 100) }]
    })
}

/// Vital signs of patients, as in Weir's examples: pulse and blood pressure around what is usual,
/// and of an anomaly a pulse that is far too slow or too fast.
fn vital_signs() -> DataSet {
    generate("vital signs", 3, |random, anomaly| {
        let pulse = match anomaly {
            true if random.next_u64().is_multiple_of(2) => uniform(random, 28, 44),
            true => uniform(random, 116, 180),
            false => bell(random, 55, 105),
        };
        vec![pulse, bell(random, 95, 165), bell(random, 55, 100)]
    })
}

fn generate(
    name: &'static str,
    columns: u32,
    point: fn(&mut SplitMix64, bool) -> Vec<f64>,
) -> DataSet {
    let mut random = SplitMix64::seed_from_u64(u64::from(columns));
    let anomalies: Vec<bool> =
        (0..RECORDS).map(|_| random.next_u64().is_multiple_of(ONE_IN)).collect();
    let points = anomalies.iter().map(|&anomaly| point(&mut random, anomaly)).collect();
    DataSet { name, columns, points, anomalies }
}

/// A whole number from `low` to `high`. The bias of the remainder is no matter here.
fn uniform(random: &mut SplitMix64, low: u64, high: u64) -> f64 {
    (low + random.next_u64() % (high - low + 1)) as f64
}

/// A whole number from `low` to `high`, the middle more likely than the ends.
fn bell(random: &mut SplitMix64, low: u64, high: u64) -> f64 {
    ((0..3).map(|_| uniform(random, low, high)).sum::<f64>() / 3.0).floor()
}
