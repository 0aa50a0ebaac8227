//! `weir diff`: what would change if another rule, or other settings, were given the same records.

mod change;

mod comparison;

mod cost;

mod examples;

mod html;

mod side;

mod summary;

mod text;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;
use indicatif::HumanCount;
use serde_json::Value;
use weir_json::Pointer;

use self::comparison::Comparison;
use self::cost::Meter;
use self::examples::Examples;
use self::side::Side;
use self::summary::Summary;
use super::exit::Failure;
use super::limits::{BoundArgs, bounds};
use super::screen::Screen;
use super::setup::{configured_engine, load_rule};
use super::traffic::{Records, Traffic};
use crate::config::SettingsSource;
use crate::contract::Contract;
use crate::rule::Rule;
use crate::source::RuleSource;

/// They differ.
const DIFFERENT: u8 = 1;

/// They could not be compared on all records.
const TROUBLE: u8 = 2;

#[derive(Debug, Args)]
#[command(after_help = "\
Each rule is given the same records, a batch at a time, and nothing is
published. TRAFFIC are events of any contract, bare records, one JSON document
a line, or recordings (weir run --record), by file or folder.

The score of a record for which a rule says none, as it says one for what it
flags only, is read from its payload.

Exit codes:
  0  no difference
  1  there are differences
  2  called wrongly, or not all could be compared

Examples:
  weir diff threshold threshold --old-settings '{\"upper\": 1.5}' \\
    --new-settings '{\"upper\": 2}' examples/vital-signs.json
  weir diff threshold threshold --settings '{\"upper\": 1.5}' \\
    --new-settings '{\"upper\": 2}' --report diff.html examples/*.ndjson")]
pub(super) struct DiffArgs {
    /// Rule that runs, from wherever `weir run --rule` takes one
    #[arg(value_name = "OLD")]
    old: RuleSource,

    /// Rule to compare with it
    #[arg(value_name = "NEW")]
    new: RuleSource,

    /// Records to compare on; `-` is standard input
    #[arg(value_name = "TRAFFIC", default_value = "-")]
    traffic: Vec<PathBuf>,

    /// Settings of both rules, as a JSON document or a file that holds one [default: those of the
    /// recording, if it is one]
    #[arg(long, value_name = "FILE|JSON")]
    settings: Option<SettingsSource>,

    /// Settings of the old rule [default: --settings]
    #[arg(long, value_name = "FILE|JSON")]
    old_settings: Option<SettingsSource>,

    /// Settings of the new rule [default: --settings]
    #[arg(long, value_name = "FILE|JSON")]
    new_settings: Option<SettingsSource>,

    /// Contract of the events [default: told by their shape]
    #[arg(long, value_name = "NAME")]
    contract: Option<Contract>,

    /// Where the score stands in a payload, as a JSON Pointer, where the rule says none
    /// [default: the setting `field`, or else /ANOMALY_SCORE]
    #[arg(long, value_name = "POINTER", value_parser = pointer)]
    score: Option<Pointer>,

    /// How many records to show of each kind of change
    #[arg(long, value_name = "N", default_value_t = 5)]
    examples: usize,

    /// Which records to show: another seed chooses others
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// Print one JSON document
    #[arg(long)]
    json: bool,

    /// Write a report as well, a page that needs nothing beside itself
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,

    #[command(flatten)]
    bounds: BoundArgs,
}

pub(super) fn main(args: DiffArgs) -> Result<ExitCode, Failure> {
    let (json, report) = (args.json, args.report.clone());
    let screen = Screen::new();
    let (summary, is_whole) = compare(args, &screen)?;
    screen.clear();
    if let Some(path) = &report {
        fs::write(path, html::page(&summary))
            .with_context(|| path.display().to_string())
            .map_err(Failure::Usage)?;
    }
    print(&summary, json).context("cannot write to standard output").map_err(Failure::Usage)?;
    Ok(match (is_whole, summary.changed) {
        (false, _) => ExitCode::from(TROUBLE),
        (true, 0) => ExitCode::SUCCESS,
        (true, _) => ExitCode::from(DIFFERENT),
    })
}

/// Compares the two on all of the traffic. Says whether all of it could be read.
fn compare(args: DiffArgs, screen: &Screen) -> Result<(Summary, bool), Failure> {
    let DiffArgs { settings, old_settings, new_settings, score, .. } = args;
    let config = bounds(args.bounds)?;
    let engine = configured_engine(&config)?;
    let load = |source| load_rule(&engine, source, config.fetch);
    let (old, new) = (load(args.old)?, load(args.new)?);
    let mut traffic = Traffic::open(args.traffic, args.contract).map_err(Failure::Usage)?;
    let are_given = settings.is_some() || old_settings.is_some() && new_settings.is_some();
    let recorded = traffic.first_recorded().filter(|_| !are_given);
    let recorded = recorded.map(|recorded| recorded.settings().map(str::to_owned));
    let recorded = recorded.transpose().map_err(Failure::Usage)?;
    let open = |rule: Rule, settings: Option<SettingsSource>| -> anyhow::Result<_> {
        let settings = match (settings, &recorded) {
            (Some(settings), _) => Value::Object(settings.document()?).to_string(),
            (None, Some(recorded)) => recorded.clone(),
            (None, None) => "{}".to_owned(),
        };
        // One to be compared and one to be measured.
        let (filter, measured) = (rule.open(&settings)?, rule.open(&settings)?);
        Ok((Side::new(filter, score.as_ref()), measured))
    };
    let old = open(old, old_settings.or_else(|| settings.clone())).context("OLD");
    let new = open(new, new_settings.or(settings)).context("NEW");
    let (old, new) = (old.map_err(Failure::Usage)?, new.map_err(Failure::Usage)?);
    let examples = Examples::new(args.seed, args.examples);
    let mut comparison = Comparison::new(old.0, new.0, Meter::new(old.1, new.1), examples);

    // What is wrong with many records alike is told once.
    let mut last_error = None;
    for records in traffic {
        let records = records.and_then(|records| {
            if !are_given {
                check(&records, recorded.as_deref().unwrap_or("{}"))?;
            }
            Ok(records)
        });
        match records {
            Ok(records) => {
                comparison.add(&records);
                let (records, changed) = (comparison.records, comparison.changed);
                screen.show(format!(
                    "{} records, {} differ",
                    HumanCount(records),
                    HumanCount(changed)
                ));
            }
            Err(error) => {
                let error = format!("error: {error:#}");
                if last_error.as_ref() != Some(&error) {
                    screen.line(&error);
                }
                last_error = Some(error);
            }
        }
    }
    let is_whole = last_error.is_none();
    if is_whole && comparison.records == 0 {
        return Err(Failure::Usage(anyhow!("there are no records to compare the rules on")));
    }
    Ok((Summary::new(comparison), is_whole))
}

/// Checks that records were not recorded with other settings than those that were taken, which are of the
/// first records.
fn check(records: &Records, taken: &str) -> anyhow::Result<()> {
    let Some(recorded) = &records.recorded else { return Ok(()) };
    let settings = recorded.settings()?;
    let value = |text: &str| serde_json::from_str::<Value>(text).ok();
    if settings != taken && value(settings) != value(taken) {
        return Err(anyhow!(
            "records with the settings {settings} are not compared with those of the first, {taken}: name \
             the settings for all, --settings"
        ));
    }
    Ok(())
}

fn print(summary: &Summary, json: bool) -> anyhow::Result<()> {
    // It leaves colours out where standard output is no terminal.
    let mut out = anstream::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, summary)?;
        writeln!(out)?;
    } else {
        text::write(summary, &mut out)?;
    }
    out.flush()?;
    Ok(())
}

fn pointer(text: &str) -> Result<Pointer, String> {
    Pointer::parse(text).map_err(|error| error.to_string())
}
