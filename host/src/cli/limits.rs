use clap::Args;

use super::exit::Failure;
use crate::config;
use crate::limits::Limits;

/// The arguments that say what a rule may use, as those of `run` do.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct LimitArgs {
    /// Time the rule may take for a batch, in milliseconds [default: 1000]
    #[arg(long, value_name = "N")]
    time_limit_ms: Option<u64>,

    /// Memory the rule may use, in MiB, up to 4096 [default: 64]
    #[arg(long, value_name = "N")]
    memory_limit_mib: Option<usize>,

    /// Output the rule may hand back for a batch, in MiB [default: 32]
    #[arg(long, value_name = "N")]
    output_limit_mib: Option<usize>,
}

impl LimitArgs {
    pub(super) fn limits(self) -> Result<Limits, Failure> {
        let Self { time_limit_ms, memory_limit_mib, output_limit_mib } = self;
        config::limits(time_limit_ms, memory_limit_mib, output_limit_mib).map_err(Failure::Usage)
    }
}
