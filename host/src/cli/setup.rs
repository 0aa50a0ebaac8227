use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Args;

use super::exit::Failure;
use crate::bad_record::OnBadRecord;
use crate::config::{BadRecords, Config, CooldownOption, Options, PartitionKey};
use crate::dead_letter::{DeadLetterFile, sqs::SqsQueue};
use crate::engine::Engine;
use crate::filter::Filter;
use crate::grant::Grant;
use crate::limits::Limits;
use crate::pipeline::Pipeline;
use crate::publish::{Cooldown, Publisher};
use crate::rule::{Description, Rule};
use crate::source::{FetchLimits, Fetched, Fetcher, RuleSource};

/// The arguments that say how to process events: those that `run` and `lambda` share.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct ConfigArgs {
    /// TOML file to read the options below from; flags and environment win over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    options: Options,
}

impl ConfigArgs {
    pub(super) fn load(self) -> Result<Config, Failure> {
        let environment = |name: &str| std::env::var(name).ok();
        Config::load(self.options, self.config.as_deref(), environment).map_err(Failure::Usage)
    }
}

/// What a rule may import that is only looked at.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct GrantArgs {
    /// What the rule may import, although rules import nothing: inert-wasi, WASI with nothing behind it
    #[arg(long, value_name = "inert-wasi", value_delimiter = ',')]
    grant: Vec<Grant>,
}

impl GrantArgs {
    /// An engine with the default limits that grants it.
    pub(super) fn engine(self) -> Result<Engine, Failure> {
        let engine = Engine::new(Limits::default()).map_err(Failure::runtime)?;
        Ok(engine.granting(self.grant))
    }
}

/// Fetches the configured rule, loads it and opens it.
pub(super) async fn open_filter(config: &Config) -> Result<Filter, Failure> {
    let engine = Engine::new(config.limits).map_err(Failure::runtime)?;
    let engine = engine.granting(config.grants.iter().copied());
    let source = config.rule.clone().map_or_else(default_rule, Ok)?;
    let Fetched { name, component, .. } = fetch(source, config.fetch).await?;
    let context = || format!("rule {name}");
    let rule = Rule::load_cached(&engine, &component, &config.code).with_context(context);
    let rule = rule.map_err(Failure::Usage)?;
    let Description { name: called, version, .. } = rule.description();
    tracing::info!(
        rule = called,
        version,
        digest = %rule.digest(),
        source = name,
        code = %rule.code(),
        "rule loaded"
    );
    rule.open(&config.settings).with_context(context).map_err(Failure::Usage)
}

/// The pipeline that a configuration describes.
pub(super) async fn pipeline<P: Publisher>(
    config: &Config,
    filter: Filter,
    publisher: P,
) -> Result<Pipeline<P>, Failure> {
    let mut pipeline = Pipeline::new(filter, publisher)
        .subject(&config.subject)
        .on_bad_record(on_bad_record(&config.bad_records).await?);
    if let Some(contract) = config.contract {
        pipeline = pipeline.contract(contract);
    }
    if let Some(ordering) = config.ordering {
        pipeline = pipeline.ordering(ordering);
    }
    if let Some(timeout) = config.publish_timeout {
        pipeline = pipeline.publish_timeout(timeout);
    }
    if let Some(CooldownOption { key, window }) = &config.cooldown {
        pipeline = pipeline.cooldown(Cooldown::new(key.clone(), *window));
    }
    if let Some(field) = &config.message_group {
        pipeline = pipeline.message_group(field.clone());
    }
    for PartitionKey { name, field } in &config.partition_keys {
        pipeline = pipeline.partition_key(name, field.clone());
    }
    Ok(pipeline)
}

async fn on_bad_record(policy: &BadRecords) -> Result<OnBadRecord, Failure> {
    Ok(match policy {
        BadRecords::Fail => OnBadRecord::Fail,
        BadRecords::Drop => OnBadRecord::Drop,
        BadRecords::Queue(url) => {
            let queue = SqsQueue::connect(url).await.map_err(Failure::usage)?;
            OnBadRecord::DeadLetter(Arc::new(queue))
        }
        BadRecords::File(path) => {
            let file = DeadLetterFile::open(path);
            let file = file.with_context(|| format!("dead letters to {}", path.display()));
            OnBadRecord::DeadLetter(Arc::new(file.map_err(Failure::Usage)?))
        }
    })
}

/// The rule that is at a source.
pub(super) async fn fetch(source: RuleSource, limits: FetchLimits) -> Result<Fetched, Failure> {
    let name = source.to_string();
    match Fetcher::new(source, limits).fetch().await {
        Ok(Some(fetched)) => Ok(fetched),
        Ok(None) => Err(Failure::Runtime(anyhow!("rule {name}: nothing was fetched"))),
        Err(error) => Err(Failure::fetching(error)),
    }
}

/// Where the rule comes from if none is named.
pub(super) fn default_rule() -> Result<RuleSource, Failure> {
    RuleSource::embedded_default().ok_or_else(|| {
        Failure::Usage(anyhow!("this build has no rule embedded: name one with --rule SOURCE"))
    })
}

/// A runtime for the network, and for the threads that classify.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Runtime(anyhow!(error).context("cannot start the runtime")))
}
