//! What was found, for a person at a terminal.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use indicatif::{BinaryBytes, HumanCount};

use super::cost::Cost;
use super::summary::{BINS_A_STEP, Distribution, Kind, Party, Summary};
use crate::printable::printable;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const CHANGED: Style = AnsiColor::Yellow.on_default();

/// How wide the bars of the distribution of scores are at most.
const BAR: usize = 24;

pub(super) fn write(summary: &Summary, to: &mut impl Write) -> io::Result<()> {
    for (name, party) in [("old", &summary.old), ("new", &summary.new)] {
        write_party(name, party, to)?;
    }
    let Summary { records, changed, unreadable, .. } = summary;
    let share = *changed as f64 / (*records).max(1) as f64 * 100.0;
    let style = if *changed > 0 { CHANGED } else { Style::new() };
    write!(to, "\n{BOLD}{} records{BOLD:#}, ", HumanCount(*records))?;
    writeln!(to, "{style}{} differ{style:#} ({share:.2}%)", HumanCount(*changed))?;
    if *unreadable > 0 {
        let unreadable = HumanCount(*unreadable);
        writeln!(to, "{unreadable} more cannot be unpacked: no rule sees them")?;
    }
    write_verdicts(summary, to)?;
    summary.changes.iter().try_for_each(|kind| write_kind(kind, to))?;
    match &summary.scores {
        Some(scores) => write_scores(summary, scores, to)?,
        None => writeln!(to, "\nno scores: neither a rule nor a payload has one")?,
    }
    write_cost(summary, to)
}

fn write_party(name: &str, party: &Party, to: &mut impl Write) -> io::Result<()> {
    let Party { rule, version, digest, settings, .. } = party;
    writeln!(to, "{BOLD}{name}{BOLD:#}  {rule} {version} {settings}\n     {DIM}{digest}{DIM:#}")
}

/// How many records went from which verdict to which.
fn write_verdicts(summary: &Summary, to: &mut impl Write) -> io::Result<()> {
    let verdicts = summary.occurring();
    write!(to, "\n{DIM}old ↓  new →{DIM:#}")?;
    verdicts.iter().try_for_each(|verdict| write!(to, " {:>11}", verdict.name()))?;
    writeln!(to)?;
    for &from in &verdicts {
        write!(to, "{:>12}", from.name())?;
        for &onto in &verdicts {
            let count = summary.count(from, onto);
            let style = if from != onto && count > 0 { CHANGED } else { Style::new() };
            write!(to, " {style}{:>11}{style:#}", HumanCount(count).to_string())?;
        }
        writeln!(to)?;
    }
    Ok(())
}

fn write_kind(kind: &Kind, to: &mut impl Write) -> io::Result<()> {
    let Kind { change, records, examples } = kind;
    let shown = match examples.len() as u64 {
        shown if shown < *records => format!(", {shown} of them:"),
        _ => ":".to_owned(),
    };
    writeln!(to, "\n{CHANGED}{change}{CHANGED:#}  {} records{shown}", HumanCount(*records))?;
    for example in examples {
        let (old, new) = (example.old.to_string(), example.new.to_string());
        let record = printable(&example.record);
        match old == new {
            true => writeln!(to, "  {record}  {old}")?,
            false => writeln!(to, "  {record}  {old}  →  {new}")?,
        }
    }
    Ok(())
}

fn write_scores(summary: &Summary, scores: &Distribution, to: &mut impl Write) -> io::Result<()> {
    let (old, new) = (together(&scores.old), together(&scores.new));
    let most = old.iter().chain(&new).copied().max().unwrap_or(0);
    let width = (scores.to - scores.from) / old.len() as f64;
    writeln!(to, "\n{DIM}{:>21} {:>9} {:>9}{DIM:#}", "score", "old", "new")?;
    for (index, (old, new)) in old.iter().zip(&new).enumerate() {
        let from = scores.from + width * index as f64;
        let range = format!("{} … {}", short(from), short(from + width));
        let (old_count, new_count) = (HumanCount(*old).to_string(), HumanCount(*new).to_string());
        let mut line = format!("{range:>21} {old_count:>9} {new_count:>9}  {}", bar(*new, most));
        for (name, party) in [("old", &summary.old), ("new", &summary.new)] {
            for (bound, value) in party.bounds.named() {
                if ((value - scores.from) / width).floor() == index as f64 {
                    line += &format!(" {CHANGED}← {name} {bound} {value}{CHANGED:#}");
                }
            }
        }
        writeln!(to, "{line}")?;
    }
    for (name, party) in [("old", &summary.old), ("new", &summary.new)] {
        if party.scores < summary.records {
            let without = HumanCount(summary.records - party.scores);
            writeln!(to, "{DIM}{without} records have no score for the {name} rule{DIM:#}")?;
        }
    }
    Ok(())
}

/// The counts of the steps.
fn together(bins: &[u64]) -> Vec<u64> {
    bins.chunks(BINS_A_STEP).map(|bins| bins.iter().sum()).collect()
}

/// A bar whose length is the logarithm of a count: what is rare is what matters.
fn bar(count: u64, most: u64) -> String {
    let share = (count as f64).ln_1p() / (most as f64).ln_1p().max(f64::MIN_POSITIVE);
    "▇".repeat((share * BAR as f64).round() as usize)
}

/// A number in few digits.
pub(super) fn short(number: f64) -> String {
    match number.abs() {
        magnitude if magnitude != 0.0 && !(0.001..100_000.0).contains(&magnitude) => {
            format!("{number:.2e}")
        }
        magnitude if magnitude < 10.0 => format!("{number:.3}"),
        _ => format!("{number:.1}"),
    }
}

fn write_cost(summary: &Summary, to: &mut impl Write) -> io::Result<()> {
    let Summary { old, new, ns_per_record, .. } = summary;
    writeln!(to, "\n{DIM}{:>21} {:>9} {:>9}{DIM:#}", "cost", "old", "new")?;
    if let Some(Cost { old, new, ratio }) = ns_per_record {
        writeln!(to, "{:>21} {old:>9.0} {new:>9.0}  {ratio:.2} ×", "ns a record")?;
    }
    let memory = |party: &Party| BinaryBytes(party.memory_bytes as u64).to_string();
    writeln!(to, "{:>21} {:>9} {:>9}", "memory", memory(old), memory(new))?;
    if old.faults + new.faults > 0 {
        writeln!(to, "{:>21} {:>9} {:>9}", "batches at fault", old.faults, new.faults)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_there_is_room() {
        assert_eq!(bar(0, 1000), "");
        assert_eq!(bar(1000, 1000).chars().count(), BAR);
        assert!((1..BAR).contains(&bar(1, 1000).chars().count()));
        assert_eq!(bar(0, 0), "");
    }

    #[test]
    fn numbers_are_short() {
        let shown = [0.0, 1.5, -0.25, 123.456, 1e9, 1e-9].map(short);
        assert_eq!(shown, ["0.000", "1.500", "-0.250", "123.5", "1.00e9", "1.00e-9"]);
    }
}
