use super::figure;

/// So many significant digits a threshold has, and more where fewer would flag other records.
const DIGITS: usize = 5;

/// As many as tell any number from all others.
const ALL_DIGITS: usize = 17;

/// The quantiles at which thresholds are suggested.
const QUANTILES: [(&str, f64); 3] =
    [("99% below", 0.99), ("99.5% below", 0.995), ("99.9% below", 0.999)];

/// How scores are distributed.
#[derive(Clone, Debug)]
pub(super) struct Distribution {
    pub(super) mean: f64,
    pub(super) deviation: f64,
    /// From the lowest up.
    sorted: Vec<f64>,
}

impl Distribution {
    /// That of scores, which are numbers. None if there are none.
    pub(super) fn of(mut scores: Vec<f64>) -> Option<Self> {
        if scores.is_empty() {
            return None;
        }
        scores.sort_by(f64::total_cmp);
        let count = scores.len() as f64;
        let (lowest, highest) = (scores[0], scores[scores.len() - 1]);
        // The sum of many may be off in its last bits.
        let mean = scores.iter().map(|score| score / count).sum::<f64>().clamp(lowest, highest);
        // Squares of large numbers would overflow, and those of small ones vanish.
        let unit = power_of_two(lowest.abs().max(highest.abs()));
        let squares = scores.iter().map(|score| (score / unit - mean / unit).powi(2) / count);
        let deviation = squares.sum::<f64>().sqrt() * unit;
        Some(Self { mean, deviation, sorted: scores })
    }

    pub(super) fn count(&self) -> u64 {
        self.sorted.len() as u64
    }

    pub(super) fn lowest(&self) -> f64 {
        self.sorted[0]
    }

    pub(super) fn highest(&self) -> f64 {
        self.sorted[self.sorted.len() - 1]
    }

    /// The mean and three standard deviations, as a threshold.
    pub(super) fn three_sigma(&self) -> f64 {
        self.short((self.mean + 3.0 * self.deviation).min(f64::MAX))
    }

    /// Thresholds that could be set, by name.
    pub(super) fn suggestions(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let quantiles = QUANTILES.map(|(name, share)| (name, self.short(self.quantile(share))));
        std::iter::once(("mean + 3σ", self.three_sigma())).chain(quantiles)
    }

    /// A threshold with few digits that as many scores are at or above.
    fn short(&self, threshold: f64) -> f64 {
        let flagged = self.above(threshold);
        let mut rounded = (DIGITS..ALL_DIGITS).map(|digits| figure::rounded(threshold, digits));
        rounded.find(|rounded| self.above(*rounded) == flagged).unwrap_or(threshold)
    }

    /// How many scores are at a threshold or above.
    pub(super) fn above(&self, threshold: f64) -> u64 {
        (self.sorted.len() - self.sorted.partition_point(|&score| score < threshold)) as u64
    }

    /// The lowest score that is above a share of all, from 0 to 1; the highest, if none is.
    fn quantile(&self, share: f64) -> f64 {
        let rank = (share * self.sorted.len() as f64).floor() as usize;
        self.sorted[rank.min(self.sorted.len() - 1)]
    }
}

/// The power of two below a number that is not negative: dividing by it is exact.
fn power_of_two(number: f64) -> f64 {
    let exponent = f64::INFINITY.to_bits();
    f64::from_bits(number.to_bits() & exponent).max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_known_of_scores() {
        let scores = Distribution::of(vec![9.0, 4.0, 4.0, 5.0, 2.0, 4.0, 7.0, 5.0]);
        let scores = scores.expect("there are scores");
        assert_eq!((scores.mean, scores.deviation, scores.three_sigma()), (5.0, 2.0, 11.0));
        assert_eq!((scores.count(), scores.lowest(), scores.highest()), (8, 2.0, 9.0));
        assert_eq!((scores.above(5.0), scores.above(5.1), scores.above(9.1)), (4, 2, 0));
        assert!(Distribution::of(Vec::new()).is_none());
    }

    #[test]
    fn a_quantile_leaves_that_share_below() {
        let scores = Distribution::of((1..=1000).map(f64::from).collect()).expect("scores");
        let suggestions: Vec<_> = scores.suggestions().skip(1).collect();
        assert_eq!(
            suggestions,
            [("99% below", 991.0), ("99.5% below", 996.0), ("99.9% below", 1000.0)]
        );
        assert_eq!(scores.above(991.0), 10);
        let one = Distribution::of(vec![3.0]).expect("a score");
        assert!(one.suggestions().all(|(_, threshold)| threshold == 3.0));
    }

    #[test]
    fn scores_that_are_all_the_same_have_no_deviation() {
        let scores = Distribution::of(vec![0.7; 1000]).expect("scores");
        assert_eq!((scores.mean, scores.deviation), (0.7, 0.0));
        assert!(scores.suggestions().all(|(_, threshold)| threshold == 0.7));
    }

    #[test]
    fn scores_may_be_as_large_and_as_small_as_numbers_are() {
        let large = Distribution::of(vec![1e308, -1e308]).expect("scores");
        assert_eq!((large.mean, large.deviation), (0.0, 1e308));
        assert_eq!(large.above(large.three_sigma()), 0);
        let largest = Distribution::of(vec![f64::MAX, f64::MIN]).expect("scores");
        assert_eq!(largest.three_sigma(), f64::MAX);
        let small = Distribution::of(vec![3e-200, 1e-200]).expect("scores");
        assert!((small.deviation / 1e-200 - 1.0).abs() < 1e-9, "{}", small.deviation);
    }

    proptest! {
        #[test]
        fn a_threshold_flags_what_it_says_when_it_is_read_again(
            scores in prop::collection::vec(
                prop_oneof![0.1..9.0, 1e-5..2e-5, any::<f64>().prop_filter("finite", |s| s.is_finite())],
                1..300,
            ),
        ) {
            let scores = Distribution::of(scores).expect("scores");
            for (share, (_, threshold)) in QUANTILES.iter().zip(scores.suggestions().skip(1)) {
                prop_assert_eq!(scores.above(threshold), scores.above(scores.quantile(share.1)));
                prop_assert_eq!(figure::text(threshold).parse(), Ok(threshold));
            }
        }
    }
}
