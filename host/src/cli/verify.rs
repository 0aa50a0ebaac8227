use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;

use super::counted::counted;
use super::exit::Failure;
use super::inspect::listed;
use super::limits::BoundArgs;
use super::output::print;
use super::setup::{configured_engine, runtime, supply};
use crate::config::{Config, Options, SettingsSource};
use crate::digest::Digest;
use crate::exports::INTERFACE;
use crate::live::SupplyError;
use crate::source::{FetchError, FetchProblem, RuleSource};

#[derive(Debug, Args)]
#[command(after_help = "\
The options are those of `weir run`, and stand for the same in the environment and
in the file: what passes here would run there.

Exit codes:
  0  it passes all checks
  1  it is refused: the check and the reason are said on standard error
  2  called wrongly, or no file to read

Examples:
  weir verify fever.wasm
  weir verify fever.wasm --signers allowed_signers --settings '{\"above\": 39}'
  weir verify fever.wasm --config weir.toml")]
pub(super) struct VerifyArgs {
    /// Rule to check, a WebAssembly component, from wherever `weir run --rule` takes one; the signature
    /// of a file is RULE.wasm.sig
    #[arg(value_name = "SOURCE")]
    rule: RuleSource,

    /// TOML file to read options from; flags and environment win over it [also: WEIR_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Those who may sign rules, a file as ssh-keygen has it (allowed_signers)
    #[arg(long, value_name = "FILE")]
    signers: Option<PathBuf>,

    /// Digest that the rule must have, such as sha256:9f86d0…
    #[arg(long, value_name = "DIGEST")]
    rule_digest: Option<Digest>,

    /// Refuse a rule that comes without golden records
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true")]
    demand_golden: Option<bool>,

    /// Settings of the rule, as a JSON document or a file that holds one
    #[arg(long, value_name = "FILE|JSON")]
    settings: Option<SettingsSource>,

    #[command(flatten)]
    bounds: BoundArgs,
}

pub(super) fn main(args: VerifyArgs) -> Result<ExitCode, Failure> {
    let options = Options {
        rule: Some(args.rule.clone()),
        signers: args.signers,
        rule_digest: args.rule_digest,
        demand_golden: args.demand_golden,
        settings: args.settings,
        ..args.bounds.into()
    };
    let environment = |name: &str| std::env::var(name).ok();
    let config =
        Config::load(options, args.config.as_deref(), environment).map_err(Failure::Usage)?;
    let engine = configured_engine(&config)?;
    let source = config.rule.clone().unwrap_or(args.rule);
    let mut supply = supply(&config, source, &config.code, &engine);
    let verified = match runtime()?.block_on(supply.next()) {
        Err(error @ SupplyError::Refused { .. }) => return Err(Failure::runtime(error)),
        Err(SupplyError::Fetch(error)) => return Err(not_fetched(error)),
        Err(error) => return Err(Failure::runtime(error)),
        Ok(None) => return Err(Failure::Runtime(anyhow!("rule {supply}: nothing was fetched"))),
        Ok(Some(verified)) => verified,
    };

    let rule = verified.filter.rule();
    let description = rule.description();
    let signer = verified.signer.map_or("none demanded".to_owned(), |signer| signer.to_string());
    print(format_args!(
        "rule       {} {}\n\
         digest     {}\n\
         signature  {signer}\n\
         imports    {}\n\
         contract   {INTERFACE}\n\
         settings   fit\n\
         golden     {}, as expected\n",
        description.name,
        description.version,
        rule.digest(),
        listed(&rule.imports()),
        counted(verified.golden_records, "record"),
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// A rule can be refused before all of it is here, as any other is.
fn not_fetched(error: FetchError) -> Failure {
    match error.problem {
        FetchProblem::TooLarge { .. } | FetchProblem::WrongComponent { .. } => {
            Failure::Runtime(error.into())
        }
        _ => Failure::fetching(error),
    }
}
