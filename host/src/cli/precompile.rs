use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;

use super::compile::compiler;
use super::exit::Failure;
use super::limits::{BoundArgs, bounds};
use super::setup::{configured_engine, fetch, print_written, runtime};
use super::single_file::single_file;
use super::whole_file::write_readable;
use crate::rule::Rule;
use crate::source::{Fetched, RuleSource};

#[derive(Debug, Args)]
#[command(after_help = "\
Keep the file beside the rule: it is used if it was made from that rule, by the
same version of weir, on a machine of the same system and architecture, and if
nobody but you and root can have written it. Else the rule is compiled.

Exit codes:
  0  the native code is written
  1  it is not, or nobody was told: why, is said on standard error
  2  called wrongly, or no file to read

Examples:
  weir precompile fever.wasm
  weir inspect fever.wasm")]
pub(super) struct PrecompileArgs {
    /// Rule to compile, a WebAssembly component
    #[arg(value_name = "RULE.wasm")]
    rule: PathBuf,

    /// File to write [default: RULE.cwasm, where it is looked for]
    #[arg(long, short, value_name = "FILE.cwasm")]
    output: Option<PathBuf>,

    #[command(flatten)]
    bounds: BoundArgs,
}

pub(super) fn main(args: PrecompileArgs) -> Result<ExitCode, Failure> {
    let config = bounds(args.bounds)?;
    let source = RuleSource::local(single_file(&args.rule)?);
    let compiler = compiler().map_err(Failure::runtime)?.unbounded();
    let engine = configured_engine(&config)?.compiling_with(compiler);
    let output = args.output.unwrap_or_else(|| args.rule.with_extension("cwasm"));
    if is_same_file(&args.rule, &output) {
        let rule = args.rule.display();
        return Err(Failure::Usage(anyhow!(
            "{rule} is the rule itself: name another file for its native code with --output"
        )));
    }
    let fetched = runtime()?.block_on(fetch(source, config.fetch))?;
    let Fetched { name, component, .. } = fetched;
    let code = Rule::precompile(&engine, &component)
        .with_context(|| format!("{name} was refused"))
        .map_err(Failure::Runtime)?;
    // What others than its owner may write is not used; Lambda asks for files that all may read.
    write_readable(&output, &code)
        .with_context(|| output.display().to_string())
        .map_err(Failure::Runtime)?;
    let report =
        format_args!("{}: native code of {name}, {} bytes\n", output.display(), code.len());
    print_written(&output, report)?;
    Ok(ExitCode::SUCCESS)
}

/// Whether both are there and one, by whatever name.
fn is_same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}
