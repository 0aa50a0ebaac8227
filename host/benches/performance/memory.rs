//! What stays resident of a process that answers many events.

use std::process::Command;

use weir_tests::memory::resident_after;

use crate::table::{Figure, Line, Mark, Quantity};
use crate::workload::{self, RECORDS};

/// In MiB, with the default rule.
const RESIDENT: f64 = 32.0;

/// Events after which it is looked at.
const EVENTS: [usize; 2] = [200, 1000];

pub(crate) fn measure(lines: &mut Vec<Line>) {
    let [few, many] = EVENTS;
    eprintln!("memory: {many} events of {RECORDS} records of 200 bytes");
    let mut weir = Command::new(env!("CARGO_BIN_EXE_weir"));
    weir.args(["run", "--upper", "3.0", "-"]);
    let event = workload::event(&workload::records(RECORDS, 200));
    let resident = resident_after(EVENTS, &mut weir, &event);
    let [after_few, after_many] = resident.map(|resident| resident.peak_kib as f64 / 1024.0);
    lines.push(Line {
        what: format!("resident, at its peak: after {many} events / after {few}"),
        measured: Quantity::Mebibytes(after_many),
        beside: Quantity::Mebibytes(after_few),
        figure: Figure::Mebibytes(after_many),
        mark: Some(Mark::AtMost(RESIDENT)),
    });
}
