use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Measures what Weir costs, side by side with what else would do the same work.
///
/// Figures of different runs are not comparable, ratios are.
#[derive(Clone, Debug, Parser)]
#[command(name = "performance", bin_name = "cargo bench --package weir --bench performance --")]
pub(crate) struct Options {
    /// What to measure; everything unless named
    #[arg(value_enum, value_name = "SECTION")]
    sections: Vec<Section>,

    /// How many turns the contestants of a section take
    #[arg(long, value_name = "N", default_value_t = 200)]
    turns: usize,

    /// A tenth of the turns: for a first impression
    #[arg(long)]
    quick: bool,

    /// Draw the plots into this folder, seen from `host`
    #[arg(long, value_name = "DIR")]
    pub(crate) svg: Option<PathBuf>,

    /// Write how cost grows to this file, seen from `host`
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,

    /// Put all tables and plots into the documentation
    #[arg(long, conflicts_with = "sections")]
    pub(crate) docs: bool,

    /// What cargo calls a benchmark with
    #[arg(long = "bench", hide = true)]
    _bench: bool,
}

/// A part of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Section {
    /// The rule in its sandbox beside the same work done natively
    Classify,
    /// Fresh instances beside kept ones, batches of few records beside batches of many
    Instances,
    /// The whole pipeline, its envelopes alone, and CPython beside it
    Pipeline,
    /// Two cores beside one
    Cores,
    /// From the start of the process to the first answer
    ColdStart,
    /// What stays resident
    Memory,
    /// How cost grows with the size of records and batches, and with threads
    Growth,
}

impl Options {
    /// The sections to measure, in the order of the report.
    pub(crate) fn sections(&self) -> impl Iterator<Item = Section> {
        let all = Section::value_variants().iter().copied();
        all.filter(|section| self.sections.is_empty() || self.sections.contains(section))
    }

    /// How many turns contestants take whose turn lasts a few milliseconds.
    pub(crate) fn turns(&self) -> usize {
        let turns = if self.quick { self.turns / 10 } else { self.turns };
        turns.max(1)
    }

    /// How many turns contestants take whose turn lasts a tenth of a second.
    pub(crate) fn long_turns(&self) -> usize {
        (self.turns() / 10).max(3)
    }
}
