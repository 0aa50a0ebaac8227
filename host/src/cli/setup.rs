use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Args;

use super::exit::Failure;
use crate::bad_record::OnBadRecord;
use crate::config::{BadRecords, Config, CooldownOption, Options, PartitionKey};
use crate::dead_letter::{DeadLetterFile, sqs::SqsQueue};
use crate::engine::Engine;
use crate::filter::Filter;
use crate::pipeline::Pipeline;
use crate::publish::{Cooldown, Publisher};
use crate::rule::{Description, Rule};

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

/// Loads the configured rule and opens it.
pub(super) fn open_filter(config: &Config) -> Result<Filter, Failure> {
    let (name, rule) = configured_rule(config)?;
    rule.open(&config.settings).with_context(|| format!("rule {name}")).map_err(Failure::Usage)
}

/// Loads the configured rule, and says what to call it.
pub(super) fn configured_rule(config: &Config) -> Result<(String, Rule), Failure> {
    let engine = Engine::new(config.limits).map_err(Failure::runtime)?;
    let (name, component) = read_rule(config.rule.as_deref()).map_err(Failure::Usage)?;
    let rule = Rule::load_cached(&engine, &component, &config.code);
    let rule = rule.with_context(|| format!("rule {name}")).map_err(Failure::Usage)?;
    let Description { name: of_rule, version, .. } = rule.description();
    tracing::info!(rule = of_rule, version, code = %rule.code(), "rule loaded");
    Ok((name, rule))
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

/// A rule's component and what to call it: an embedded one, by its name, or a file's. Without a name
/// it is the default.
pub(super) fn read_rule(rule: Option<&Path>) -> anyhow::Result<(String, Vec<u8>)> {
    #[cfg(feature = "default-rule")]
    {
        let mut rules = crate::embedded::RULES.into_iter();
        if let Some(embedded) =
            rules.find(|embedded| rule.is_none_or(|rule| rule == Path::new(embedded.name)))
        {
            return Ok((format!("{} (embedded)", embedded.name), embedded.component.to_vec()));
        }
    }
    let path = rule.context("this build has no rule embedded: name one with --rule FILE.wasm")?;
    let name = path.display().to_string();
    let component = fs::read(path).with_context(|| format!("rule {name}"))?;
    Ok((name, component))
}

/// A runtime for the network, and for the threads that classify.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Runtime(anyhow!(error).context("cannot start the runtime")))
}
