//! `weir score`: how a rule scores records, as a picture, and which thresholds would suit.

mod chart;

mod distribution;

mod figure;

mod scored;

mod thin;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;
use indicatif::HumanCount;
use serde_json::Value;

use self::chart::Chart;
use self::distribution::Distribution;
use self::scored::{Columns, Scored};
use super::exit::{Failure, INCOMPLETE};
use super::files;
use super::input::InputEvent;
use super::output;
use super::screen::Screen;
use super::setup::{ConfigArgs, configured_rule, runtime};
use crate::contract::Event;
use crate::filter::Filter;
use crate::payload::PayloadReader;
use crate::pointer::FieldPointer;
use crate::printable::printable;

/// Where a score stands, unless the rule is told otherwise.
const DEFAULT_FIELD: &str = "/ANOMALY_SCORE";

/// So many records that failed are shown with their reasons.
const FAILURES_SHOWN: u64 = 10;

#[derive(Debug, Args)]
#[command(after_help = "\
Reads events and bare records as `weir run` does, has the rule score them, and
publishes nothing. Prints what the scores are like, and where thresholds could
be: at the mean and three standard deviations, and at quantiles. Scores of 0 do
not count: the scorer was still training. Without a bound nothing is flagged.

A score is read from the payload as the rule hands it on, so records can be
scored by a rule, such as forest, or bring the scores that they were given.

All options of `weir run` are taken, so that a command can be tried as it is;
those about publishing mean nothing here. A record takes some 80 bytes of
memory.

Exit codes:
  0  all records scored
  1  some could not be scored
  2  called or configured wrongly, or no score found

Examples:
  weir score examples/vital-signs.json
  weir score examples/vital-signs.json --upper 1.5 --lower 0.4 --plot score.svg
  weir score --rule forest --settings '{\"columns\": [\"/pulse\"]}' \\
    --plot score.svg examples/vital-signs.json")]
pub(super) struct ScoreArgs {
    /// Files to read; `-` is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    files: Vec<PathBuf>,

    /// Draw values, scores, bounds and flags into this file, which needs nothing beside itself
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,

    /// Field whose values are drawn, as a JSON Pointer; may be repeated [default: the numbers of
    /// the first record, six at most]
    #[arg(long, value_name = "POINTER")]
    value: Vec<FieldPointer>,

    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn main(args: ScoreArgs) -> Result<ExitCode, Failure> {
    let ScoreArgs { files, plot, value, config } = args;
    let config = config.load()?;
    let (name, rule) = runtime()?.block_on(configured_rule(&config))?;
    let settings: Value = serde_json::from_str(&config.settings).unwrap_or_default();
    let bounds = Bounds::of(&settings);
    let field = score_field(&settings).map_err(Failure::Usage)?;
    let settings = showing_scores(settings, &rule.description().settings_schema);
    let filter = rule.open(&settings.to_string()).with_context(|| format!("rule {name}"));
    let filter = filter.map_err(Failure::Usage)?;

    let screen = Screen::new();
    let mut scored = Scored::new(Columns::new(value, &field));
    let mut unreadable_events = 0_u64;
    let mut events = files::read(files, config.contract);
    while let Some(event) = events.blocking_recv() {
        let added = event.and_then(|event| add(&event, &filter, &field, &mut scored, &screen));
        if let Err(error) = added {
            screen.line(&format!("error: {error:#}"));
            unreadable_events += 1;
        }
        screen.progress(&scored.counts);
    }
    screen.clear();

    let whole = Distribution::of(scored.trained()).ok_or_else(|| {
        let hint = "a rule that scores is --rule forest; --field says where scores stand that were \
                    given before";
        Failure::Usage(match scored.counts.records {
            0 => anyhow!("there is no record"),
            _ => anyhow!("no record has a score other than 0 at {field}: {hint}"),
        })
    })?;
    if let Some(path) = &plot {
        let chart = Chart { scored: &scored, bounds, suggested: whole.three_sigma() };
        let svg = chart.svg().context("cannot draw").map_err(Failure::Runtime)?;
        fs::write(path, svg).with_context(|| path.display().to_string()).map_err(Failure::Usage)?;
    }
    output::print(report(&scored, &whole))?;
    let is_whole = unreadable_events == 0 && scored.counts.failed == 0;
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
}

/// Scores the records of an event.
fn add(
    event: &InputEvent,
    filter: &Filter,
    field: &FieldPointer,
    scored: &mut Scored,
    screen: &Screen,
) -> anyhow::Result<()> {
    let (read, batch) = Event::read(event.contract, &event.body, &event.origin())
        .with_context(|| format!("{}:{}", event.name, event.line))?;
    let outcome = filter.classify_isolating(&batch, None).outcome;
    let unreadable = read.unreadable().len() as u64;
    scored.counts.records += unreadable;
    scored.counts.failed += unreadable;
    for failure in &outcome.failed {
        if scored.counts.failed < FAILURES_SHOWN {
            let id = read.entry_id(failure.index);
            screen.line(&format!("failed: {id}: {}", failure.reason));
        }
        scored.counts.failed += 1;
    }
    let payloads = PayloadReader { batch: &batch, rewritten: outcome.rewritten.as_ref() };
    for (entry, &verdict) in outcome.verdicts.iter().enumerate() {
        scored.add(verdict, payloads.document(entry).as_ref(), field, || {
            read.entry_id(entry).into_owned()
        });
    }
    Ok(())
}

/// The bounds that the settings name.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Bounds {
    upper: Option<f64>,
    lower: Option<f64>,
}

impl Bounds {
    fn of(settings: &Value) -> Self {
        Self { upper: settings["upper"].as_f64(), lower: settings["lower"].as_f64() }
    }
}

/// Where scores stand in the payloads that a rule with these settings hands on.
fn score_field(settings: &Value) -> anyhow::Result<FieldPointer> {
    let field = settings["field"].as_str().unwrap_or(DEFAULT_FIELD);
    field.parse().context("setting /field")
}

/// The settings, so that the rule writes every score into its payload, and does not ask for a bound:
/// where there is none, it is one that no score reaches. A rule that knows no such settings is not
/// given them.
fn showing_scores(mut settings: Value, schema: &str) -> Value {
    let schema: Value = serde_json::from_str(schema).unwrap_or_default();
    let knows = |name: &str| schema["properties"].get(name).is_some();
    let is_unbound = Bounds::of(&settings) == Bounds::default();
    if knows("annotate") {
        settings["annotate"] = true.into();
    }
    if is_unbound && knows("upper") {
        settings["upper"] = f64::MAX.into();
    }
    settings
}

/// What the scores are like, for a person to read.
fn report(scored: &Scored, whole: &Distribution) -> String {
    let counts = &scored.counts;
    let flagged = match counts.flagged {
        0 => String::new(),
        flagged => format!(", {} flagged", HumanCount(flagged)),
    };
    let mut report = format!(
        "{} records: {} scored, {} in training, {} failed{flagged}\n",
        HumanCount(counts.records),
        HumanCount(whole.count()),
        HumanCount(scored.in_training()),
        HumanCount(counts.failed),
    );
    let [mean, deviation, lowest, highest] =
        [whole.mean, whole.deviation, whole.lowest(), whole.highest()]
            .map(|value| figure::text(figure::rounded(value, 5)));
    report += &format!(
        "score     mean {mean}, standard deviation {deviation}, lowest {lowest}, highest {highest}",
    );
    if let Some(record) = &scored.highest {
        report += &format!(" ({})", printable(&record.id));
    }
    let suggestions = whole.suggestions().map(|(name, at)| (name, at, figure::text(at)));
    let suggestions: Vec<_> = suggestions.collect();
    let width = suggestions.iter().map(|(_, _, text)| text.len()).fold(8, usize::max);
    report += &format!("\n\n{:<17} {:width$} would flag\n", "thresholds", "");
    for (name, threshold, text) in suggestions {
        let flagged = whole.above(threshold);
        let share = flagged as f64 / whole.count() as f64 * 100.0;
        report += &format!(
            "{name:<17} {text:>width$} {:>10} records, {share:.2}%\n",
            HumanCount(flagged).to_string(),
        );
    }
    report
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rule_is_given_the_settings_that_it_knows() {
        let schema = json!({"properties": {"upper": {}, "annotate": {}}}).to_string();
        let settings = showing_scores(json!({}), &schema);
        assert_eq!(settings, json!({"annotate": true, "upper": f64::MAX}));
        let settings = showing_scores(json!({"lower": 0.4, "annotate": false}), &schema);
        assert_eq!(settings, json!({"annotate": true, "lower": 0.4}));
        assert_eq!(showing_scores(json!({"above": 39}), "{}"), json!({"above": 39}));
    }
}
