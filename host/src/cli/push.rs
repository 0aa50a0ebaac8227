use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::exit::Failure;
use super::limits::{BoundArgs, bounds};
use super::note::note;
use super::output::print;
use super::setup::{configured_engine, fetch_signed, runtime};
use super::spinner::Spinner;
use crate::rule::Rule;
use crate::source::oci::{self, Artifact};
use crate::source::{Fetched, RuleSource};

#[derive(Debug, Args)]
#[command(after_help = "\
What is pushed is a rule: it is loaded before. Its signature is RULE.wasm.sig, if
there is one. The same rule with the same signature has the same digest in every
registry; nothing changes if it is pushed again.

Credentials are those that docker login, oras login or podman login left. A
registry on this machine is spoken to without TLS.

Exit codes:
  0  the rule is in the registry: its address by digest is printed
  1  it is not: why, is said on standard error
  2  called wrongly, no file to read, or no right to push

Examples:
  weir push fever.wasm oci://registry.example.com/rules/fever:1.2.0")]
pub(super) struct PushArgs {
    /// Rule to push, a WebAssembly component
    #[arg(value_name = "RULE.wasm")]
    rule: PathBuf,

    /// Where to, and under which tag [default tag: latest]
    #[arg(value_name = "oci://REGISTRY/NAME:TAG")]
    to: Artifact,

    #[command(flatten)]
    bounds: BoundArgs,
}

pub(super) fn main(args: PushArgs) -> Result<ExitCode, Failure> {
    let PushArgs { rule, to, bounds: args } = args;
    let config = bounds(args)?;
    let engine = configured_engine(&config)?;
    runtime()?.block_on(async {
        let fetched = fetch_signed(RuleSource::local(rule), config.fetch).await?;
        let Fetched { name, component, signature, .. } = fetched;
        let rule = Rule::load(&engine, &component)
            .with_context(|| format!("{name} was refused"))
            .map_err(Failure::Runtime)?;
        let spinner = Spinner::start(format!("pushing {name} to {to}"));
        let pushed = oci::push(&to, &rule, &component, signature.as_deref()).await;
        spinner.finish();
        let pushed = pushed.map_err(Failure::fetching)?;
        print(format_args!("{pushed}\n"))?;
        note(super::pull::summary(&name, &component, signature.as_deref()));
        Ok(ExitCode::SUCCESS)
    })
}
