//! How scores are distributed, in little memory, however many there are.

use std::collections::BTreeMap;

/// How many bits of a score's mantissa count: a bin is at most 1/512 of its scores wide.
const MANTISSA_BITS: u32 = 9;

/// The bits of an `f64` that are left out.
const LEFT_OUT: u32 = f64::MANTISSA_DIGITS - 1 - MANTISSA_BITS;

/// Counts of scores, in bins whose width grows with the score, as a floating-point number's does. It
/// needs no range in advance, and what it holds does not grow with the number of scores.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Scores {
    bins: BTreeMap<i32, u64>,
    count: u64,
}

impl Scores {
    /// Counts a score, which is finite.
    pub(super) fn add(&mut self, score: f64) {
        *self.bins.entry(bin(score)).or_default() += 1;
        self.count += 1;
    }

    /// How many were counted.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The score below which a share of them lie, from 0 to 1, to the width of a bin. None if there
    /// are no scores.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        let rank = (share * self.count as f64).ceil().max(1.0) as u64;
        let mut below = 0;
        let bin = self.bins.iter().find_map(|(bin, count)| {
            below += count;
            (below >= rank).then_some(bin)
        })?;
        Some(middle(*bin))
    }

    /// The counts of so many bins of equal width. What lies outside of the range is counted in the
    /// first and the last.
    pub(super) fn histogram(&self, from: f64, to: f64, bins: usize) -> Vec<u64> {
        let mut counts = vec![0; bins];
        let Some(last) = bins.checked_sub(1) else { return counts };
        for (bin, count) in &self.bins {
            // Saturates at both ends.
            let index = ((middle(*bin) - from) / (to - from) * bins as f64).floor() as usize;
            counts[index.min(last)] += count;
        }
        counts
    }
}

/// The number of a score's bin: they are ordered as the scores are.
fn bin(score: f64) -> i32 {
    let magnitude = (score.abs().to_bits() >> LEFT_OUT) as i32;
    // Neither zero is below the other.
    if score < 0.0 { -magnitude - 1 } else { magnitude }
}

/// A score in the middle of a bin; 0 for the bin that 0 is in.
fn middle(bin: i32) -> f64 {
    let (sign, magnitude) = if bin < 0 { (-1.0, -(bin + 1)) } else { (1.0, bin) };
    let from = (magnitude as u64) << LEFT_OUT;
    let half = if magnitude == 0 { 0 } else { 1 << (LEFT_OUT - 1) };
    sign * f64::from_bits(from + half)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scores(scores: &[f64]) -> Scores {
        let mut counted = Scores::default();
        scores.iter().for_each(|score| counted.add(*score));
        counted
    }

    #[test]
    fn what_is_outside_counts_at_the_ends() {
        let scores = scores(&[-1e300, -1.0, 0.0, 0.1, 0.6, 0.9, 7.0, 1e300]);
        assert_eq!(scores.histogram(0.0, 1.0, 2), [4, 4]);
        assert_eq!(scores.histogram(0.0, 1.0, 0), [0; 0]);
        assert_eq!(scores.count(), 8);
    }

    #[test]
    fn quantiles_are_near_the_scores_of_their_rank() {
        let scores = scores(&(1..=1000).map(f64::from).collect::<Vec<_>>());
        for share in [0.0, 0.25, 0.5, 1.0] {
            let quantile = scores.quantile(share).expect("there are scores");
            let exact = (share * 1000.0).max(1.0);
            assert!((quantile / exact - 1.0).abs() < 1.0 / 512.0, "{share}: {quantile}");
        }
        assert_eq!(Scores::default().quantile(0.5), None);
    }

    proptest! {
        #[test]
        fn bins_are_ordered_and_narrow(a in any::<f64>(), b in any::<f64>()) {
            prop_assume!(a.is_finite() && b.is_finite());
            if a < b {
                prop_assert!(bin(a) <= bin(b));
            }
            let width = (middle(bin(a)) - a).abs();
            prop_assert!(width <= a.abs() / 512.0 || a.abs() < 1e-300);
        }
    }
}
