//! What Weir costs, beside what else would do the same work.
//!
//! `cargo bench --package weir --bench performance` prints a table; `-- --help` tells how to choose
//! from it and where else the figures can go. A line that misses its mark says so, and is no error:
//! that contestants disagree is.

#[path = "../workload/mod.rs"]
mod workload;

mod options;

mod turns;

mod affinity;

mod contestants;

mod cpython;

mod classify;

mod instances;

mod pipeline;

mod cores;

mod cold_start;

mod memory;

mod growth;

mod table;

mod plot;

mod page;

use std::fs;
use std::io;
use std::path::Path;

use clap::Parser;

use classify::Costs;
use growth::Growth;
use options::{Options, Section};
use table::Line;

/// Everything that was measured.
#[derive(Clone, Debug, Default)]
struct Report {
    lines: Vec<Line>,
    costs: Vec<Costs>,
    growths: Vec<Growth>,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let mut report = Report::default();
    println!("{}", table::headings());
    for section in options.sections() {
        let before = report.lines.len();
        report.measure(section, &options);
        report.lines[before..].iter().for_each(|line| println!("{line}"));
    }
    if !report.costs.is_empty() {
        print!("\n{}", classify::markdown(&report.costs));
    }
    for growth in &report.growths {
        print!("\n{}", growth.markdown());
    }
    Ok(report.write(&options)?)
}

impl Report {
    fn measure(&mut self, section: Section, options: &Options) {
        let (turns, long_turns, lines) = (options.turns(), options.long_turns(), &mut self.lines);
        match section {
            Section::Classify => self.costs = classify::measure(turns, lines),
            Section::Instances => instances::measure(turns, lines),
            Section::Pipeline => pipeline::measure(turns, lines),
            Section::Cores => cores::measure(long_turns, lines),
            Section::ColdStart => cold_start::measure(long_turns, lines),
            Section::Memory => memory::measure(lines),
            Section::Growth => self.growths = growth::measure(long_turns),
        }
    }

    /// Writes the figures to where the options want them.
    fn write(&self, options: &Options) -> io::Result<()> {
        if let Some(folder) = &options.svg {
            plot::draw(folder, &self.costs, &self.growths)?;
        }
        if let Some(file) = &options.csv {
            fs::write(file, growth::csv(&self.growths))?;
        }
        if options.docs {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
            plot::draw(&folder, &self.costs, &self.growths)?;
            let page = folder.join("performance.md");
            page::replace(&page, "marks", &table::markdown(&self.lines))?;
            page::replace(&page, "costs", &classify::markdown(&self.costs))?;
            for growth in &self.growths {
                page::replace(&page, growth.name, &growth.markdown())?;
            }
        }
        Ok(())
    }
}
