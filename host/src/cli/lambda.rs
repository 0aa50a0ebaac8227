use std::borrow::Cow;
use std::env;
use std::io;
use std::pin::pin;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, anyhow};
use clap::Args;
use futures_util::future::{Either, select};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use metrics_cloudwatch_embedded::Collector;
use serde_json::value::RawValue;
use tokio::sync::Mutex;

use super::exit::Failure;
use super::setup::{ConfigArgs, keeper, open_rule, pipeline, runtime, watch};
use super::shutdown::Shutdown;
use crate::config::BadRecords;
use crate::contract::Contract;
use crate::pipeline::{Pipeline, Request};
use crate::publish::sns::SnsTopic;
use crate::state::SaveEvery;
use crate::telemetry;

/// What is left for answering when classifying and publishing have to stop.
const TIME_TO_ANSWER: Duration = Duration::from_millis(500);

/// How often the rule's source is looked at, unless it is set.
const RULE_POLL: Duration = Duration::from_secs(60);

#[derive(Debug, Default, Args)]
#[command(after_help = "\
The same binary, started as `bootstrap` without arguments inside Lambda, does the same: configure
it by the environment. Outside, `cargo lambda watch` stands in for the service.

Exit codes:
  1    it cannot be served: why, is said on standard error
  2    called or configured wrongly, or not inside Lambda
  130  ended by SIGINT, after what was under way
  143  ended by SIGTERM, after what was under way

Examples:
  SNS_TOPIC_ARN=arn:aws:sns:eu-west-1:123456789012:alarms ANOMALY_THRESHOLD_SCORE=1.5 weir lambda
  weir lambda --config weir.toml")]
pub(super) struct LambdaArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

/// Serves invocations until the service ends the process. All that does not change from one to the
/// next is set up before the first.
pub(super) fn main(args: LambdaArgs) -> Result<ExitCode, Failure> {
    tracing_subscriber::fmt()
        .json()
        .with_writer(io::stderr)
        .with_max_level(tracing::Level::INFO)
        .without_time()
        .init();
    let function = function_name()?;
    let metrics = metrics(function)?;
    let mut config = args.config.load()?;
    // Another instance may be given the next event.
    config.state_every.get_or_insert(SaveEvery::Records(1));
    let Some(arn) = &config.topic else {
        return Err(Failure::usage(anyhow!("no topic to publish to: set SNS_TOPIC_ARN")));
    };
    if config.recorder.is_some() {
        // What it writes to is gone with it, or shared with others like it.
        tracing::error!("a Lambda function does not record: see docs/traffic.md");
    }
    if let BadRecords::File(path) = &config.bad_records {
        // The same.
        tracing::error!(
            file = %path.display(),
            "dead letters in a file are gone with the Lambda function, unless a file system is mounted \
             there: name a queue, see docs/delivery.md"
        );
    }
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let (rule, supply) = open_rule(&config).await?;
        // Beside the invocations: between them the process may stand still.
        let _watching = watch(&config, &rule, supply, RULE_POLL);
        let topic = SnsTopic::connect(arn, config.max_publish_bytes).await;
        let topic = topic.map_err(Failure::usage)?;
        let keeper = keeper(&config).await?.takes_turns();
        let pipeline = pipeline(&config, rule, keeper, topic).await?;
        // Held while an invocation is under way.
        let under_way = Mutex::new(());
        let handler = service_fn(|event| async {
            let _under_way = under_way.lock().await;
            let answer = handle(&pipeline, config.contract, event).await;
            // Metrics are lines of the log; if it is closed, nobody reads them.
            let _ = metrics.flush(io::stdout());
            answer
        });
        let shutdown = Shutdown::listen(|signal| {
            tracing::info!(signal = signal.name(), "finishing what was taken");
        });
        let shutdown = shutdown.context("cannot listen for signals").map_err(Failure::Runtime)?;
        let shutdown = shutdown.requested();
        let (serving, shutdown) = (pin!(lambda_runtime::run(handler)), pin!(shutdown));
        match select(serving, shutdown).await {
            Either::Left((ended, _)) => ended
                .map(|()| ExitCode::SUCCESS)
                .map_err(|error| Failure::Runtime(anyhow!("the Lambda runtime ended: {error}"))),
            Either::Right((signal, serving)) => {
                // The answer is on its way once the next event is waited for, which is not begun.
                let finished = async {
                    let _no_other = under_way.lock().await;
                    tokio::time::sleep(TIME_TO_ANSWER).await;
                };
                select(serving, pin!(finished)).await;
                pipeline.save_states().await;
                // Also what could not be saved.
                let _ = metrics.flush(io::stdout());
                Ok(signal.exit_code())
            }
        }
    });
    // A rule that is compiled ends with the process.
    runtime.shutdown_background();
    ended
}

/// The function's name, if all is set without which the runtime panics.
fn function_name() -> Result<String, Failure> {
    let told = |name| {
        env::var(name).map_err(|_| {
            Failure::usage(anyhow!(
                "not inside Lambda: {name} is not set; `cargo lambda watch` runs it on this machine"
            ))
        })
    };
    told("AWS_LAMBDA_RUNTIME_API")?;
    told("AWS_LAMBDA_FUNCTION_VERSION")?;
    told("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")?;
    told("AWS_LAMBDA_FUNCTION_NAME")
}

/// Counts in the embedded metric format of CloudWatch, which is written to the log.
fn metrics(function: String) -> Result<&'static Collector, Failure> {
    let collector = metrics_cloudwatch_embedded::Builder::new()
        .cloudwatch_namespace("Weir")
        .with_dimension("FunctionName", function)
        .init()
        .map_err(|error| Failure::Runtime(anyhow!("cannot record metrics: {error}")))?;
    telemetry::describe();
    // Each gauge is written again with every event, and none is ever forgotten.
    telemetry::leave_out_rule_info();
    Ok(collector)
}

/// Answers one invocation. An event that cannot be read is an error of the invocation: the service
/// knows what to do with it.
async fn handle(
    pipeline: &Pipeline<SnsTopic>,
    contract: Option<Contract>,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<Box<RawValue>, Error> {
    let body = body(&event.payload, contract);
    let request = Request {
        body: body.as_bytes(),
        deadline: work_ends(event.context.deadline),
        ..Request::default()
    };
    let response = pipeline.process(request).await?;
    for failure in &response.failures {
        tracing::warn!(
            record = failure.id,
            kind = failure.kind.name(),
            cause = failure.cause.name(),
            reason = failure.reason,
            "record failed"
        );
    }
    if response.contract == Contract::Ndjson
        && let Some(failure) = response.failures.first()
    {
        // No service reads of it in an answer.
        return Err(format!("the record failed: {}", failure.reason).into());
    }
    let counts = response.counts;
    tracing::info!(
        contract = %response.contract,
        records = counts.records,
        flagged = counts.flagged,
        published = counts.published,
        failed = counts.failed,
        "event answered"
    );
    Ok(RawValue::from_string(String::from_utf8(response.body)?)?)
}

/// An event as its contract has it: the document that Lambda hands over is one record of `ndjson`, and so has
/// to be one line.
fn body(payload: &RawValue, contract: Option<Contract>) -> Cow<'_, str> {
    let document = payload.get();
    match contract {
        // In JSON, a line break is nothing but space between tokens.
        Some(Contract::Ndjson) => document.replace('\n', " ").into(),
        _ => document.into(),
    }
}

/// When classifying and publishing have to stop, for an invocation that ends at `deadline_ms` of Unix time. One that
/// had ended before it came was timed by another clock, and says nothing.
fn work_ends(deadline_ms: u64) -> Option<Instant> {
    let ends = SystemTime::UNIX_EPOCH + Duration::from_millis(deadline_ms);
    let left = ends.duration_since(SystemTime::now()).ok()?;
    Some(Instant::now() + left.saturating_sub(TIME_TO_ANSWER))
}
