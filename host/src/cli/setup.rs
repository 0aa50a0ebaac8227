use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use tokio::task::JoinHandle;

use super::compile::compiler;
use super::exit::Failure;
use super::output::print;
use crate::bad_record::OnBadRecord;
use crate::code::CodeCache;
use crate::config::{
    self, BadRecords, Config, CooldownOption, Options, PartitionKey, PollOption, ShadowRule,
    StatePlace,
};
use crate::dead_letter::{DeadLetterFile, sqs::SqsQueue};
use crate::engine::Engine;
use crate::filter::Filter;
use crate::live::{LiveRule, Offer, Supply, SupplyError, Watcher};
use crate::pipeline::Pipeline;
use crate::publish::{Cooldown, Publisher};
use crate::recording::Recorder;
use crate::rule::Rule;
use crate::source::{FetchLimits, Fetched, Fetcher, RuleSource};
use crate::state::{DynamoDbStore, FileStore, Keeper, S3Store};
use crate::verify::{Policy, Verified};

/// The arguments that say how to process events: those that `run` and `lambda` share.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct ConfigArgs {
    /// TOML file to read the options below from; flags and environment win over it [also: WEIR_CONFIG]
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

/// The rule that serves, with a candidate in shadow if there is to be one; and what brings the next.
pub(super) async fn open_rule(config: &Config) -> Result<(LiveRule, Supply), Failure> {
    let engine = configured_engine(config)?;
    let source = configured_source(config)?;
    let mut supply = supply(config, source, &config.code, &engine);
    let rule = LiveRule::new(first(&mut supply).await?.filter, config.updates.clone());
    if let Some(ShadowRule { source, code }) = &config.shadow {
        let candidate = first(&mut self::supply(config, source.clone(), code, &engine)).await?;
        let offer = match config.updates.promote_after {
            0 => rule.shadow(candidate.filter),
            _ => rule.offer(candidate.filter),
        };
        if let Offer::Refused(reason) = offer {
            return Err(Failure::Usage(anyhow!("rule {source}: refused, {reason}")));
        }
    }
    Ok((rule, supply))
}

/// The engine that a configuration describes.
pub(super) fn configured_engine(config: &Config) -> Result<Engine, Failure> {
    let engine = Engine::new(config.limits).map_err(Failure::runtime)?;
    // This program compiles, in processes of their own.
    let engine = engine.compiling_with(compiler().map_err(Failure::runtime)?);
    Ok(engine.granting(config.grants.iter().copied()))
}

/// What brings rules from a source, as a configuration demands them.
pub(super) fn supply(
    config: &Config,
    source: RuleSource,
    code: &CodeCache,
    engine: &Engine,
) -> Supply {
    let policy = policy(config, &source);
    let fetcher = Fetcher::new(source, config.fetch);
    Supply::new(fetcher, policy, engine.clone(), config.settings.clone(), code.clone())
}

/// What a configuration demands of a rule from a source.
fn policy(config: &Config, source: &RuleSource) -> Policy {
    match source.is_embedded() {
        true => config.policy.clone().for_embedded_rule(),
        false => config.policy.clone(),
    }
}

/// The rule that a supply brings first.
pub(super) async fn first(supply: &mut Supply) -> Result<Verified, Failure> {
    match supply.next().await {
        Ok(Some(verified)) => Ok(verified),
        Ok(None) => Err(Failure::Runtime(anyhow!("rule {supply}: nothing was fetched"))),
        Err(SupplyError::Fetch(error)) => Err(Failure::fetching(error)),
        Err(error) if error.is_of_the_host() => Err(Failure::runtime(error)),
        Err(error) => Err(Failure::usage(error)),
    }
}

/// Looks after the rule's source until what is returned is dropped; unless that is turned off, or
/// what it holds cannot change.
pub(super) fn watch(
    config: &Config,
    rule: &LiveRule,
    supply: Supply,
    every: Duration,
) -> Option<AbortOnDrop> {
    let changes = config.rule.as_ref().is_some_and(RuleSource::may_change);
    let every = config.rule_poll.map_or(Some(every), PollOption::interval).filter(|_| changes)?;
    Some(AbortOnDrop::spawn(Watcher::new(supply, rule.clone()).run(every)))
}

/// A task that ends when this is dropped.
pub(super) struct AbortOnDrop(JoinHandle<()>);

impl AbortOnDrop {
    pub(super) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(task))
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The configured rule, verified and opened, for a command that does not change it.
pub(super) async fn open_filter(config: &Config) -> Result<Filter, Failure> {
    let engine = configured_engine(config)?;
    let source = configured_source(config)?;
    let verified = first(&mut supply(config, source, &config.code, &engine)).await?;
    Ok(verified.filter)
}

/// The configured rule before it is opened, and what to call it.
pub(super) async fn configured_rule(config: &Config) -> Result<(String, Rule), Failure> {
    let source = configured_source(config)?;
    let policy = policy(config, &source);
    let Fetched { name, component, signature, .. } = match policy.demands_signature() {
        true => fetch_signed(source, config.fetch).await?,
        false => fetch(source, config.fetch).await?,
    };
    let rule =
        policy.load(&configured_engine(config)?, &component, signature.as_deref(), &config.code);
    let rule = rule.with_context(|| format!("rule {name}")).map_err(Failure::Usage)?;
    Ok((name, rule))
}

/// Begins the recording that a configuration describes, if it does.
pub(super) fn recorder(config: &Config) -> Result<Option<Recorder>, Failure> {
    let Some(options) = &config.recorder else { return Ok(None) };
    let recorder = Recorder::start(options.clone());
    recorder
        .with_context(|| format!("recording into {}", options.folder.display()))
        .map_err(Failure::Usage)
        .map(Some)
}

/// The pipeline that a configuration describes.
pub(super) async fn pipeline<P: Publisher>(
    config: &Config,
    rule: LiveRule,
    keeper: Keeper,
    publisher: P,
) -> Result<Pipeline<P>, Failure> {
    let mut pipeline = Pipeline::new(rule, publisher)
        .subject(&config.subject)
        .on_bad_record(on_bad_record(&config.bad_records).await?)
        .keeper(keeper);
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

/// What keeps the state of rules, as a configuration says.
pub(super) async fn keeper(config: &Config) -> Result<Keeper, Failure> {
    let keeper = match &config.state {
        None => Keeper::default(),
        Some(StatePlace::Directory(directory)) => {
            let store = FileStore::open(directory);
            let context = || format!("states in {}", directory.display());
            Keeper::new(store.with_context(context).map_err(Failure::Usage)?)
        }
        Some(StatePlace::S3 { bucket, prefix }) => {
            Keeper::new(S3Store::connect(bucket, prefix).await)
        }
        Some(StatePlace::DynamoDb(table)) => Keeper::new(DynamoDbStore::connect(table).await),
    };
    Ok(match config.state_every {
        Some(every) => keeper.save_every(every),
        None => keeper,
    })
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

/// Where `run` would look as well, unless a flag or a file says otherwise.
pub(super) fn code_cache(rule: Option<&Path>) -> CodeCache {
    let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let option = environment("WEIR_CACHE").map(|value| PathBuf::from(value).into());
    config::code_cache(option, rule, environment)
}

/// Fetches and loads the rule that an argument names.
pub(super) fn load_rule(
    engine: &Engine,
    source: RuleSource,
    limits: FetchLimits,
) -> Result<Rule, Failure> {
    let cache = code_cache(source.path());
    let Fetched { name, component, .. } = runtime()?.block_on(fetch(source, limits))?;
    let rule = Rule::load_cached(engine, &component, &cache);
    rule.with_context(|| format!("rule {name}")).map_err(Failure::Usage)
}

/// The rule that is at a source.
pub(super) async fn fetch(source: RuleSource, limits: FetchLimits) -> Result<Fetched, Failure> {
    fetch_with(Fetcher::new(source, limits).without_signatures()).await
}

/// The same, with its signature, if there is one.
pub(super) async fn fetch_signed(
    source: RuleSource,
    limits: FetchLimits,
) -> Result<Fetched, Failure> {
    fetch_with(Fetcher::new(source, limits)).await
}

async fn fetch_with(mut fetcher: Fetcher) -> Result<Fetched, Failure> {
    let name = fetcher.source().to_string();
    match fetcher.fetch().await {
        Ok(Some(fetched)) => Ok(fetched),
        Ok(None) => Err(Failure::Runtime(anyhow!("rule {name}: nothing was fetched"))),
        Err(error) => Err(Failure::fetching(error)),
    }
}

/// Says what was written to a file. If nobody takes that, the error says that the file is there.
pub(super) fn print_written(file: &Path, text: impl Display) -> Result<(), Failure> {
    let written = || format!("{} is written, which could not be said", file.display());
    print(text).map_err(|failure| match failure {
        Failure::Runtime(error) => Failure::Runtime(error.context(written())),
        Failure::Usage(error) => Failure::Usage(error.context(written())),
    })
}

/// Where the configured rule comes from.
fn configured_source(config: &Config) -> Result<RuleSource, Failure> {
    config.rule.clone().map_or_else(default_rule, Ok)
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
