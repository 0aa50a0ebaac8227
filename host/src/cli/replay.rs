use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::counted::counted;
use super::exit::{Failure, INCOMPLETE};
use super::setup::{default_rule, fetch, runtime};
use crate::engine::Engine;
use crate::limits::Limits;
use crate::recorded::{Recorded, Said};
use crate::rule::Rule;
use crate::source::{FetchLimits, Fetched, RuleSource};

#[derive(Debug, Args)]
#[command(after_help = "\
The same rule, settings and bytes have the same outcome on every machine. A line
of a recording is

  {\"record\": \"vitals.ndjson:1\", \"rule_digest\": \"sha256:…\", \"settings\": {…},
   \"base64\": \"…\", \"verdict\": \"flag\", \"score\": 1.5, \"crossed\": \"upper\"}

Of a rule that keeps state, it holds all records from the beginning on.

Exit codes:
  0  the rule says the same again
  1  it does not, or is another rule
  2  called wrongly, or no file to read

Examples:
  weir run examples/vital-signs.ndjson --upper 1.5 --record recording.ndjson
  weir replay recording.ndjson")]
pub(super) struct ReplayArgs {
    /// Recording, as `weir run --record` writes it
    #[arg(value_name = "FILE")]
    recording: PathBuf,

    /// Rule that gave the verdicts, a WebAssembly component [default: the threshold rule]
    #[arg(long, value_name = "SOURCE")]
    rule: Option<RuleSource>,
}

pub(super) fn main(args: &ReplayArgs) -> Result<ExitCode, Failure> {
    let context = || format!("recording {}", args.recording.display());
    let recorded = read(&args.recording).with_context(context).map_err(Failure::Usage)?;
    let source = args.rule.clone().map_or_else(default_rule, Ok)?;
    let fetched = runtime()?.block_on(fetch(source, FetchLimits::default()))?;
    let Fetched { name, component, .. } = fetched;
    let engine = Engine::new(Limits::default()).map_err(Failure::runtime)?;
    let rule = Rule::load(&engine, &component)
        .with_context(|| format!("{name} was refused"))
        .map_err(Failure::Runtime)?;
    let again =
        Recorded::replay(&rule, &recorded).with_context(context).map_err(Failure::Runtime)?;

    let mut different = 0;
    for (Recorded { record, said, .. }, again) in recorded.iter().zip(&again) {
        if again.as_ref() != Some(said) {
            different += 1;
            println!("{record}");
            println!("  recorded  {}", Shown(Some(said)));
            println!("  now       {}", Shown(again.as_ref()));
        }
    }
    let records = counted(recorded.len(), "record");
    println!("{records}, {different} different, by {}", rule.digest());
    Ok(if different == 0 { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
}

fn read(path: &Path) -> anyhow::Result<Vec<Recorded>> {
    let mut recorded = Vec::new();
    for (number, line) in (1..).zip(BufReader::new(File::open(path)?).lines()) {
        let record = serde_json::from_str(&line?).with_context(|| format!("line {number}"))?;
        recorded.push(record);
    }
    Ok(recorded)
}

/// An answer as JSON, on one line.
struct Shown<'a>(Option<&'a Said>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.map(serde_json::to_string) {
            Some(Ok(said)) => f.write_str(&said),
            _ => f.write_str("no verdict"),
        }
    }
}
