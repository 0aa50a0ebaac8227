use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;

use super::exit::Failure;
use crate::config::{Config, Options};
use crate::engine::Engine;
use crate::filter::Filter;
use crate::pipeline::Pipeline;
use crate::publish::Publisher;
use crate::rule::Rule;

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
    let engine = Engine::new(config.limits).map_err(Failure::runtime)?;
    let (name, component) = read_rule(config.rule.as_deref()).map_err(Failure::Usage)?;
    let rule = Rule::load(&engine, &component).with_context(|| format!("rule {name}"));
    let filter = rule.map_err(Failure::Usage)?.open(&config.settings);
    filter.with_context(|| format!("rule {name}")).map_err(Failure::Usage)
}

/// The pipeline that a configuration describes.
pub(super) fn pipeline<P: Publisher>(config: &Config, filter: Filter, publisher: P) -> Pipeline<P> {
    let pipeline = Pipeline::new(filter, publisher).subject(&config.subject);
    match config.contract {
        Some(contract) => pipeline.contract(contract),
        None => pipeline,
    }
}

/// A rule's component and what to call it: the file's, or the embedded default.
pub(super) fn read_rule(path: Option<&Path>) -> anyhow::Result<(String, Vec<u8>)> {
    match path {
        Some(path) => {
            let name = path.display().to_string();
            let component = fs::read(path).with_context(|| format!("rule {name}"))?;
            Ok((name, component))
        }
        None => default_rule(),
    }
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
