use std::fs::File;
use std::io::{self, Read};
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
use crate::rule::Description;
use crate::verify::{MAX_SIGNATURE_BYTES, Policy, Verified};

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

/// Verifies the configured rule and opens it.
pub(super) fn open_filter(config: &Config) -> Result<Filter, Failure> {
    let engine = Engine::new(config.limits).map_err(Failure::runtime)?;
    let filter = verify(config, &engine).map_err(Failure::Usage)?.filter;
    Ok(filter)
}

/// Verifies the configured rule as the configuration demands.
pub(super) fn verify(config: &Config, engine: &Engine) -> anyhow::Result<Verified> {
    let (name, component) = read_rule(config.rule.as_deref(), &config.policy)?;
    let (policy, signature) = match &config.rule {
        Some(path) if config.policy.demands_signature() => {
            (config.policy.clone(), read_signature(path)?)
        }
        Some(_) => (config.policy.clone(), None),
        None => (config.policy.clone().for_embedded_rule(), None),
    };
    let settings = &config.settings;
    let verified = policy.verify(engine, &component, signature.as_deref(), settings, &config.code);
    let verified = verified.with_context(|| format!("rule {name}"))?;
    let rule = verified.filter.rule();
    let Description { name, version, .. } = rule.description();
    let signer = verified.signer.as_ref().map(tracing::field::display);
    tracing::info!(
        rule = name,
        version,
        digest = %rule.digest(),
        signer,
        golden_records = verified.golden_records,
        code = %rule.code(),
        "rule loaded"
    );
    Ok(verified)
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

/// A rule's component and what to call it: the file's, or the embedded default. Of a file that is
/// larger than a policy allows, no more is read than shows it.
pub(super) fn read_rule(path: Option<&Path>, policy: &Policy) -> anyhow::Result<(String, Vec<u8>)> {
    match path {
        Some(path) => {
            let name = path.display().to_string();
            let component = read_at_most(path, policy.max_component_bytes().saturating_add(1))
                .with_context(|| format!("rule {name}"))?;
            Ok((name, component))
        }
        None => default_rule(),
    }
}

/// The signature that stands beside a rule, if there is one.
fn read_signature(rule: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let path = signature_path(rule);
    match read_at_most(&path, MAX_SIGNATURE_BYTES + 1) {
        Ok(signature) => Ok(Some(signature)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("signature {}", path.display())),
    }
}

/// Where the signature of a rule stands, as `ssh-keygen -Y sign` names it: `RULE.wasm.sig`.
pub(super) fn signature_path(rule: &Path) -> PathBuf {
    let mut path = rule.as_os_str().to_owned();
    path.push(".sig");
    path.into()
}

fn read_at_most(path: &Path, bytes: usize) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(bytes as u64).read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(feature = "default-rule")]
fn default_rule() -> anyhow::Result<(String, Vec<u8>)> {
    Ok(("threshold (embedded)".to_owned(), crate::DEFAULT_RULE.to_vec()))
}

#[cfg(not(feature = "default-rule"))]
fn default_rule() -> anyhow::Result<(String, Vec<u8>)> {
    Err(anyhow!("this build has no rule embedded: name one with --rule FILE.wasm"))
}

/// A runtime for the network, and for the threads that classify.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Runtime(anyhow!(error).context("cannot start the runtime")))
}
