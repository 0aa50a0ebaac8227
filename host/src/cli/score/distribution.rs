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
        let mean = scores.iter().map(|score| score / count).sum::<f64>();
        let variance = scores.iter().map(|score| (score - mean).powi(2) / count).sum::<f64>();
        Some(Self { mean, deviation: variance.sqrt(), sorted: scores })
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

    /// The mean and three standard deviations.
    pub(super) fn three_sigma(&self) -> f64 {
        self.mean + 3.0 * self.deviation
    }

    /// Thresholds that could be set, by name.
    pub(super) fn suggestions(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let quantiles = QUANTILES.map(|(name, share)| (name, self.quantile(share)));
        std::iter::once(("mean + 3σ", self.three_sigma())).chain(quantiles)
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

#[cfg(test)]
mod tests {
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
}
