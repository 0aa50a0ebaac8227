//! What is compared: Weir's scorers and others, behind one seam.
//!
//! All have the settings of Kinesis Data Analytics' defaults, score a point before they learn it,
//! and say 0 of the first [`WARM_UP`] records. What else can be set is as its authors left it.

use krcf::{RandomCutForest, RandomCutForestOptions};
use rcf3::RcfConfig;
use weir_forest::rcf::{Forest, ForestSettings};
use weir_forest::zscore::{ZScore, ZScoreSettings};

/// The first records, of which a scorer says nothing: `subSampleSize`.
pub(crate) const WARM_UP: usize = SAMPLE_SIZE as usize;

pub(crate) const TREES: u32 = 100;
const SAMPLE_SIZE: u32 = 256;
const TIME_DECAY: u32 = 100_000;
/// After how many records the EWMA has forgotten all but 1/e: it knows what is usual just now.
const EWMA_DECAY: u32 = 100;

/// A scorer of records, one after the other.
pub(crate) trait Scorer {
    /// The score of the next record, which is then learnt.
    fn next(&mut self, point: &[f64]) -> f64;
}

/// A scorer that takes part.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    /// Whether its scores are on the scale of the service, to be compared with the same bounds.
    pub(crate) on_scale: bool,
    /// Whether its scores depend on a seed.
    pub(crate) seeded: bool,
    /// Whether it is Weir's.
    pub(crate) own: bool,
    /// Makes it, for records of so many columns and with a seed.
    pub(crate) make: fn(u32, u64) -> Box<dyn Scorer>,
}

impl Contestant {
    /// How many seeds it is tried with, Weir's forest being tried with so many. The others' are slower.
    pub(crate) fn seeds(&self, seeds: u64) -> u64 {
        match (self.seeded, self.own) {
            (false, _) => 1,
            (true, true) => seeds,
            (true, false) => seeds.div_ceil(10),
        }
    }
}

/// Weir's forest, which is the one that the marks are about.
pub(crate) const FOREST: &str = "Weir's forest";
/// Weir's second scorer.
pub(crate) const Z_SCORE: &str = "z-score";

/// All contestants, in the order of the tables.
pub(crate) const CONTESTANTS: [Contestant; 6] = [
    Contestant {
        name: FOREST,
        on_scale: true,
        seeded: true,
        own: true,
        make: |columns, seed| Box::new(weir_forest(columns, seed)),
    },
    Contestant {
        name: "krcf",
        on_scale: true,
        seeded: true,
        own: false,
        make: |columns, seed| Box::new(Krcf::new(columns, seed)),
    },
    Contestant {
        name: "rcf3",
        on_scale: true,
        seeded: true,
        own: false,
        make: |columns, seed| Box::new(Rcf3::new(columns, seed)),
    },
    Contestant {
        name: Z_SCORE,
        on_scale: false,
        seeded: false,
        own: true,
        make: |columns, _| Box::new(z_score(columns, TIME_DECAY)),
    },
    Contestant {
        name: "EWMA",
        on_scale: false,
        seeded: false,
        own: true,
        make: |columns, _| Box::new(z_score(columns, EWMA_DECAY)),
    },
    Contestant {
        name: "always normal",
        on_scale: true,
        seeded: false,
        own: true,
        make: |_, _| Box::new(AlwaysNormal),
    },
];

fn weir_forest(columns: u32, seed: u64) -> Forest {
    let settings = ForestSettings {
        trees: TREES,
        sample_size: SAMPLE_SIZE,
        time_decay: TIME_DECAY,
        seed,
        ..ForestSettings::new(columns)
    };
    Forest::new(settings).expect("settings within their ranges")
}

impl Scorer for Forest {
    fn next(&mut self, point: &[f64]) -> f64 {
        self.score_and_learn(point)
    }
}

fn z_score(columns: u32, time_decay: u32) -> ZScore {
    ZScore::new(ZScoreSettings { columns, sample_size: SAMPLE_SIZE, time_decay })
}

impl Scorer for ZScore {
    fn next(&mut self, point: &[f64]) -> f64 {
        let score = self.score(point);
        self.learn(point);
        score
    }
}

/// The crate `krcf`: a fork of AWS's own Rust port that builds for more targets.
struct Krcf(RandomCutForest);

impl Krcf {
    fn new(columns: u32, seed: u64) -> Self {
        let options = RandomCutForestOptions {
            dimensions: columns as usize,
            num_trees: Some(TREES as usize),
            sample_size: Some(SAMPLE_SIZE as usize),
            output_after: Some(WARM_UP),
            lambda: Some(1.0 / f64::from(TIME_DECAY)),
            random_seed: Some(seed),
            ..RandomCutForestOptions::default()
        };
        Self(RandomCutForest::new(options).expect("options that fit"))
    }
}

impl Scorer for Krcf {
    fn next(&mut self, point: &[f64]) -> f64 {
        let point = single_precision(point);
        let score = self.0.score(&point).expect("a point of as many columns");
        self.0.update(&point).expect("a point of as many columns");
        score
    }
}

/// The crate `rcf3`.
struct Rcf3(rcf3::Forest);

impl Rcf3 {
    fn new(columns: u32, seed: u64) -> Self {
        let config = RcfConfig::new(columns as usize)
            .with_num_trees(TREES as usize)
            .with_capacity(SAMPLE_SIZE as usize)
            .with_output_after(WARM_UP)
            .with_time_decay(1.0 / f64::from(TIME_DECAY));
        Self(rcf3::Forest::from_config_seeded(&config, seed).expect("a configuration that fits"))
    }
}

impl Scorer for Rcf3 {
    fn next(&mut self, point: &[f64]) -> f64 {
        let point = single_precision(point);
        self.0.update_and_score(&point).expect("a point of as many columns")
    }
}

/// Both crates compute with these.
fn single_precision(point: &[f64]) -> Vec<f32> {
    point.iter().map(|&value| value as f32).collect()
}

/// What every scorer must beat: it finds everything as usual as the mean.
struct AlwaysNormal;

impl Scorer for AlwaysNormal {
    fn next(&mut self, _: &[f64]) -> f64 {
        1.0
    }
}
