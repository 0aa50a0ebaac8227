/// Pearson's statistic of counts, given the probability of each.
pub(crate) fn chi_square(counts: &[u32], probabilities: &[f64]) -> f64 {
    let all: u32 = counts.iter().sum();
    let terms = counts.iter().zip(probabilities).map(|(&count, probability)| {
        let expected = f64::from(all) * probability;
        (f64::from(count) - expected).powi(2) / expected
    });
    terms.sum()
}
