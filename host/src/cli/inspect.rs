use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::exit::Failure;
use super::setup::read_rule;
use crate::code::CodeCache;
use crate::config;
use crate::engine::Engine;
use crate::limits::Limits;
use crate::rule::{Description, Rule};

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0  it is a rule
  1  it is none: why, is said on standard error
  2  called wrongly, or no file to read

Examples:
  weir inspect
  weir inspect forest")]
pub(super) struct InspectArgs {
    /// Rule to look at: threshold or forest, or the file of a component [default: threshold]
    #[arg(value_name = "RULE")]
    rule: Option<PathBuf>,
}

pub(super) fn main(args: &InspectArgs) -> Result<ExitCode, Failure> {
    // Why native code that is there is not used.
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(tracing::Level::INFO)
        .without_time()
        .with_target(false)
        .init();
    let engine = Engine::new(Limits::default()).map_err(Failure::runtime)?;
    let (name, component) = read_rule(args.rule.as_deref()).map_err(Failure::Usage)?;
    let cache = code_cache(args.rule.as_deref());
    let rule = Rule::load_cached(&engine, &component, &cache)
        .with_context(|| format!("{name} was refused"))
        .map_err(Failure::Runtime)?;
    print!("{}", report(&rule, component.len()));
    Ok(ExitCode::SUCCESS)
}

/// Where `run` would look as well, unless a flag or a file says otherwise.
fn code_cache(rule: Option<&Path>) -> CodeCache {
    let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let option = environment("WEIR_CACHE").map(|value| PathBuf::from(value).into());
    config::code_cache(option, rule, environment)
}

fn report(rule: &Rule, bytes: usize) -> String {
    let Description { name, version, settings_schema, keeps_state, rewrites } = rule.description();
    let yes_no = |yes: &bool| if *yes { "yes" } else { "no" };
    let listed = |names: Vec<String>| match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    };
    format!(
        "name         {name}\n\
         version      {version}\n\
         size         {bytes} bytes\n\
         native code  {}\n\
         imports      {}\n\
         exports      {}\n\
         keeps state  {}\n\
         rewrites     {}\n\
         settings     {}\n",
        rule.code(),
        listed(rule.imports()),
        listed(rule.exports()),
        yes_no(keeps_state),
        yes_no(rewrites),
        settings_schema.trim().replace('\n', "\n             "),
    )
}
