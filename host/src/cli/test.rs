use std::path::PathBuf;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use anyhow::{Context, anyhow};
use clap::Args;

use super::counted::counted;
use super::exit::{Failure, INCOMPLETE};
use super::limits::{BoundArgs, bounds};
use super::output::print;
use super::rule_crate;
use super::setup::{configured_engine, fetch, runtime};
use crate::rule::Rule;
use crate::source::RuleSource;
use crate::verify::{Difference, GoldenRecords};

#[derive(Debug, Args)]
#[command(after_help = "\
A case is a JSON file in the folder `golden` of the rule's crate:

  {
    \"settings\": {\"above\": 39},
    \"records\": [
      {\"payload\": {\"temperature\": 39.5}, \"verdict\": \"flag\", \"score\": 39.5},
      {\"text\": \"not JSON\", \"verdict\": \"fail\"}
    ]
  }

The payload stands as JSON (`payload`), as `text` or as `base64`. Beside the
verdict, a record can expect `score`, `crossed`, `subject`, `message`, `reason`
and `rewritten`. A case is one batch, classified in a fresh instance.

Exit codes:
  0  every record is classified as it is to be
  1  one is not, or there is none
  2  called wrongly, or no file to read

Examples:
  weir test
  weir test fever.wasm")]
pub(super) struct TestArgs {
    /// Rule to test, a WebAssembly component, or the folder of its crate
    #[arg(value_name = "RULE.wasm|FOLDER", default_value = ".")]
    rule: PathBuf,

    #[command(flatten)]
    bounds: BoundArgs,
}

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();

pub(super) fn main(args: TestArgs) -> Result<ExitCode, Failure> {
    let config = bounds(args.bounds)?;
    let (name, component) = if args.rule.is_dir() {
        (args.rule.display().to_string(), rule_crate::component(&args.rule)?)
    } else {
        let source = RuleSource::local(&args.rule);
        let fetched = runtime()?.block_on(fetch(source, config.fetch))?;
        (fetched.name, fetched.component)
    };
    let rule = Rule::load(&configured_engine(&config)?, &component)
        .with_context(|| format!("{name} was refused"))
        .map_err(Failure::Runtime)?;
    let golden = GoldenRecords::of_component(&component)
        .with_context(|| format!("golden records of {name}"))
        .map_err(Failure::Runtime)?;
    if golden.is_empty() {
        return Err(Failure::runtime(anyhow!(
            "{name} has no golden records: `weir build` takes them from the folder golden of the \
             rule's crate (`weir test --help` shows one)"
        )));
    }
    let differences: Vec<_> = golden.run(&rule).collect();
    print(report(&golden, &differences))?;
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
}

/// A line for each case, and below it what differs.
fn report(golden: &GoldenRecords, differences: &[Difference]) -> String {
    let mut report = String::new();
    let width = golden.cases().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    for (name, records) in golden.cases() {
        let of_case: Vec<_> = differences.iter().filter(|found| found.case == name).collect();
        let (style, result) = if of_case.is_empty() { (GOOD, "pass") } else { (BAD, "differs") };
        report += &format!(
            "{:width$}  {style}{result}{style:#}  {}\n",
            shown(name),
            counted(records, "record")
        );
        for Difference { record, member, expected, found, .. } in of_case {
            let place = record.map_or("the case".to_owned(), |number| format!("record {number}"));
            report += &format!("  {place}: {member}\n");
            report += &format!("    expected  {GOOD}{}{GOOD:#}\n", shown(expected));
            report += &format!("    found     {BAD}{}{BAD:#}\n", shown(found));
        }
    }
    let records = counted(golden.len(), "record");
    let cases = counted(golden.cases().count(), "case");
    report + &format!("{records} in {cases}, {}\n", counted(differences.len(), "difference"))
}

/// On one line, and with nothing in it that a terminal would obey.
fn shown(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect()
}
