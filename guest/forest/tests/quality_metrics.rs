//! What the benchmark of quality computes, by hand.

#[path = "../benches/quality/metrics.rs"]
mod metrics;

use metrics::{auc, average_precision, deviation, f1, median, spearman};

fn labels(ones: &str) -> Vec<bool> {
    ones.chars().map(|one| one == '1').collect()
}

fn assert_near(one: Option<f64>, other: f64) {
    assert!(one.is_some_and(|one| (one - other).abs() < 1e-12), "{one:?} is not {other}");
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
    assert_eq!(median(vec![7.0]), Some(7.0));
    assert_eq!(median(vec![]), None);
}

#[test]
fn the_deviation_is_that_of_the_population() {
    // Squares 2.25, 0.25, 0.25 and 2.25, by 3.
    assert_near(deviation(&[1.0, 2.0, 3.0, 4.0]), (5.0_f64 / 3.0).sqrt());
    assert_near(deviation(&[7.0; 5]), 0.0);
    assert_eq!(deviation(&[7.0]), None);
    assert_eq!(deviation(&[]), None);
}
