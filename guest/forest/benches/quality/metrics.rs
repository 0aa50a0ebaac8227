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
    rank_correlation(&ranks(one), &ranks(other))
}

/// [`spearman`], of values whose ranks are known.
pub(crate) fn rank_correlation(one: &[f64], other: &[f64]) -> Option<f64> {
    let mean = (one.len() as f64 + 1.0) / 2.0;
    let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
        one.iter().zip(other).map(|(one, other)| of(one - mean, other - mean)).sum()
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
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    let odd = values.len() % 2 == 1;
    let (below, &mut median, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    match below.iter().copied().max_by(f64::total_cmp) {
        Some(other) if !odd => Some((other + median) / 2.0),
        _ => Some(median),
    }
}

/// The standard deviation of a sample's population, which takes two values at least.
pub(crate) fn deviation(values: &[f64]) -> Option<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let sum: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| (sum / (values.len() - 1) as f64).sqrt())
}

/// The rank of each value, from 1 for the lowest. Equal values share their mean rank.
pub(crate) fn ranks(values: &[f64]) -> Vec<f64> {
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
