use std::io;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::counted::counted;
use super::exit::Failure;
use super::limits::{BoundArgs, bounds};
use super::output::print;
use super::setup::{code_cache, configured_engine, default_rule, fetch, runtime};
use crate::printable::printable;
use crate::rule::{Description, Rule};
use crate::source::{Fetched, RuleSource};
use crate::verify::GoldenRecords;

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0  it is a rule
  1  it is none: why, is said on standard error
  2  called wrongly, or no rule to read

Examples:
  weir inspect
  weir inspect forest")]
pub(super) struct InspectArgs {
    /// Rule to look at, a WebAssembly component, from wherever `weir run --rule` takes one [default:
    /// the embedded threshold rule]
    #[arg(value_name = "SOURCE")]
    rule: Option<RuleSource>,

    #[command(flatten)]
    bounds: BoundArgs,
}

pub(super) fn main(args: InspectArgs) -> Result<ExitCode, Failure> {
    // Why native code that is there is not used.
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(tracing::Level::INFO)
        .without_time()
        .with_target(false)
        .init();
    let config = bounds(args.bounds)?;
    let engine = configured_engine(&config)?;
    let source = args.rule.map_or_else(default_rule, Ok)?;
    let cache = code_cache(source.path());
    let fetched = runtime()?.block_on(fetch(source, config.fetch))?;
    let Fetched { name, component, .. } = fetched;
    let rule = Rule::load_cached(&engine, &component, &cache)
        .with_context(|| format!("{name} was refused"))
        .map_err(Failure::Runtime)?;
    let golden = GoldenRecords::of_component(&component)
        .with_context(|| format!("golden records of {name}"))
        .map_err(Failure::Runtime)?;
    print(report(&rule, component.len(), golden.len()))?;
    Ok(ExitCode::SUCCESS)
}

fn report(rule: &Rule, bytes: usize, golden_records: usize) -> String {
    let Description { name, version, settings_schema, keeps_state, rewrites } = rule.description();
    let yes_no = |yes: &bool| if *yes { "yes" } else { "no" };
    format!(
        "name         {name}\n\
         version      {version}\n\
         digest       {}\n\
         size         {bytes} bytes\n\
         native code  {}\n\
         called       {}\n\
         imports      {}\n\
         exports      {}\n\
         keeps state  {}\n\
         rewrites     {}\n\
         golden       {}\n\
         settings     {}\n",
        rule.digest(),
        rule.code(),
        if rule.is_called_directly() { "directly" } else { "through the component model" },
        listed(&rule.imports()),
        listed(&rule.exports()),
        yes_no(keeps_state),
        yes_no(rewrites),
        counted(golden_records, "record"),
        beside_its_name(settings_schema),
    )
}

/// A text of several lines, in the column of the values.
fn beside_its_name(text: &str) -> String {
    let line = |line: &str| printable(&line.replace('\t', "    "));
    let lines: Vec<String> = text.trim().lines().map(line).collect();
    lines.join("\n             ")
}

/// Names of interfaces, on one line.
pub(super) fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_keeps_its_lines_and_nothing_that_a_terminal_obeys() {
        let schema = "{\r\n\t\"a\u{9b}2J\":\r\u{7f}1\n}\n";
        let column = "\n             ";
        let expected = format!("{{{column}    \"a\u{fffd}2J\":\u{fffd}\u{fffd}1{column}}}");
        assert_eq!(beside_its_name(schema), expected);
    }
}
