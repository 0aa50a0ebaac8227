//! How cost grows.

use std::fmt::Write;

use weir::Instances;

use crate::affinity;
use crate::contestants::{
    COMPONENT, KEPT, NATIVE_PARTS, NATIVE_RULE, component, native_parts, native_rule,
};
use crate::cores::throughput;
use crate::turns::{self, Contestant, per_record};
use crate::workload::{self, ALERTING, RECORDS};

/// Figures that grow with something.
#[derive(Clone, Debug)]
pub(crate) struct Growth {
    /// With what, as a name.
    pub(crate) name: &'static str,
    /// With what, in words.
    pub(crate) with: &'static str,
    /// What the figures are.
    pub(crate) unit: &'static str,
    /// What was measured, in the order of the figures.
    pub(crate) contestants: Vec<&'static str>,
    /// Each value of what it grows with, and the figures there.
    pub(crate) points: Vec<(usize, Vec<f64>)>,
}

/// Bytes of the JSON of a record.
const RECORD_BYTES: [usize; 9] = [100, 200, 500, 1000, 2000, 5000, 10_000, 25_000, 64_000];

/// The most in a batch, in bytes: what an event of AWS Lambda's 6 MB holds.
const BATCH_BYTES: usize = 4 << 20;

/// Records in a batch.
const BATCH_RECORDS: [usize; 11] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000];

const NANOSECONDS: &str = "ns a record";

pub(crate) fn measure(turns: usize) -> Vec<Growth> {
    vec![with_record_bytes(turns), with_batch_records(turns), with_cores(turns)]
}

fn with_record_bytes(turns: usize) -> Growth {
    eprintln!("growth: with the size of records");
    let rule = workload::rule();
    let filter = workload::filter(&rule, ALERTING);
    let points = RECORD_BYTES.map(|bytes| {
        let records = workload::records(RECORDS.min(BATCH_BYTES / bytes), bytes);
        let mut contestants = [
            per_record(records.len(), native_parts(&records)),
            per_record(records.len(), native_rule(&records)),
            per_record(records.len(), component(&filter, &records)),
        ];
        (bytes, medians(turns, &mut contestants))
    });
    Growth {
        name: "record-bytes",
        with: "bytes of a record",
        unit: NANOSECONDS,
        contestants: vec![NATIVE_PARTS, NATIVE_RULE, COMPONENT],
        points: points.into(),
    }
}

fn with_batch_records(turns: usize) -> Growth {
    eprintln!("growth: with the records in a batch");
    let rule = workload::rule();
    let fresh = workload::filter(&rule, ALERTING);
    let kept = workload::filter(&rule, ALERTING).instances(Instances::Kept);
    let points = BATCH_RECORDS.map(|size| {
        let records = workload::records(size, 200);
        let mut contestants = [
            per_record(size, native_rule(&records)),
            per_record(size, component(&fresh, &records)),
            per_record(size, component(&kept, &records)),
        ];
        (size, medians(turns, &mut contestants))
    });
    Growth {
        name: "batch-records",
        with: "records in a batch",
        unit: NANOSECONDS,
        contestants: vec![NATIVE_RULE, COMPONENT, KEPT],
        points: points.into(),
    }
}

fn with_cores(turns: usize) -> Growth {
    let most = affinity::cores().len().max(1);
    eprintln!("growth: with cores, up to {most}");
    let mut contestants: Vec<_> = (1..=most).map(throughput).collect();
    let figures = turns::take(turns, &mut contestants);
    Growth {
        name: "cores",
        with: "cores",
        unit: "records a second",
        contestants: vec!["the whole pipeline"],
        points: (1..=most).map(|cores| (cores, vec![figures.of(cores - 1)])).collect(),
    }
}

fn medians(turns: usize, contestants: &mut [Contestant<'_>]) -> Vec<f64> {
    let figures = turns::take(turns, contestants);
    (0..contestants.len()).map(|index| figures.of(index)).collect()
}

impl Growth {
    /// As a table of Markdown, which a terminal shows as well as any.
    pub(crate) fn markdown(&self) -> String {
        let Self { with, unit, contestants, .. } = self;
        let headings: Vec<_> = contestants.iter().map(|name| format!("{name}, {unit}")).collect();
        let mut table = format!("| {with} | {} |\n", headings.join(" | "));
        table += &format!("| ---: |{}\n", " ---: |".repeat(contestants.len()));
        for (value, figures) in &self.points {
            let figures: Vec<_> = figures.iter().map(|figure| format!("{figure:.0}")).collect();
            table += &format!("| {value} | {} |\n", figures.join(" | "));
        }
        table
    }
}

/// All figures as comma-separated values.
pub(crate) fn csv(growths: &[Growth]) -> String {
    let mut csv = String::from("with,value,contestant,figure,unit\n");
    for Growth { name, unit, contestants, points, .. } in growths {
        for (value, figures) in points {
            for (contestant, figure) in contestants.iter().zip(figures) {
                writeln!(csv, "{name},{value},\"{contestant}\",{figure:.1},{unit}")
                    .expect("a string can be written to");
            }
        }
    }
    csv
}
