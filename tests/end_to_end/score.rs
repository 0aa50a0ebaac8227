//! `weir score`: what scores are like, and the picture of them.

use std::fmt::Write;
use std::fs;

use tempfile::TempDir;
use weir_tests::event::records;
use weir_tests::weir::{self, weir};

use crate::{example, example_text};

/// Heart rates with a usual beat, and one that is far from it: the record on line 500.
fn heart_rates() -> String {
    let mut lines = String::new();
    for number in 1..=600 {
        let rate = if number == 500 { 190 } else { 60 + number * 37 % 41 };
        writeln!(lines, r#"{{"device":"a","heartRate":{rate}}}"#).expect("writing to a string");
    }
    lines
}

#[test]
fn scores_that_were_given_are_summed_up() {
    let report = weir::run(weir(["score"]).arg(example("vital-signs.json"))).success();
    let scores = records(&example_text("vital-signs.json")).into_iter().map(|record| record.score);
    let scores: Vec<f64> = scores.filter(|score| *score != 0.0).collect();
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    let variance = scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>();
    let threshold = mean + 3.0 * (variance / scores.len() as f64).sqrt();
    let above = scores.iter().filter(|score| **score >= threshold).count();

    assert!(report.starts_with("500 records: 494 scored, 6 in training, 0 failed\n"), "{report}");
    let (_, told) = report.split_once("score     mean ").expect("a mean");
    let told = told.split(',').next().expect("a number").parse::<f64>().expect("a number");
    assert!((told / mean - 1.0).abs() < 1e-4, "{mean} in:\n{report}");
    let line = report.lines().find(|line| line.starts_with("mean + 3σ")).expect("a suggestion");
    assert!(line.contains(&format!("{threshold:.4}")), "{threshold} in: {line}");
    assert!(line.contains(&format!(" {above} records")), "{above} in: {line}");
    for quantile in ["99% below", "99.5% below", "99.9% below"] {
        assert!(report.contains(quantile), "{quantile} in:\n{report}");
    }
}

#[test]
fn a_suggested_threshold_flags_as_many_as_it_says_when_pasted() {
    let mut records = String::new();
    for number in 1..=700_u32 {
        let score = f64::from(number * 7919 % 1013) / 1013.0 * 1e-5;
        writeln!(records, r#"{{"ANOMALY_SCORE":{score:?}}}"#).expect("writing to a string");
    }
    let report = weir::run_with_input(&mut weir(["score"]), &records).success();
    let (_, suggestions) = report.split_once("would flag\n").expect("suggestions");
    assert_eq!(suggestions.lines().count(), 4, "{report}");
    for line in suggestions.lines() {
        let (before, _) = line.split_once(" records").expect("a count");
        let words: Vec<&str> = before.split_whitespace().rev().collect();
        let [count, threshold, ..] = words[..] else { panic!("a threshold and a count: {line}") };
        let mut command = weir(["run", "--upper", threshold]);
        let output = weir::run_with_input(&mut command, &records).exit(0);
        assert!(output.stderr.contains(&format!(" {count} flagged")), "{line}\n{}", output.stderr);
    }
}

#[test]
fn the_picture_needs_nothing_beside_itself() {
    let folder = TempDir::new().expect("a temporary folder");
    let picture = folder.path().join("score.svg");
    let mut command = weir(["score", "--upper", "1.5", "--lower", "0.4", "--plot"]);
    let report = weir::run(command.arg(&picture).arg(example("vital-signs.json"))).success();
    assert!(report.starts_with("500 records: 494 scored, 6 in training, 0 failed, 28 flagged\n"));

    let svg = fs::read_to_string(picture).expect("a picture");
    for text in
        ["/pulse", "/systolic", "/diastolic", "score", "upper 1.5", "lower 0.4", "mean + 3σ"]
    {
        assert!(svg.contains(text), "{text} in the picture");
    }
    assert_eq!(svg.matches("<circle").count(), 4 * 28, "each flagged record in each panel");
    for foreign in ["<script", "href", "url(", "<image", "@import"] {
        assert!(!svg.contains(foreign), "{foreign} in the picture");
    }
}

#[test]
fn a_rule_scores_records_that_have_no_score() {
    let mut command = weir(["score", "--rule", "forest"]);
    let report = weir::run_with_input(&mut command, &heart_rates()).success();
    assert!(report.starts_with("600 records: 344 scored, 256 in training, 0 failed\n"), "{report}");
    assert!(report.contains("(standard input:500)"), "the highest is the one far off:\n{report}");

    let settings = r#"{"columns": ["/heartRate"], "scorer": "zscore", "upper": 3}"#;
    let mut command = weir(["score", "--rule", "forest", "--settings", settings]);
    let report = weir::run_with_input(&mut command, &heart_rates()).success();
    assert!(report.contains("0 failed, 1 flagged\n"), "{report}");
}

#[test]
fn what_cannot_be_scored_is_told_and_does_not_count() {
    let mut command = weir(["score", "--upper", "1.5"]);
    let output = weir::run(command.arg(example("bad-records.json"))).exit(1);
    let failed = output.stderr.lines().filter(|line| line.starts_with("failed: ")).count();
    assert_eq!(failed, 7, "{}", output.stderr);
    assert!(output.stdout.contains("12 records: 4 scored, 1 in training, 7 failed, 1 flagged"));

    let mut command = weir(["score", "missing.json"]);
    let output = weir::run(command.arg(example("vital-signs.json"))).exit(1);
    assert!(output.stderr.contains("missing.json"), "{}", output.stderr);
    assert!(output.stdout.starts_with("500 records"), "{}", output.stdout);
}

#[test]
fn without_a_score_there_is_nothing_to_show() {
    let input = "{\"ANOMALY_SCORE\":0}\n";
    let output = weir::run_with_input(&mut weir(["score"]), input).exit(2);
    assert!(output.stderr.contains("no record has a score"), "{}", output.stderr);
    let output = weir::run_with_input(&mut weir(["score"]), "").exit(2);
    assert!(output.stderr.contains("there is no record"), "{}", output.stderr);
    assert_eq!(output.stdout, "");
}
