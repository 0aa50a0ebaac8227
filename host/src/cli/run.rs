use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use futures_util::{StreamExt, stream};
use tokio::sync::{Notify, mpsc};
use tokio::task::spawn_blocking;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use super::counted::counted;
use super::exit::{Failure, INCOMPLETE};
use super::files;
use super::input::InputEvent;
use super::record;
use super::screen::Screen;
use super::setup::{
    AbortOnDrop, ConfigArgs, keeper, open_rule, pipeline, recorder, runtime, watch,
};
use super::shutdown::Shutdown;
use crate::config::BadRecords;
use crate::contract::{Contract, EnvelopeError, FailureCause, FailureKind};
use crate::pipeline::{Pipeline, Request};
use crate::publish::sns::{DryRun, SnsTopic};
use crate::publish::{AlertFormat, AlertWriter, Publisher};
use crate::recording::Recorder;
use crate::response::{Counts, FailedRecord, Response};
use crate::turns::{Taken, Turn, Turns};

/// How long publishing may take for an event, unless it is set: there is nobody who waits for the
/// answer until a time of his own.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(30);

/// How often the rule's source is looked at, unless it is set.
const RULE_POLL: Duration = Duration::from_secs(10);

/// What logs how the rule changes: whoever runs it is told, unless nothing is to be logged.
const CHANGES: [&str; 2] = ["weir::live::transition", "weir::live::watcher"];

/// How fine the time is after which states are saved.
const LOOK_FOR_DUE_STATES_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
#[command(after_help = "\
Reads events, each a JSON document, or bare records, one JSON document a line,
and inflates what is compressed with gzip.
Writes one answer a line to standard output. Without a topic it is a dry run:
what would be published is shown on standard error.

SIGINT and SIGTERM end the reading: what was taken is finished and answered. A
second signal ends the process at once.

With --follow, and on standard input, what is new at the rule's source takes the
rule's place while it runs: docs/live.md.

Exit codes:
  0    all answered
  1    something could not be processed, or not be saved with --state
  2    called or configured wrongly
  130  ended by SIGINT, 143 by SIGTERM

Examples:
  weir run examples/vital-signs.json --upper 1.5 --lower 0.4
  weir run examples/vital-signs-firehose.json --upper 1.5 --annotate
  cat examples/vital-signs.ndjson | weir run --upper 1.5 --alerts alerts.ndjson
  weir run examples/bad-records.json --upper 1.5 --dead-letter bad.ndjson
  weir run examples/vital-signs.json --upper 1.5 --record traffic --record-redact /patient_id
  weir run examples/bad-records.json --settings '{\"upper\": 1.5}'
  weir run examples/vital-signs.json --rule threshold --upper 1.5
  weir run examples/vital-signs.ndjson --upper 1.5 --shadow threshold
  weir run examples/vital-signs.json --upper 1.5 --dry-run \\
    --topic arn:aws:sns:eu-west-1:123456789012:alarms")]
pub(super) struct RunArgs {
    /// Files to read; `-` is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    files: Vec<PathBuf>,

    /// Go on reading the files as they grow, also when they are replaced, until a signal
    #[arg(long, short)]
    follow: bool,

    /// Publish nothing, send no dead letters and leave saved states alone, even if there are a topic
    /// and places for them
    #[arg(long)]
    dry_run: bool,

    /// Write the alerts of a dry run to this file, one JSON document a line
    #[arg(long, value_name = "FILE")]
    alerts: Option<PathBuf>,

    /// Serve metrics for Prometheus at this address, such as 127.0.0.1:9100
    #[arg(long, value_name = "ADDR")]
    metrics: Option<SocketAddr>,

    /// What to log on standard error: off, error, warn, info, debug
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    log: LevelFilter,

    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn main(args: RunArgs) -> Result<ExitCode, Failure> {
    let RunArgs { files, follow, config, dry_run, alerts, metrics, log } = args;
    let mut config = config.load()?;
    config.publish_timeout.get_or_insert(PUBLISH_TIMEOUT);
    if dry_run {
        if config.bad_records != BadRecords::Drop {
            config.bad_records = BadRecords::Fail;
        }
        // What is only tried is not learnt.
        config.state = None;
    }
    let screen = Screen::new();
    let log_to = screen.clone();
    let lines = tracing_subscriber::fmt::layer().with_writer(move || log_to.clone());
    // What the libraries below say is not known to keep payloads to themselves.
    let changes = if log >= LevelFilter::WARN { log.max(LevelFilter::INFO) } else { log };
    let ours = Targets::new()
        .with_target("weir", log)
        .with_targets(CHANGES.map(|target| (target, changes)));
    tracing_subscriber::registry().with(lines.with_filter(ours)).init();
    let recorder = recorder(&config)?;
    let topic = config.topic.as_deref().filter(|_| !dry_run);
    let goes_on = follow || files.iter().any(|file| file == Path::new("-"));
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        metrics.map_or(Ok(()), super::metrics::serve)?;
        let (rule, supply) = open_rule(&config).await?;
        let _watching = goes_on.then(|| watch(&config, &rule, supply, RULE_POLL));
        let keeper = keeper(&config).await?;
        let keeps_states = config.state.is_some();
        let events = match follow {
            true => files::follow(files, config.contract),
            false => files::read(files, config.contract),
        };
        match (topic, alerts) {
            (Some(arn), None) => {
                let topic = SnsTopic::connect(arn, config.max_publish_bytes).await;
                let topic = topic.map_err(Failure::usage)?;
                let pipeline = pipeline(&config, rule, keeper, topic).await?;
                answer_all(pipeline, recorder, keeps_states, events, &screen, false).await
            }
            (Some(_), Some(_)) => Err(Failure::usage(anyhow!(
                "--alerts is for dry runs, and a topic is set: add --dry-run to publish nothing"
            ))),
            (None, Some(path)) => {
                let file = File::create(&path).with_context(|| path.display().to_string());
                let writer = AlertWriter::new(AlertFormat::Ndjson, file.map_err(Failure::Usage)?);
                let writer = DryRun::new(writer, config.max_publish_bytes);
                let pipeline = pipeline(&config, rule, keeper, writer).await?;
                answer_all(pipeline, recorder, keeps_states, events, &screen, true).await
            }
            (None, None) => {
                let writer = AlertWriter::new(AlertFormat::Text, screen.clone());
                let writer = DryRun::new(writer, config.max_publish_bytes);
                let pipeline = pipeline(&config, rule, keeper, writer).await?;
                answer_all(pipeline, recorder, keeps_states, events, &screen, true).await
            }
        }
    });
    // A rule that is compiled ends with the process.
    runtime.shutdown_background();
    ended
}

/// Processes events on all cores; answers come out in order. In a dry run so do the alerts, and where
/// their order is to be kept: those of an event are published once all before it are answered.
async fn answer_all<P: Publisher + 'static>(
    mut pipeline: Pipeline<P>,
    recorder: Option<Recorder>,
    keeps_states: bool,
    events: mpsc::Receiver<anyhow::Result<InputEvent>>,
    screen: &Screen,
    dry_run: bool,
) -> Result<ExitCode, Failure> {
    if let Some(recorder) = &recorder {
        pipeline = pipeline.recorder(recorder.clone());
    }
    let cores = thread::available_parallelism().map_or(1, usize::from);
    // While an event waits for its turn, or for those before it to be answered, others go on.
    let at_once = 2 * cores;
    let pipeline = Arc::new(pipeline);
    let saving = save_due_states(&pipeline);
    // The rule may change to one that keeps state: it is to see events in order.
    let (mut entrances, mut deliveries) = (Turns::default(), Turns::default());
    let events =
        stream::unfold(events, async |mut events| events.recv().await.map(|event| (event, events)));
    let lines = screen.clone();
    let shutdown = Shutdown::listen(move |signal| {
        lines.line(&format!("{}: finishing what was taken", signal.name()));
    });
    let shutdown = shutdown.context("cannot listen for signals").map_err(Failure::Runtime)?;
    // Whoever reads the answers is gone, or the disk is full that they are written to.
    let unanswerable = Notify::new();
    let ends = async {
        tokio::select! {
            _ = shutdown.clone().requested() => {}
            () = unanswerable.notified() => {}
        }
    };
    let mut processed = pin!(
        events
            .take_until(ends)
            .map(|event| {
                let pipeline = Arc::clone(&pipeline);
                let turns = (entrances.next(), deliveries.next());
                spawn_blocking(move || event.map(|event| process(&pipeline, event, turns, dry_run)))
            })
            .buffered(at_once)
    );

    let mut counts = Counts::default();
    let mut blocks_its_shard = BlockedShard::default();
    // Whether something could not even be answered.
    let mut unanswered = false;
    // Why nothing more is answered. What was taken is finished all the same.
    let mut failure = None;
    while let Some(next) = processed.next().await {
        let next = match next.context("an event was not processed") {
            Ok(next) => next,
            Err(error) => {
                failure.get_or_insert(error);
                unanswerable.notify_one();
                continue;
            }
        };
        match next {
            Ok(Processed { event, result: Ok(response), .. }) => {
                if failure.is_none()
                    && let Err(error) = answer(&response)
                {
                    failure = Some(error);
                    unanswerable.notify_one();
                }
                report_failures(screen, &event, &response);
                blocks_its_shard.warn_once(screen, &response);
                counts += response.counts;
                screen.progress(&counts);
            }
            Ok(Processed { event, result: Err(error), .. }) => {
                screen.line(&format!("error: {}:{}: {error}", event.name, event.line));
                unanswered = true;
            }
            Err(error) => {
                screen.line(&format!("error: {error:#}"));
                unanswered = true;
            }
        }
    }
    let shadow = pipeline.rule().clone();
    if let Ok(Some(agreement)) = spawn_blocking(move || shadow.withdraw()).await {
        screen.line(&format!("shadow: {agreement}"));
    }
    drop(saving);
    let unsaved = pipeline.save_states().await;
    // Without a place that outlasts the process all states end with it.
    let incompletely_saved = keeps_states && unsaved > 0;
    if incompletely_saved {
        let states = counted(unsaved, "state");
        screen.line(&format!("error: {states} could not be saved: what was learnt since is lost"));
    }
    if let Some(recorder) = recorder {
        let told = spawn_blocking(move || recorder.tally()).await;
        record::report(screen, &told.context("the recording").map_err(Failure::Runtime)?);
    }
    screen.summary(&counts, dry_run);
    let incomplete = unanswered || incompletely_saved || counts.failed > 0;
    if let Some(error) = failure {
        return Err(Failure::Runtime(error));
    }
    if let Some(signal) = shutdown.ended_by() {
        return Ok(signal.exit_code());
    }
    Ok(if incomplete { ExitCode::from(INCOMPLETE) } else { ExitCode::SUCCESS })
}

/// What became of an event.
struct Processed {
    event: InputEvent,
    result: Result<Response, EnvelopeError>,
    /// Held until it is answered.
    _turn: Option<Taken>,
}

/// Processes an event. It takes its place in line when the first turn has come; if the order of events is
/// kept, or always, nothing is delivered before the second.
fn process<P: Publisher>(
    pipeline: &Pipeline<P>,
    event: InputEvent,
    (enters, delivers): (Turn, Turn),
    always_in_order: bool,
) -> Processed {
    let request = Request {
        body: &event.body,
        contract: event.contract,
        origin: event.origin(),
        deadline: None,
    };
    let read = pipeline.read(request);
    let entered = {
        let _turn = enters.wait(None);
        read.map(|incoming| pipeline.enter(incoming))
    };
    let classified = entered.map(|incoming| pipeline.classify(incoming));
    let in_order = |classified| always_in_order || pipeline.keeps_order(classified);
    let turn = classified.as_ref().is_ok_and(in_order).then(|| delivers.wait(None)).flatten();
    let result = classified.map(|classified| pipeline.deliver_blocking(classified));
    Processed { event, result, _turn: turn }
}

/// Looks after states that become due while no event comes, until what is returned is dropped.
fn save_due_states<P: Publisher + 'static>(pipeline: &Arc<Pipeline<P>>) -> AbortOnDrop {
    let pipeline = Arc::clone(pipeline);
    AbortOnDrop::spawn(async move {
        loop {
            tokio::time::sleep(LOOK_FOR_DUE_STATES_EVERY).await;
            pipeline.save_due_states().await;
        }
    })
}

fn answer(response: &Response) -> anyhow::Result<()> {
    if response.body.is_empty() {
        return Ok(());
    }
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(&response.body)
        .and_then(|()| stdout.write_all(b"\n"))
        .and_then(|()| stdout.flush())
        .context("cannot write the answer to standard output")
}

fn report_failures(screen: &Screen, event: &InputEvent, response: &Response) {
    for failure in &response.failures {
        let line = match response.contract {
            // There, the id is the place.
            Contract::Ndjson => format!("failed: {}: {}", failure.id, failure.reason),
            _ => format!(
                "failed: {}:{}: record {} (recordId {}): {}",
                event.name, event.line, failure.index, failure.id, failure.reason
            ),
        };
        screen.line(&line);
    }
}

/// Warns of what a record that can never be processed does on Kinesis.
#[derive(Debug, Default)]
struct BlockedShard {
    warned: bool,
}

impl BlockedShard {
    fn warn_once(&mut self, screen: &Screen, response: &Response) {
        let permanent = |failure: &FailedRecord| failure.kind == FailureKind::Permanent;
        let Some(bad) = response.failures.iter().find(|failure| permanent(failure)) else { return };
        if response.contract == Contract::Kinesis && !self.warned {
            self.warned = true;
            let policies = match bad.cause {
                FailureCause::DeadLetter => "drop",
                _ => "dead-letter or drop",
            };
            screen.line(&format!(
                "warning: record {} blocks its shard: it can never be processed, and Kinesis sends it \
                 again until it is too old; --on-bad-record {policies} lets the stream go on",
                bad.id
            ));
        }
    }
}
