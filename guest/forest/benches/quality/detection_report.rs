//! The table of how the contestants find the anomalies of the generated data.

use crate::agreement::{LOWER, UPPER, mean};
use crate::generated::DataSet;
use crate::metrics;
use crate::runs::Runs;
use crate::scorers::{Contestant, WARM_UP};
use crate::table::{Table, figure};

/// Where scores in standard deviations are usually flagged.
const DEVIATIONS: f64 = 3.0;

/// What is said of a run.
struct Detection {
    /// The share of the anomalies above the bound.
    recall: f64,
    /// How many other records are above it.
    false_alarms: f64,
    /// How many records are below the lower bound, on the scale of the service.
    below: Option<f64>,
    auc: Option<f64>,
    average_precision: Option<f64>,
}

impl Detection {
    fn of(data: &DataSet, scores: &[f64], on_scale: bool) -> Self {
        let (scores, anomalies) = (&scores[WARM_UP..], &data.anomalies[WARM_UP..]);
        let bound = bound(on_scale);
        let above = |wanted: bool| {
            let scored = scores.iter().zip(anomalies);
            scored.filter(|&(&score, &anomaly)| score > bound && anomaly == wanted).count() as f64
        };
        let all = anomalies.iter().filter(|&&anomaly| anomaly).count() as f64;
        let below = || scores.iter().filter(|&&score| score < LOWER).count() as f64;
        Self {
            recall: above(true) / all,
            false_alarms: above(false),
            below: on_scale.then(below),
            auc: metrics::auc(scores, anomalies),
            average_precision: metrics::average_precision(scores, anomalies),
        }
    }
}

fn bound(on_scale: bool) -> f64 {
    if on_scale { UPPER } else { DEVIATIONS }
}

/// The table of all contestants over all data sets: means over the seeds.
pub(crate) fn table(data: &[DataSet], contestants: &[&Contestant], runs: &[Runs]) -> String {
    let headings = ["data", "scorer", "bound", "recall", "false alarms", "below 0.4", "AUC", "AP"];
    let mut table = Table::new(2, &headings);
    for (index, data) in data.iter().enumerate() {
        for (contestant, runs) in contestants.iter().zip(runs) {
            let on_scale = contestant.on_scale;
            let detections: Vec<Detection> =
                runs.iter().map(|run| Detection::of(data, &run[index], on_scale)).collect();
            let cell = |of: fn(&Detection) -> Option<f64>, decimals| {
                figure(mean(detections.iter().filter_map(of)), decimals)
            };
            table.row(vec![
                data.name.to_owned(),
                contestant.name.to_owned(),
                format!("{:.1}", bound(on_scale)),
                cell(|of| Some(of.recall), 3),
                cell(|of| Some(of.false_alarms), 1),
                cell(|of| of.below, 1),
                cell(|of| of.auc, 4),
                cell(|of| of.average_precision, 3),
            ]);
        }
    }
    table.markdown()
}
