//! How well Weir's scorers agree with Amazon's service and find anomalies, beside others.
//!
//! `cargo bench --package weir-forest --bench quality` prints the tables; `-- --help` tells what
//! else it does. A mark that is not reached is no error: it is printed.

mod options;

mod nab;

mod generated;

mod scorers;

mod runs;

mod metrics;

mod agreement;

mod table;

mod agreement_report;

mod peers;

mod peers_report;

mod detection_report;

mod plot;

#[path = "../../../../host/benches/performance/page.rs"]
mod page;

use std::path::Path;

use clap::Parser;

use agreement::{LOWER, UPPER};
use agreement_report::AgreementReport;
use detection_report::DEVIATIONS;
use generated::DataSet;
use nab::Series;
use options::Options;
use peers_report::PeersReport;
use plot::Panel;
use runs::{Runs, Stream};
use scorers::{CONTESTANTS, Contestant, FOREST, Scorer, Z_SCORE};

/// A part of the report, under the name that the documentation has for it.
struct Section {
    name: &'static str,
    table: String,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let contestants: Vec<&Contestant> =
        CONTESTANTS.iter().filter(|contestant| contestant.own || !options.own).collect();
    let mut sections = Vec::new();
    if !options.generated {
        let series = nab::read(&options.nab())?;
        sections.extend(agreement(&series, &contestants, options.seeds.get()));
    }
    let data = generated::all();
    let runs = runs::run(&contestants, &data, options.seeds.get());
    let table = detection_report::table(&data, &contestants, &runs);
    sections.push(Section { name: "detection", table });
    for section in &sections {
        println!("{}", section.table);
    }
    if options.docs {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        for Section { name, table } in &sections {
            page::replace(&docs.join("forest.md"), name, table)?;
        }
        plot(&docs.join("forest-vital-signs.svg"), &data, &contestants, &runs)?;
    }
    Ok(())
}

/// Draws Weir's two scorers over the vital signs.
fn plot(
    file: &Path,
    data: &[DataSet],
    contestants: &[&Contestant],
    runs: &[Runs],
) -> std::io::Result<()> {
    let vital_signs = data.len() - 1;
    let scores = |name| &runs[position(contestants, name)][0][vital_signs][..];
    let panels = [
        Panel {
            title: "The forest's score of vital signs, and the bounds 1.5 and 0.4",
            scores: scores(FOREST),
            bounds: &[UPPER, LOWER],
        },
        Panel {
            title: "The z-score of the same records, and the bound 3",
            scores: scores(Z_SCORE),
            bounds: &[DEVIATIONS],
        },
    ];
    plot::draw(file, &data[vital_signs], &panels)
}

fn agreement(series: &[Series], contestants: &[&Contestant], seeds: u64) -> [Section; 6] {
    let runs = runs::run(contestants, series, seeds);
    let report = AgreementReport::new(series, contestants, &runs);
    let peers = PeersReport::new(series, &runs[position(contestants, FOREST)]);
    [
        Section { name: "marks", table: report.marks() },
        Section { name: "peers", table: peers.over_all() },
        Section { name: "peers-series", table: peers.over_each() },
        Section { name: "trees", table: peers.by_trees() },
        Section { name: "agreement", table: report.over_all() },
        Section { name: "series", table: report.over_each() },
    ]
}

/// Which of the contestants is Weir's of this name.
fn position(contestants: &[&Contestant], name: &str) -> usize {
    let found = contestants.iter().position(|contestant| contestant.name == name);
    found.expect("Weir's scorers take part")
}

impl Stream for Series {
    fn columns(&self) -> u32 {
        1
    }

    fn run(&self, scorer: &mut dyn Scorer) -> Vec<f64> {
        self.values.iter().map(|&value| scorer.next(&[value])).collect()
    }
}

impl Stream for DataSet {
    fn columns(&self) -> u32 {
        self.columns
    }

    fn run(&self, scorer: &mut dyn Scorer) -> Vec<f64> {
        self.points.iter().map(|point| scorer.next(point)).collect()
    }
}
