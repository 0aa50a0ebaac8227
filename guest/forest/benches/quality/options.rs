use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use clap::Parser;

/// Measures how well Weir's scorers agree with Amazon's service and find anomalies, beside others.
///
/// All figures are the same on every machine. It takes some two minutes of one core.
#[derive(Clone, Debug, Parser)]
#[command(name = "quality", bin_name = "cargo bench --package weir-forest --bench quality --")]
pub(crate) struct Options {
    /// The folder of NAB's series with the service's scores; `../shared/data/nab` beside the
    /// checkout unless named
    #[arg(long, value_name = "DIR", env = "WEIR_NAB")]
    nab: Option<PathBuf>,

    /// How many seeds Weir's forest is tried with; those of other crates are with a tenth of them
    #[arg(long, value_name = "N", default_value = "100")]
    pub(crate) seeds: NonZeroU64,

    /// Weir's scorers alone, without the other crates
    #[arg(long)]
    pub(crate) own: bool,

    /// The generated data sets alone, which need no other data
    #[arg(long)]
    pub(crate) generated: bool,

    /// Put the tables and the plot into the documentation
    #[arg(long, conflicts_with_all = ["own", "generated"])]
    pub(crate) docs: bool,

    /// What cargo calls a benchmark with
    #[arg(long = "bench", hide = true)]
    _bench: bool,
}

impl Options {
    /// The folder of NAB's series.
    pub(crate) fn nab(&self) -> PathBuf {
        let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/nab");
        self.nab.clone().unwrap_or_else(beside)
    }
}
