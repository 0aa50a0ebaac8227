use std::cell::Cell;
use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use futures_util::{FutureExt, StreamExt, stream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use super::exit::{Failure, INCOMPLETE};
use super::files;
use super::input::InputEvent;
use super::screen::Screen;
use super::setup::{ConfigArgs, open_filter, pipeline, runtime};
use super::shutdown::Shutdown;
use crate::config::BadRecords;
use crate::contract::{Contract, EnvelopeError, FailureKind, Origin};
use crate::pipeline::{Pipeline, Request};
use crate::publish::sns::SnsTopic;
use crate::publish::{AlertFormat, AlertWriter, Publisher};
use crate::response::{Counts, FailedRecord, Response};

/// How long publishing may take for an event, unless it is set: there is nobody who waits for the
/// answer until a time of his own.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
#[command(after_help = "\
Reads events, each a JSON document, or bare records, one JSON document a line.
Writes one answer a line to standard output. Without a topic it is a dry run:
what would be published is shown on standard error.

SIGINT and SIGTERM end the reading: what was taken is finished and answered. A
second signal ends the process at once.

Exit codes:
  0    all answered
  1    something could not be processed
  2    called or configured wrongly
  130  ended by SIGINT, 143 by SIGTERM

Examples:
  weir run examples/vital-signs.json --upper 1.5 --lower 0.4
  weir run examples/vital-signs-firehose.json --upper 1.5 --annotate
  cat examples/vital-signs.ndjson | weir run --upper 1.5 --alerts alerts.ndjson
  weir run examples/bad-records.json --upper 1.5 --dead-letter bad.ndjson
  weir run examples/bad-records.json --settings '{\"upper\": 1.5}'
  weir run examples/vital-signs.json --rule threshold --upper 1.5
  weir run examples/vital-signs.json --upper 1.5 --dry-run \\
    --topic arn:aws:sns:eu-west-1:123456789012:alarms")]
pub(super) struct RunArgs {
    /// Files to read; `-` is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    files: Vec<PathBuf>,

    /// Publish nothing and send no dead letters, even if there are a topic and a place for them
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
    let RunArgs { files, config, dry_run, alerts, metrics, log } = args;
    let mut config = config.load()?;
    config.publish_timeout.get_or_insert(PUBLISH_TIMEOUT);
    if dry_run && config.bad_records != BadRecords::Drop {
        config.bad_records = BadRecords::Fail;
    }
    let screen = Screen::new();
    let log_to = screen.clone();
    let lines = tracing_subscriber::fmt::layer().with_writer(move || log_to.clone());
    // What the libraries below say is not known to keep payloads to themselves.
    let ours = Targets::new().with_target("weir", log);
    tracing_subscriber::registry().with(lines.with_filter(ours)).init();
    let runtime = runtime()?;
    let filter = runtime.block_on(open_filter(&config))?;
    let topic = config.topic.as_deref().filter(|_| !dry_run);
    let events = files::read(files, config.contract);
    let ended = runtime.block_on(async {
        metrics.map_or(Ok(()), super::metrics::serve)?;
        match (topic, alerts) {
            (Some(arn), None) => {
                let topic = SnsTopic::connect(arn, config.max_publish_bytes).await;
                let topic = topic.map_err(Failure::usage)?;
                answer_all(pipeline(&config, filter, topic).await?, events, &screen, false).await
            }
            (Some(_), Some(_)) => Err(Failure::usage(anyhow!(
                "--alerts is for dry runs, and a topic is set: add --dry-run to publish nothing"
            ))),
            (None, Some(path)) => {
                let file = File::create(&path).with_context(|| path.display().to_string());
                let writer = AlertWriter::new(AlertFormat::Ndjson, file.map_err(Failure::Usage)?);
                answer_all(pipeline(&config, filter, writer).await?, events, &screen, true).await
            }
            (None, None) => {
                let writer = AlertWriter::new(AlertFormat::Text, screen.clone());
                answer_all(pipeline(&config, filter, writer).await?, events, &screen, true).await
            }
        }
    });
    if ended.is_err() {
        // What is under way ends with the process: nobody is left to take its answers.
        std::mem::forget(runtime);
    }
    ended
}

/// Processes events on all cores; answers come out in order. In a dry run so do the alerts: those of
/// an event are written once all before it are answered.
async fn answer_all<P: Publisher + 'static>(
    pipeline: Pipeline<P>,
    events: mpsc::Receiver<anyhow::Result<InputEvent>>,
    screen: &Screen,
    dry_run: bool,
) -> Result<ExitCode, Failure> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    // While an event waits for its turn, or for those before it to be answered, others go on. A rule
    // that keeps state is to see them in order.
    let at_once = if pipeline.rule().keeps_state { 1 } else { 2 * cores };
    let pipeline = Arc::new(pipeline);
    let mut turns = dry_run.then(Turns::default);
    let ended_by = Cell::new(None);
    let events =
        stream::unfold(events, async |mut events| events.recv().await.map(|event| (event, events)));
    let shutdown = Shutdown::listen().context("cannot listen for signals");
    let shutdown = shutdown.map_err(Failure::Runtime)?.requested().inspect(|signal| {
        screen.line(&format!("{}: finishing what was taken", signal.name()));
        ended_by.set(Some(*signal));
    });
    let mut processed = pin!(
        events
            .take_until(shutdown)
            .map(|event| {
                let pipeline = Arc::clone(&pipeline);
                let turn = turns.as_mut().filter(|_| event.is_ok()).map(Turns::next);
                spawn_blocking(move || event.map(|event| process(&pipeline, event, turn)))
            })
            .buffered(at_once)
    );

    let mut counts = Counts::default();
    let mut blocks_its_shard = BlockedShard::default();
    // Whether something could not even be answered.
    let mut unanswered = false;
    while let Some(next) = processed.next().await {
        let next = next.context("an event was not processed").map_err(Failure::Runtime)?;
        match next {
            Ok(Processed { event, result: Ok(response), .. }) => {
                answer(&response).map_err(Failure::Runtime)?;
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
    screen.summary(&counts, dry_run);
    let incomplete = unanswered || counts.failed > 0;
    if let Some(signal) = ended_by.get() {
        return Ok(signal.exit_code());
    }
    Ok(if incomplete { ExitCode::from(INCOMPLETE) } else { ExitCode::SUCCESS })
}

/// What became of an event.
struct Processed {
    event: InputEvent,
    result: Result<Response, EnvelopeError>,
    /// Held until it is answered.
    _turn: Option<oneshot::Sender<()>>,
}

/// Processes an event. With a turn, nothing is delivered before it comes.
fn process<P: Publisher>(
    pipeline: &Pipeline<P>,
    event: InputEvent,
    turn: Option<Turn>,
) -> Processed {
    let request = Request {
        body: &event.body,
        contract: event.contract,
        origin: Origin { name: &event.name, line: event.line },
        deadline: None,
    };
    let classified = pipeline.classify(request);
    let turn = turn.map(Turn::wait);
    let result = classified.map(|classified| pipeline.deliver_blocking(classified));
    Processed { event, result, _turn: turn }
}

/// Hands out turns, one after the other.
#[derive(Debug, Default)]
struct Turns {
    last: Option<oneshot::Receiver<()>>,
}

/// A turn: it comes when what was made of the one before is dropped.
#[derive(Debug)]
struct Turn {
    before: Option<oneshot::Receiver<()>>,
    ended: oneshot::Sender<()>,
}

impl Turns {
    fn next(&mut self) -> Turn {
        let (ended, end) = oneshot::channel();
        Turn { before: self.last.replace(end), ended }
    }
}

impl Turn {
    /// Waits until it comes. It ends when what is returned is dropped.
    fn wait(self) -> oneshot::Sender<()> {
        if let Some(before) = self.before {
            // It ends by being dropped: nothing is ever sent.
            let _ = before.blocking_recv();
        }
        self.ended
    }
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
            screen.line(&format!(
                "warning: record {} blocks its shard: it can never be processed, and Kinesis sends it \
                 again until it is too old; --on-bad-record dead-letter or drop lets the stream go on",
                bad.id
            ));
        }
    }
}
