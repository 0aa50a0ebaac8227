//! How well scores rank and flag. What is not defined, such as a rank correlation with a constant,
//! is `None`.

/// The area under the ROC curve: the probability that a point with the label scores higher than
/// one without, equal scores counted by half (T. Fawcett, *An introduction to ROC analysis*, 2006).
pub(crate) fn auc(scores: &[f64], labels: &[bool]) -> Option<f64> {
    let positives = labels.iter().filter(|&&label| label).count() as f64;
    let negatives = labels.len() as f64 - positives;
    let ranks = ranks(scores);
    let sum: f64 =
        ranks.iter().zip(labels).filter(|&(_, &label)| label).map(|(rank, _)| rank).sum();
    let wins = sum - positives * (positives + 1.0) / 2.0;
    (positives > 0.0 && negatives > 0.0).then(|| wins / (positives * negatives))
}

/// The average precision: at each score, from the highest down, the precision of flagging from
/// there up, weighted with the recall that is gained. Not interpolated.
pub(crate) fn average_precision(scores: &[f64], labels: &[bool]) -> Option<f64> {
    let positives = labels.iter().filter(|&&label| label).count();
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&one, &other| scores[other].total_cmp(&scores[one]));
    let (mut flagged, mut found, mut sum) = (0, 0, 0.0);
    for equal in order.chunk_by(|&one, &other| scores[one] == scores[other]) {
        let gained = equal.iter().filter(|&&index| labels[index]).count();
        flagged += equal.len();
        found += gained;
        sum += gained as f64 * (found as f64 / flagged as f64);
    }
    (positives > 0).then(|| sum / positives as f64)
}

/// Spearman's rank correlation: that of Pearson, of the ranks. Equal values share their mean rank.
pub(crate) fn spearman(one: &[f64], other: &[f64]) -> Option<f64> {
    let (one, other) = (ranks(one), ranks(other));
    let mean = (one.len() as f64 + 1.0) / 2.0;
    let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
        one.iter().zip(&other).map(|(one, other)| of(one - mean, other - mean)).sum()
    };
    let spread = (sum(&|one, _| one * one) * sum(&|_, other| other * other)).sqrt();
    (spread > 0.0).then(|| sum(&|one, other| one * other) / spread)
}

/// F1, the harmonic mean of precision and recall, of what is raised against what is wanted. Without
/// any to raise and any raised it is not defined.
pub(crate) fn f1(raised: &[bool], wanted: &[bool]) -> Option<f64> {
    let hits = raised.iter().zip(wanted).filter(|&(&raised, &wanted)| raised && wanted).count();
    let all = [raised, wanted].concat().iter().filter(|&&alarm| alarm).count();
    (all > 0).then(|| 2.0 * hits as f64 / all as f64)
}

/// The median; of an even number of values the mean of the middle two.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

/// The rank of each value, from 1 for the lowest. Equal values share their mean rank.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&one, &other| values[one].total_cmp(&values[other]));
    let mut ranks = vec![0.0; values.len()];
    let mut below = 0;
    for equal in order.chunk_by(|&one, &other| values[one] == values[other]) {
        let rank = below as f64 + (equal.len() as f64 + 1.0) / 2.0;
        equal.iter().for_each(|&index| ranks[index] = rank);
        below += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ones: &str) -> Vec<bool> {
        ones.chars().map(|one| one == '1').collect()
    }

    fn assert_near(one: Option<f64>, other: f64) {
        assert!(one.is_some_and(|one| (one - other).abs() < 1e-12), "{one:?} is not {other}");
    }

    #[test]
    fn equal_values_share_their_mean_rank() {
        assert_eq!(ranks(&[30.0, 10.0, 20.0, 20.0]), [4.0, 1.0, 2.5, 2.5]);
        assert_eq!(ranks(&[0.0, -0.0]), [1.5, 1.5]);
    }

    #[test]
    fn the_auc_counts_the_pairs_that_are_in_order() {
        // Of the 2 × 2 pairs, 0.35 over 0.1, 0.8 over 0.1 and 0.8 over 0.4 are in order.
        assert_near(auc(&[0.1, 0.4, 0.35, 0.8], &labels("0011")), 0.75);
        // 2 over 1 is in order, 2 over 2 by half: 1.5 of 2.
        assert_near(auc(&[1.0, 2.0, 2.0], &labels("001")), 0.75);
        assert_near(auc(&[7.0; 5], &labels("01010")), 0.5);
        assert_eq!(auc(&[1.0, 2.0], &labels("00")), None);
        assert_eq!(auc(&[1.0, 2.0], &labels("11")), None);
    }

    #[test]
    fn the_average_precision_weighs_precision_with_recall() {
        // 0.8: 1/1 of half the labels; 0.4: nothing gained; 0.35: 2/3 of the other half.
        let scores = [0.1, 0.4, 0.35, 0.8];
        assert_near(average_precision(&scores, &labels("0011")), 0.5 + 0.5 * 2.0 / 3.0);
        // All at once: the share of the labels.
        assert_near(average_precision(&[7.0; 5], &labels("01010")), 0.4);
        assert_near(average_precision(&[7.0, 7.0, 6.0], &labels("101")), 0.25 + 0.5 * 2.0 / 3.0);
        assert_eq!(average_precision(&scores, &labels("0000")), None);
    }

    #[test]
    fn spearman_correlates_ranks() {
        assert_near(spearman(&[1.0, 2.0, 3.0], &[1.0, 10.0, 11.0]), 1.0);
        assert_near(spearman(&[1.0, 2.0, 3.0], &[9.0, 8.0, -1.0]), -1.0);
        // Without ties 1 - 6 Σd² / n(n² - 1): here d² is 1, 1, 1, 1.
        assert_near(spearman(&[1.0, 2.0, 3.0, 4.0], &[2.0, 1.0, 4.0, 3.0]), 0.6);
        // Ranks 1, 2.5, 2.5, 4 with 1, 2, 3, 4: 4.5 / √(4.5 · 5).
        let expected = 4.5 / 22.5_f64.sqrt();
        assert_near(spearman(&[1.0, 2.0, 2.0, 3.0], &[1.0, 2.0, 3.0, 4.0]), expected);
        assert_eq!(spearman(&[1.0, 1.0], &[1.0, 2.0]), None);
    }

    #[test]
    fn f1_is_the_mean_of_precision_and_recall() {
        // Precision 1/2, recall 1/3.
        assert_near(f1(&labels("110000"), &labels("101100")), 0.4);
        assert_near(f1(&labels("101"), &labels("101")), 1.0);
        assert_near(f1(&labels("000"), &labels("100")), 0.0);
        assert_eq!(f1(&labels("00"), &labels("00")), None);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(vec![]), None);
    }
}
