//! The rule in its sandbox beside the same work done natively, and by Python.

use crate::contestants::{
    COMPONENT, NATIVE_PARTS, NATIVE_RULE, UNLIKE, UPPER, VARIED, component, native_parts,
    native_rule,
};
use crate::cpython::CPython;
use crate::table::{Line, Mark, Quantity};
use crate::turns::{self, Contestant, per_record};
use crate::workload::records::{self, Likeness};
use crate::workload::{self, ALERTING, RECORDS};

/// What a record costs each way, at one size of records.
#[derive(Clone, Debug)]
pub(crate) struct Costs {
    /// The JSON of a record.
    pub(crate) bytes: usize,
    /// What does the work, what a record costs it in nanoseconds, and its ratio to the first.
    pub(crate) costs: Vec<(String, f64, f64)>,
}

/// The contestants, in order.
const NAMES: [&str; 5] = [NATIVE_PARTS, NATIVE_RULE, COMPONENT, VARIED, UNLIKE];
const PARTS: usize = 0;
const RULE: usize = 1;
const SANDBOXED: usize = 2;

/// At so many bytes a record, the component is to cost at most so much of a contestant.
const MARKS: [(usize, &[(usize, f64)]); 2] =
    [(200, &[(PARTS, 0.70), (RULE, 1.15)]), (2000, &[(PARTS, 0.80)])];

/// Measures each size.
pub(crate) fn measure(turns: usize, lines: &mut Vec<Line>) -> Vec<Costs> {
    MARKS.map(|(bytes, marks)| measure_size(bytes, marks, turns, lines)).into()
}

fn measure_size(
    bytes: usize,
    marks: &[(usize, f64)],
    turns: usize,
    lines: &mut Vec<Line>,
) -> Costs {
    eprintln!("classify: {RECORDS} records of {bytes} bytes");
    let [records, varied, unlike] = [Likeness::Alike, Likeness::Varied, Likeness::Unlike]
        .map(|likeness| records::of(likeness, RECORDS, bytes));
    let filter = workload::filter(&workload::rule(), ALERTING);
    let mut works: [Box<dyn FnMut() -> usize>; 5] = [
        Box::new(native_parts(&records)),
        Box::new(native_rule(&records)),
        Box::new(component(&filter, &records)),
        Box::new(component(&filter, &varied)),
        Box::new(component(&filter, &unlike)),
    ];
    let flagged = works.each_mut().map(|work| work());
    assert_eq!(flagged, [flagged[PARTS]; 5], "all flag the same records");

    let python = CPython::start(UPPER, &workload::event(&records));
    let mut python = python.inspect_err(|why| eprintln!("python3 cannot be run: {why}")).ok();
    let mut names = NAMES.map(str::to_owned).to_vec();
    let mut contestants: Vec<Contestant<'_>> =
        works.into_iter().map(|work| per_record(RECORDS, work)).collect();
    if let Some(python) = &mut python {
        names.push(python.name.clone());
        contestants.push(python.handler());
    }

    let figures = turns::take(turns, &mut contestants);
    for &(beside, mark) in marks {
        lines.push(Line::ratio(
            format!("classify {bytes} bytes: {COMPONENT} / {}", NAMES[beside]),
            &figures,
            [SANDBOXED, beside],
            Quantity::Nanoseconds,
            Some(Mark::AtMost(mark)),
        ));
    }
    let cost = |(index, name)| (name, figures.of(index), figures.ratio(index, PARTS));
    Costs { bytes, costs: names.into_iter().enumerate().map(cost).collect() }
}

/// The costs as a table of Markdown.
pub(crate) fn markdown(costs: &[Costs]) -> String {
    let mut table =
        String::from("| a record of | by | takes | ratio |\n| --- | --- | ---: | ---: |\n");
    for Costs { bytes, costs } in costs {
        for (name, cost, ratio) in costs {
            table += &format!("| {bytes} bytes | {name} | {cost:.0} ns | {ratio:.2} × |\n");
        }
    }
    table
}
