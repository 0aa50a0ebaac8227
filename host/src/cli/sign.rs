use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::exit::Failure;
use super::limits::{BoundArgs, bounds};
use super::setup::{configured_engine, fetch, print_written, runtime};
use super::single_file::single_file;
use super::whole_file;
use crate::rule::Rule;
use crate::source::{Fetched, RuleSource, SIGNATURE_SUFFIX};
use crate::verify::SigningKey;

#[derive(Debug, Args)]
#[command(after_help = "\
The signature is one of OpenSSH's. These make the same, with the key in an agent,
on a hardware token or behind a passphrase:
  ssh-keygen -Y sign -n weir -f KEY RULE.wasm

Exit codes:
  0  the signature is written
  1  it is not, or nobody was told: why, is said on standard error
  2  called wrongly, or no file to read

Examples:
  weir sign --key ~/.ssh/id_ed25519 fever.wasm
  weir verify --signers allowed_signers fever.wasm")]
pub(super) struct SignArgs {
    /// Rule to sign, a WebAssembly component
    #[arg(value_name = "RULE.wasm")]
    rule: PathBuf,

    /// Private key, as ssh-keygen makes it: ed25519 or ecdsa (P-256, P-384), without a
    /// passphrase
    #[arg(long, short, value_name = "FILE")]
    key: PathBuf,

    /// File to write [default: RULE.wasm.sig, where it is looked for]
    #[arg(long, short, value_name = "FILE.sig")]
    output: Option<PathBuf>,

    #[command(flatten)]
    bounds: BoundArgs,
}

/// What is signed is a rule: it is loaded before.
pub(super) fn main(args: SignArgs) -> Result<ExitCode, Failure> {
    let config = bounds(args.bounds)?;
    let source = RuleSource::local(single_file(&args.rule)?);
    let fetched = runtime()?.block_on(fetch(source, config.fetch))?;
    let Fetched { name, component, .. } = fetched;
    let in_key = || format!("key {}", args.key.display());
    let key = fs::read(&args.key).with_context(in_key).map_err(Failure::Usage)?;
    let key = SigningKey::parse(&key).with_context(in_key).map_err(Failure::Usage)?;

    let rule = Rule::load(&configured_engine(&config)?, &component)
        .with_context(|| format!("{name} was refused"))
        .map_err(Failure::Runtime)?;
    let signature = key.sign(&component).with_context(in_key).map_err(Failure::Runtime)?;
    let output = args.output.unwrap_or_else(|| {
        let mut path = args.rule.into_os_string();
        path.push(SIGNATURE_SUFFIX);
        path.into()
    });
    whole_file::write(&output, signature.as_ref())
        .with_context(|| output.display().to_string())
        .map_err(Failure::Runtime)?;
    let (description, digest) = (rule.description(), rule.digest());
    let report = format_args!(
        "{}: {} {}\n\
         digest  {digest}\n\
         key     {}\n",
        output.display(),
        description.name,
        description.version,
        key.fingerprint(),
    );
    print_written(&output, report)?;
    Ok(ExitCode::SUCCESS)
}
