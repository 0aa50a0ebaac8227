//! What was found, as a page.

use indicatif::{BinaryBytes, HumanCount};
use maud::{Markup, html};

use super::cost::Cost;
use super::summary::{Distribution, Kind, Party, Summary};
use crate::cli::report::{self, Histogram, Mark, Series};

pub(super) fn page(summary: &Summary) -> String {
    let Summary { records, changed, unreadable, old, new, .. } = summary;
    let title = format!("{} {} and {} {}", old.rule, old.version, new.rule, new.version);
    let share = *changed as f64 / (*records).max(1) as f64 * 100.0;
    let body = html! {
        h1 { "What would change: " (title) }
        p {
            strong { (HumanCount(*changed)) } " of " (HumanCount(*records)) " records differ ("
            (format!("{share:.2}")) "%)."
            @if *unreadable > 0 {
                " " (HumanCount(*unreadable)) " more cannot be unpacked: no rule sees them."
            }
        }
        (parties(summary))
        h2 { "Verdicts" }
        (verdicts(summary))
        @for kind in &summary.changes { (changes(kind)) }
        h2 { "Scores" }
        @match &summary.scores {
            Some(scores) => (distribution(summary, scores)),
            None => p.muted { "Neither a rule nor a payload has a score." },
        }
        h2 { "Cost" }
        (cost(summary))
    };
    report::page(&format!("weir diff: {title}"), &body)
}

fn parties(summary: &Summary) -> Markup {
    html! {
        div.wide { table {
            thead { tr { th {} th { "rule" } th { "settings" } th { "digest" } } }
            tbody {
                @for (name, party) in [("old", &summary.old), ("new", &summary.new)] {
                    tr {
                        th { (name) }
                        td { (party.rule) " " (party.version) }
                        td { code { (party.settings) } }
                        td { code { (party.digest) } }
                    }
                }
            }
        } }
    }
}

fn verdicts(summary: &Summary) -> Markup {
    let verdicts = summary.occurring();
    html! {
        table {
            thead { tr {
                th { "old ↓ new →" }
                @for verdict in &verdicts { th.number { (verdict.name()) } }
            } }
            tbody {
                @for &from in &verdicts {
                    tr {
                        th { (from.name()) }
                        @for &to in &verdicts {
                            @let count = summary.count(from, to);
                            td.number.changed[from != to && count > 0] { (HumanCount(count)) }
                        }
                    }
                }
            }
        }
    }
}

fn changes(kind: &Kind) -> Markup {
    let Kind { change, records, examples } = kind;
    html! {
        h2 { (change) ", " (HumanCount(*records)) " records" }
        @if !examples.is_empty() {
            div.wide { table {
                thead { tr { th { "record" } th { "old" } th { "new" } } }
                tbody {
                    @for example in examples {
                        tr { td { code { (example.record) } } td { (example.old) } td { (example.new) } }
                    }
                }
            } }
            @if (examples.len() as u64) < *records {
                p.muted { (examples.len()) " of them, chosen by the seed." }
            }
        }
    }
}

fn distribution(summary: &Summary, scores: &Distribution) -> Markup {
    let marks =
        [("old", &summary.old), ("new", &summary.new)].into_iter().flat_map(|(class, party)| {
            let mark =
                move |(bound, at)| Mark { class, at, label: format!("{class} {bound} {at}") };
            party.bounds.named().map(mark)
        });
    let histogram = Histogram {
        title: "How the scores are distributed for the old and for the new rule, with their bounds",
        counted: "records",
        from: scores.from,
        to: scores.to,
        series: vec![
            Series { class: "old", counts: &scores.old },
            Series { class: "new", counts: &scores.new },
        ],
        marks: marks.collect(),
    };
    html! {
        (histogram.svg())
        p.muted {
            "Blue is the old rule, orange and dashed the new one. "
            "Scores outside of the range are counted at its ends. A score was found for "
            (HumanCount(summary.old.scores)) " records of the old rule and "
            (HumanCount(summary.new.scores)) " of the new."
        }
    }
}

fn cost(summary: &Summary) -> Markup {
    let Summary { old, new, ns_per_record, .. } = summary;
    let memory = |party: &Party| BinaryBytes(party.memory_bytes as u64).to_string();
    html! {
        table {
            thead { tr { th {} th.number { "old" } th.number { "new" } th.number { "new ÷ old" } } }
            tbody {
                @if let Some(Cost { old, new, ratio }) = ns_per_record {
                    tr {
                        th { "nanoseconds a record" }
                        td.number { (format!("{old:.0}")) }
                        td.number { (format!("{new:.0}")) }
                        td.number { (format!("{ratio:.2}")) }
                    }
                }
                tr {
                    th { "memory" }
                    td.number { (memory(old)) } td.number { (memory(new)) } td {}
                }
                tr {
                    th { "batches at fault" }
                    td.number { (old.faults) } td.number { (new.faults) } td {}
                }
            }
        }
    }
}
