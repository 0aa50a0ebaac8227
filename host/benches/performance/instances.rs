//! Fresh instances beside kept ones, batches of few records beside batches of many, and the two ways of
//! calling a rule.

use weir::{DEFAULT_RULE, Instances};
use weir_tests::rule::wrapped_otherwise;

use crate::contestants::component;
use crate::table::{Line, Mark, Quantity};
use crate::turns::{self, Contestant, per_record};
use crate::workload::{self, QUIET, RECORDS};

/// What a fresh instance for each full batch is to cost at most, beside a kept one.
const FRESH: f64 = 1.05;

/// Records in a batch, and what a record is to cost at most with a kept instance, beside one of a
/// full batch.
const BATCHES: [(usize, f64); 3] = [(1, 2.5), (10, 1.3), (100, 1.1)];

pub(crate) fn measure(turns: usize, lines: &mut Vec<Line>) {
    eprintln!("instances: fresh and kept, for batches of 1 to {RECORDS} records");
    // Nothing is flagged: of one record, that would be all or nothing.
    let rule = workload::rule();
    let [fresh, kept] = [Instances::Fresh, Instances::Kept]
        .map(|instances| workload::filter(&rule, QUIET).instances(instances));
    // The same rule, wrapped so that it is called through the component model.
    let otherwise = workload::load(&wrapped_otherwise(DEFAULT_RULE));
    let otherwise = workload::filter(&otherwise, QUIET).instances(Instances::Kept);
    let sizes = [RECORDS].into_iter().chain(BATCHES.map(|(size, _)| size));
    let batches: Vec<_> = sizes.map(|size| workload::records(size, 200)).collect();
    // For each size, the full one first: fresh, then kept.
    let mut contestants: Vec<Contestant<'_>> = Vec::new();
    for records in &batches {
        contestants.push(per_record(records.len(), component(&fresh, records)));
        contestants.push(per_record(records.len(), component(&kept, records)));
    }
    let through_the_model = contestants.len();
    contestants.push(per_record(1, component(&otherwise, &batches[1])));
    let figures = turns::take(turns, &mut contestants);

    let line = |what: String, of: [usize; 2], most: Option<f64>| {
        Line::ratio(what, &figures, of, Quantity::Nanoseconds, most.map(Mark::AtMost))
    };
    let fresh = format!("batch of {RECORDS}: a fresh instance / a kept one");
    lines.push(line(fresh, [0, 1], Some(FRESH)));
    for (place, (size, most)) in BATCHES.into_iter().enumerate() {
        let index = 2 * (place + 1);
        let kept = format!("a kept instance: batch of {size} / of {RECORDS}");
        lines.push(line(kept, [index + 1, 1], Some(most)));
        let fresh = format!("fresh instances: batch of {size} / of {RECORDS}");
        lines.push(line(fresh, [index, 0], None));
    }
    let directly = "a kept instance, batch of 1: called directly / through the component model";
    lines.push(line(directly.to_owned(), [3, through_the_model], None));
}
