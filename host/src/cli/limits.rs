use clap::Args;

use super::exit::Failure;
use crate::config::{Config, Options};
use crate::grant::Grant;

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

/// The argument that says how large a rule may be.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct SizeArgs {
    /// Largest rule that is taken, in MiB [default: 64]
    #[arg(long, value_name = "N")]
    max_rule_mib: Option<usize>,
}

/// The arguments that say what a rule may be, import and use.
#[derive(Clone, Debug, Args)]
pub(super) struct BoundArgs {
    /// What the rule may import, although rules import nothing: inert-wasi, WASI with nothing behind it
    #[arg(long, value_name = "inert-wasi", value_delimiter = ',')]
    grant: Option<Vec<Grant>>,

    #[command(flatten)]
    size: SizeArgs,

    #[command(flatten)]
    limits: LimitArgs,
}

impl From<LimitArgs> for Options {
    fn from(args: LimitArgs) -> Self {
        let LimitArgs { time_limit_ms, memory_limit_mib, output_limit_mib } = args;
        Self { time_limit_ms, memory_limit_mib, output_limit_mib, ..Self::default() }
    }
}

impl From<SizeArgs> for Options {
    fn from(SizeArgs { max_rule_mib }: SizeArgs) -> Self {
        Self { max_rule_mib, ..Self::default() }
    }
}

impl From<BoundArgs> for Options {
    fn from(BoundArgs { grant, size, limits }: BoundArgs) -> Self {
        let SizeArgs { max_rule_mib } = size;
        Self { grant, max_rule_mib, ..limits.into() }
    }
}

/// What `run` would heed in the environment that concerns a rule by itself.
const OF_ENVIRONMENT: [&str; 6] = [
    "WEIR_GRANT",
    "WEIR_MAX_RULE_MIB",
    "WEIR_RULE_TIMEOUT",
    "WEIR_TIME_LIMIT_MS",
    "WEIR_MEMORY_LIMIT_MIB",
    "WEIR_OUTPUT_LIMIT_MIB",
];

/// The bounds of a rule that is looked at and not run: as arguments say, or else the environment.
pub(super) fn bounds(args: impl Into<Options>) -> Result<Config, Failure> {
    let of_environment =
        |name: &str| OF_ENVIRONMENT.contains(&name).then(|| std::env::var(name).ok()).flatten();
    Config::load(args.into(), None, of_environment).map_err(Failure::Usage)
}
