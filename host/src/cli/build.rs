use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;

use super::counted::counted;
use super::exit::Failure;
use super::limits::{LimitArgs, bounds};
use super::rule_crate;
use super::setup::{configured_engine, print_written};
use super::whole_file;
use crate::compile::NO_RULE;
use crate::rule::{LoadError, Rule};
use crate::verify::GoldenRecords;

#[derive(Debug, Args)]
#[command(after_help = "\
The cases in the crate's folder `golden`, a JSON file each, become part of the
component: a host runs them before it runs the rule, and `weir test` shows what
differs.

Exit codes:
  0  the component is written, and it is a rule
  1  it is not, or nobody was told: why, is said on standard error

Examples:
  weir build guest/threshold --output target/threshold.wasm
  weir inspect target/threshold.wasm")]
pub(super) struct BuildArgs {
    /// Folder of the rule's crate
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,

    /// File to write [default: NAME.wasm, after the rule]
    #[arg(long, short, value_name = "FILE.wasm")]
    output: Option<PathBuf>,

    #[command(flatten)]
    limits: LimitArgs,
}

/// What is written is a rule: it is loaded before.
pub(super) fn main(args: BuildArgs) -> Result<ExitCode, Failure> {
    let config = bounds(args.limits)?;
    let component = rule_crate::component(&args.folder)?;
    let rule = Rule::load(&configured_engine(&config)?, &component).map_err(no_rule)?;
    let golden = GoldenRecords::of_component(&component)
        .context("the golden records cannot be read back")
        .map_err(Failure::Runtime)?;
    let name = &rule.description().name;
    let output = args.output.unwrap_or_else(|| PathBuf::from(format!("{name}.wasm")));
    whole_file::write(&output, &component)
        .with_context(|| output.display().to_string())
        .map_err(Failure::Runtime)?;
    let version = &rule.description().version;
    // A rule that imports anything is none.
    let report = format_args!(
        "{}: {name} {version}, {} bytes\n\
         digest   {}\n\
         imports  none\n\
         golden   {}\n",
        output.display(),
        component.len(),
        rule.digest(),
        counted(golden.len(), "record"),
    );
    print_written(&output, report)?;
    Ok(ExitCode::SUCCESS)
}

/// That a crate makes no rule.
fn no_rule(error: LoadError) -> Failure {
    let context = match error {
        LoadError::Exports(_) => NO_RULE,
        _ => "the crate makes no rule",
    };
    Failure::Runtime(anyhow!(error).context(context))
}
