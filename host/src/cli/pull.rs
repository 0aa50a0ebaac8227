use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::exit::Failure;
use super::limits::{SizeArgs, bounds};
use super::note::note;
use super::setup::{fetch_signed, print_written, runtime};
use super::spinner::Spinner;
use super::whole_file::{self, WholeFile};
use crate::digest::Digest;
use crate::source::{Fetched, RuleSource, SIGNATURE_SUFFIX};

#[derive(Debug, Args)]
#[command(after_help = "\
The signature, if there is one, becomes FILE.wasm.sig. Nothing of the rule runs,
and its signature is not verified: weir inspect shows what it is.

Credentials for a registry are those that docker login, oras login or podman
login left; for S3 they are found as every AWS SDK does.

Exit codes:
  0  the file is written
  1  it is not, or nobody was told: why, is said on standard error
  2  called wrongly, no rule there, or no right to it

Examples:
  weir pull oci://registry.example.com/rules/fever:1.2.0
  weir pull https://example.com/rules/fever.wasm --output rules/fever-1.2.0.wasm
  weir pull s3://rules/fever.wasm
  weir pull threshold --output threshold.wasm")]
pub(super) struct PullArgs {
    /// Where the rule is: whatever `weir run --rule` takes. With #sha256:… at its end it must have
    /// that digest
    #[arg(value_name = "SOURCE")]
    source: RuleSource,

    /// File to write [default: NAME.wasm, after the source]
    #[arg(long, short, value_name = "FILE.wasm")]
    output: Option<PathBuf>,

    #[command(flatten)]
    size: SizeArgs,
}

pub(super) fn main(args: PullArgs) -> Result<ExitCode, Failure> {
    let PullArgs { source, output, size } = args;
    let limits = bounds(size)?.fetch;
    let output = output.unwrap_or_else(|| source.file_name().into());
    let spinner = Spinner::start(format!("pulling {source}"));
    let fetched = runtime()?.block_on(fetch_signed(source, limits));
    spinner.finish();
    let Fetched { name, component, signature, .. } = fetched?;
    write(&output, &component, signature.as_deref())
        .with_context(|| output.display().to_string())
        .map_err(Failure::Runtime)?;
    print_written(&output, format_args!("{}\n", output.display()))?;
    note(summary(&name, &component, signature.as_deref()));
    Ok(ExitCode::SUCCESS)
}

/// What was moved, in a line.
pub(super) fn summary(name: &str, component: &[u8], signature: Option<&[u8]>) -> String {
    let signed = if signature.is_some() { "with its signature" } else { "without a signature" };
    format!("{name}: {}, {} bytes, {signed}", Digest::of(component), component.len())
}

/// Writes both files so that whoever reads them meanwhile finds each whole. What is there of another
/// rule's signature goes; it stays if the rule does.
fn write(path: &Path, component: &[u8], signature: Option<&[u8]>) -> io::Result<()> {
    let beside = beside(path, SIGNATURE_SUFFIX);
    // Both are on the disk before anything is replaced.
    let component = WholeFile::write(path, component)?;
    let signature = signature.map(|signature| WholeFile::write(&beside, signature)).transpose()?;
    let before = unless_missing(fs::read(&beside))?;
    match signature {
        Some(signature) => signature.put()?,
        None => unless_missing(fs::remove_file(&beside)).map(|_| ())?,
    }
    component.put().inspect_err(|_| {
        // That the rule cannot be replaced is what is told.
        let _ = match before {
            Some(before) => whole_file::write(&beside, &before),
            None => fs::remove_file(&beside),
        };
    })
}

/// The path with a suffix.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.to_owned();
    path.as_mut_os_string().push(suffix);
    path
}

fn unless_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}
