//! The streaming z-score: how many standard deviations a record is from what its columns were.
//!
//! Far cheaper than the forest, in time and in state, and better where each column tells of an
//! anomaly by itself. It does not see what is unusual only in combination, or in the gap between
//! two usual values.
//!
//! Each column keeps a mean and a variance in which a value that came `n` values ago weighs
//! (1 − 1/`time_decay`)ⁿ. They are updated one value at a time without a difference of large sums
//! (B. P. Welford, *Note on a Method for Calculating Corrected Sums of Squares and Products*,
//! Technometrics 4(3), 1962; with weights: D. H. D. West, *Updating Mean and Variance Estimates*,
//! Communications of the ACM 22(9), 1979). All that is computed with is addition, multiplication,
//! division and the square root, which IEEE 754 rounds in one way: the same records give the same
//! scores, bit for bit, on every host.

mod snapshot;

pub use snapshot::ZScoreSnapshotError;

/// The highest score, which also a value has that leaves a column that never varied.
pub const HIGHEST_ZSCORE: f64 = 1000.0;

/// Values are held to ± this, so that no square overflows.
const FARTHEST_VALUE: f64 = 1e150;

/// How a [`ZScore`] is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZScoreSettings {
    /// How many columns a record has.
    pub columns: u32,
    /// How many values a column learns before its score is more than 0.
    pub sample_size: u32,
    /// How many values it takes for a value's weight to sink to 1/e. At least 1, which is what 0
    /// counts as.
    pub time_decay: u32,
}

/// A scorer of records by the deviation of their columns.
///
/// ```
/// use weir_forest::zscore::{ZScore, ZScoreSettings};
///
/// let settings = ZScoreSettings { columns: 1, sample_size: 256, time_decay: 100_000 };
/// let mut pulse = ZScore::new(settings);
/// for beat in 0..256 {
///     assert_eq!(pulse.score(&[190.0]), 0.0);
///     pulse.learn(&[f64::from(70 + beat % 11)]);
/// }
/// assert!(pulse.score(&[75.0]) < 0.1);
/// assert!(pulse.score(&[190.0]) > 30.0);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ZScore {
    settings: ZScoreSettings,
    columns: Vec<Moments>,
}

impl ZScore {
    /// A scorer that has learnt nothing.
    pub fn new(settings: ZScoreSettings) -> Self {
        Self { settings, columns: vec![Moments::default(); settings.columns as usize] }
    }

    /// What the scorer was made with.
    pub fn settings(&self) -> ZScoreSettings {
        self.settings
    }

    /// The deviation of the column that is farthest out, from 0 to [`HIGHEST_ZSCORE`].
    pub fn score(&self, point: &[f64]) -> f64 {
        self.deviations(point).fold(0.0, |farthest, deviation| deviation.abs().max(farthest))
    }

    /// The deviation of each column: how many standard deviations its value is above the mean
    /// (below it, if negative), from −[`HIGHEST_ZSCORE`] to [`HIGHEST_ZSCORE`].
    ///
    /// It is 0 while the column has learnt fewer than `sample_size` values, and for a value that is
    /// missing or not finite.
    pub fn attribution(&self, point: &[f64]) -> Vec<f64> {
        self.deviations(point).collect()
    }

    /// Learns a record. A value that is missing or not finite is not learnt.
    pub fn learn(&mut self, point: &[f64]) {
        let keep = 1.0 - 1.0 / f64::from(self.settings.time_decay.max(1));
        for (moments, &value) in self.columns.iter_mut().zip(point) {
            if value.is_finite() {
                moments.learn(value, keep);
            }
        }
    }

    fn deviations(&self, point: &[f64]) -> impl Iterator<Item = f64> {
        let values = point.iter().copied().chain(std::iter::repeat(f64::NAN));
        self.columns.iter().zip(values).map(|(moments, value)| {
            let learnt = moments.learnt >= u64::from(self.settings.sample_size);
            if learnt && value.is_finite() { moments.deviation(value) } else { 0.0 }
        })
    }
}

/// What is known of a column.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Moments {
    /// How many values were learnt.
    learnt: u64,
    /// The sum of their weights.
    weight: f64,
    mean: f64,
    variance: f64,
}

impl Moments {
    fn learn(&mut self, value: f64, keep: f64) {
        self.learnt = self.learnt.saturating_add(1);
        self.weight = self.weight * keep + 1.0;
        let share = 1.0 / self.weight;
        let difference = held(value) - self.mean;
        self.mean += share * difference;
        self.variance = (1.0 - share) * (self.variance + share * difference * difference);
    }

    fn deviation(&self, value: f64) -> f64 {
        let difference = held(value) - self.mean;
        if difference == 0.0 {
            return 0.0; // Also where the variance is 0.
        }
        (difference / self.variance.sqrt()).clamp(-HIGHEST_ZSCORE, HIGHEST_ZSCORE)
    }
}

fn held(value: f64) -> f64 {
    value.clamp(-FARTHEST_VALUE, FARTHEST_VALUE)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const FORGETS_NOTHING: u32 = i32::MAX as u32;

    fn taught(sample_size: u32, time_decay: u32, values: &[f64]) -> ZScore {
        let mut scorer = ZScore::new(ZScoreSettings { columns: 1, sample_size, time_decay });
        values.iter().for_each(|&value| scorer.learn(&[value]));
        scorer
    }

    fn assert_near(one: f64, other: f64) {
        assert!((one - other).abs() <= 1e-6 * other.abs().max(1.0), "{one} is not {other}");
    }

    #[test]
    fn the_score_counts_standard_deviations() {
        // Their mean is 5, their standard deviation 2.
        let scorer = taught(8, FORGETS_NOTHING, &[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert_near(scorer.score(&[11.0]), 3.0);
        assert_near(scorer.score(&[-1.0]), 3.0);
        assert_near(scorer.attribution(&[-1.0])[0], -3.0);
    }

    #[test]
    fn the_score_is_that_of_the_farthest_column() {
        let settings = ZScoreSettings { columns: 2, sample_size: 2, time_decay: FORGETS_NOTHING };
        let mut scorer = ZScore::new(settings);
        scorer.learn(&[1.0, 10.0]);
        scorer.learn(&[3.0, 30.0]);
        let attribution = scorer.attribution(&[4.0, -20.0]);
        assert_near(attribution[0], 2.0);
        assert_near(attribution[1], -4.0);
        assert_near(scorer.score(&[4.0, -20.0]), 4.0);
    }

    #[test]
    fn the_first_scores_are_zero() {
        let mut scorer = taught(3, 100, &[1.0, 2.0]);
        assert_eq!(scorer.score(&[50.0]), 0.0);
        scorer.learn(&[3.0]);
        assert!(scorer.score(&[50.0]) > 3.0);
    }

    #[test]
    fn a_column_that_never_varied_is_left_at_once() {
        let scorer = taught(3, 100, &[0.1; 300]);
        assert_eq!(scorer.score(&[0.1]), 0.0);
        assert_eq!(scorer.attribution(&[0.1 + 1e-12]), [HIGHEST_ZSCORE]);
        assert_eq!(scorer.attribution(&[0.1 - 1e-12]), [-HIGHEST_ZSCORE]);
    }

    #[test]
    fn what_is_missing_or_not_finite_is_neither_scored_nor_learnt() {
        let settings = ZScoreSettings { columns: 2, sample_size: 2, time_decay: 100 };
        let mut scorer = ZScore::new(settings);
        scorer.learn(&[1.0, 1.0]);
        scorer.learn(&[2.0, 2.0]);
        let before = scorer.clone();
        for point in [&[][..], &[f64::NAN, f64::INFINITY], &[f64::NEG_INFINITY]] {
            scorer.learn(point);
            assert_eq!(scorer.attribution(point), [0.0, 0.0]);
        }
        assert_eq!(scorer, before);
        assert_eq!(scorer.attribution(&[9.0])[1], 0.0);
        assert!(scorer.attribution(&[f64::NAN, 9.0])[1] > 3.0);
        assert_eq!(scorer.attribution(&[1.5, 1.5, 9.0]).len(), 2);
    }

    #[test]
    fn a_new_level_becomes_usual() {
        let mut scorer = taught(10, 50, &[0.0, 1.0].repeat(100));
        assert!(scorer.score(&[100.0]) > 100.0);
        [100.0, 101.0].repeat(400).iter().for_each(|&value| scorer.learn(&[value]));
        assert!(scorer.score(&[100.0]) < 1.1);
        assert!(scorer.score(&[0.0]) > 100.0);
    }

    /// The mean and the standard deviation, by their definitions.
    fn by_definition(values: &[f64], time_decay: u32) -> (f64, f64) {
        let keep = 1.0 - 1.0 / f64::from(time_decay);
        let weights: Vec<f64> = (0..values.len()).rev().map(|age| keep.powi(age as i32)).collect();
        let total: f64 = weights.iter().sum();
        let weighted = |of: &dyn Fn(f64) -> f64| {
            values.iter().zip(&weights).map(|(&value, weight)| of(value) * weight).sum::<f64>()
                / total
        };
        let mean = weighted(&|value| value);
        (mean, weighted(&|value| (value - mean).powi(2)).sqrt())
    }

    proptest! {
        #[test]
        fn moments_are_as_defined(
            values in vec(-100.0..100.0, 2..200),
            offset in prop::sample::select(vec![0.0, 1e9]),
            time_decay in 2..1000u32,
            next in -500.0..500.0,
        ) {
            let values: Vec<f64> = values.iter().map(|value: &f64| value + offset).collect();
            let (mean, deviation) = by_definition(&values, time_decay);
            prop_assume!(deviation > 1.0);
            let expected: f64 = (next + offset - mean) / deviation;
            let scored = taught(0, time_decay, &values).attribution(&[next + offset])[0];
            prop_assert!((scored - expected).abs() < 1e-5 * expected.abs().max(1.0));
        }

        #[test]
        fn whatever_comes_the_score_is_a_number_within_bounds(
            values in vec(any::<f64>(), 0..50),
            time_decay in any::<u32>(),
        ) {
            let mut scorer = taught(0, time_decay, &[]);
            for value in values {
                let score = scorer.score(&[value]);
                prop_assert!((0.0..=HIGHEST_ZSCORE).contains(&score), "{score}");
                scorer.learn(&[value]);
            }
        }
    }
}
