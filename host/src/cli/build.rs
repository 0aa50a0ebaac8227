use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::exit::Failure;
use crate::compile;
use crate::engine::Engine;
use crate::limits::Limits;
use crate::rule::Rule;

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0  the component is written, and it is a rule
  1  it is not: why, is said on standard error

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
}

/// What is written is a rule: it is loaded before.
pub(super) fn main(args: BuildArgs) -> Result<ExitCode, Failure> {
    let [component] = compile::components(&args.folder, [None], None)
        .with_context(|| args.folder.display().to_string())
        .map_err(Failure::Runtime)?;
    let engine = Engine::new(Limits::default()).map_err(Failure::runtime)?;
    let rule = Rule::load(&engine, &component)
        .context("the crate makes no rule (does it call weir_guest::export!?)")
        .map_err(Failure::Runtime)?;
    let name = &rule.description().name;
    let output = args.output.unwrap_or_else(|| PathBuf::from(format!("{name}.wasm")));
    fs::write(&output, &component)
        .with_context(|| output.display().to_string())
        .map_err(Failure::Runtime)?;
    let version = &rule.description().version;
    println!("{}: {name} {version}, {} bytes", output.display(), component.len());
    Ok(ExitCode::SUCCESS)
}
