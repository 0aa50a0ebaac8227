//! Batches of few records beside batches of many.

use crate::contestants::component;
use crate::table::{Figure, Line, Mark, Quantity};
use crate::turns::{self, Contestant, per_record};
use crate::workload::{self, ALERTING, RECORDS};

/// Records in a batch, and what a record is to cost at most, beside one of a full batch.
const MARKS: [(usize, f64); 3] = [(1, 2.5), (10, 1.3), (100, 1.1)];

pub(crate) fn measure(turns: usize, lines: &mut Vec<Line>) {
    eprintln!("batches: of 1 to {RECORDS} records");
    let rule = workload::rule();
    let filter = workload::filter(&rule, ALERTING);
    let sizes = MARKS.map(|(size, _)| size).into_iter().chain([RECORDS]);
    let batches: Vec<_> = sizes.map(|size| workload::records(size, 200)).collect();
    let mut contestants: Vec<Contestant<'_>> = Vec::new();
    for records in &batches {
        contestants.push(per_record(records.len(), component(&filter, records)));
    }
    let figures = turns::take(turns, &mut contestants);
    let full = MARKS.len();
    for (index, (size, mark)) in MARKS.into_iter().enumerate() {
        lines.push(Line {
            what: format!("batch of {size} : of {RECORDS}"),
            measured: Quantity::Nanoseconds(figures.of(index)),
            beside: Some(Quantity::Nanoseconds(figures.of(full))),
            figure: Figure::Ratio(figures.ratio(index, full)),
            mark: Some(Mark::AtMost(mark)),
        });
    }
}
