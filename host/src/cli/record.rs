use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Args;

use super::exit::{Failure, INCOMPLETE};
use super::files;
use super::input::InputEvent;
use super::screen::Screen;
use super::setup::{ConfigArgs, open_filter, recorder, runtime};
use crate::contract::Event;
use crate::filter::Filter;
use crate::recording::{Recorder, Tally};
use crate::response::Counts;
use crate::state::{Aftermath, Keeper};

#[derive(Debug, Args)]
#[command(after_help = "\
Classifies events and records them, with what the rule said. Nothing is
published and nothing answered: to record live traffic as it is processed, give
the same options to weir run.

Exit codes:
  0  all that was chosen is recorded
  1  something could not be read or recorded
  2  called or configured wrongly

Examples:
  weir record --upper 1.5 --record traffic --record-sample 1 \\
    --record-redact /patient_id,/device_id examples/vital-signs.json
  weir record --upper 1.5 --record traffic --record-max 10MiB < examples/vital-signs.ndjson")]
pub(super) struct RecordArgs {
    /// Files to read; `-` is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn main(args: RecordArgs) -> Result<ExitCode, Failure> {
    let config = args.config.load()?;
    let Some(recorder) = recorder(&config)? else {
        return Err(Failure::usage(anyhow!("no folder to record into: name one with --record")));
    };
    let runtime = runtime()?;
    let filter = Arc::new(runtime.block_on(open_filter(&config))?);
    // It saves states on a thread of the runtime.
    let _entered = runtime.enter();
    let keeper = Keeper::default();
    let screen = Screen::new();
    let mut counts = Counts::default();
    let mut is_whole = true;
    let mut events = files::read(args.files, config.contract);
    while let Some(event) = events.blocking_recv() {
        let recorded = event.and_then(|event| {
            let contract = event.contract.or(config.contract);
            record((&filter, &keeper), &recorder, &InputEvent { contract, ..event })
        });
        match recorded {
            Ok(more) => counts += more,
            Err(error) => {
                is_whole = false;
                screen.line(&format!("error: {error:#}"));
            }
        }
        screen.progress(&counts);
    }
    screen.clear();
    let tally = recorder.tally();
    report(&screen, &tally);
    is_whole &= tally.is_whole();
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
}

/// Classifies an event and records it. Nobody waits for an answer, so what is chosen is written before
/// the next is read. As `weir run` does, it gives a rule that keeps state one for each partition.
fn record(
    (filter, keeper): (&Arc<Filter>, &Keeper),
    recorder: &Recorder,
    event: &InputEvent,
) -> anyhow::Result<Counts> {
    let (read, batch) = Event::read(event.contract, &event.body, &event.origin())
        .with_context(|| format!("{}:{}", event.name, event.line))?;
    let (isolated, aftermath) = match filter.description().keeps_state {
        true => keeper.classify(filter, keeper.enter(read.shares(&batch)), &batch, None),
        false => (filter.classify_isolating(&batch, None), Aftermath::default()),
    };
    let outcome = isolated.outcome;
    let rule = (filter.rule(), filter.settings());
    recorder.record(rule, &read, &batch, &outcome, &aftermath.lessons);
    let flagged: Vec<usize> = outcome.flagged.iter().map(|flag| flag.index).collect();
    aftermath.settle(&flagged);
    recorder.tally();
    let (records, flagged) = (outcome.verdicts.len() as u64, outcome.flagged.len() as u64);
    Ok(Counts { records, flagged, failed: outcome.failed.len() as u64, ..Counts::default() })
}

/// Says what became of the records that were chosen.
pub(super) fn report(screen: &Screen, tally: &Tally) {
    let Tally { written, lost, unredactable, failed, never_found } = tally;
    // What most recordings have none of is not mentioned unless there is some.
    let rare = [
        (lost, "lost, as the disk was too slow"),
        (unredactable, "left out, as they are not JSON that could be redacted"),
        (failed, "not written, as that failed"),
    ];
    let rare = rare.into_iter().filter(|(count, _)| **count > 0);
    let rare: String = rare.map(|(count, what)| format!(", {count} {what}")).collect();
    screen.line(&format!("{written} records recorded{rare}"));
    for field in never_found.iter().filter(|_| *written > 0) {
        screen.line(&format!("warning: no record had the field {field}, which was to be redacted"));
    }
}
