//! What the command line and the Lambda can be told, and where it is found.
//!
//! Each source is a layer: flags win over the environment, the environment over the file. All
//! layers have the same shape, [`Options`].

mod arguments;

mod environment;

mod file;

mod options;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Map, Value};

use crate::code::CodeCache;
use crate::contract::Contract;
use crate::limits::Limits;
use crate::pipeline::DEFAULT_SUBJECT;
use crate::pointer::FieldPointer;
use crate::publish::{Ordering, sns};

pub use arguments::{BadRecordPolicy, CacheOption, CooldownOption, PartitionKey, Span};
pub use options::{Options, SettingsSource};

/// All that was told, brought together.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The contract of every event; told by its shape where there is none.
    pub contract: Option<Contract>,
    /// An embedded rule's name, or a component's file; the default where there is none.
    pub rule: Option<PathBuf>,
    /// Where its native code is looked for, and kept.
    pub code: CodeCache,
    /// The settings document to open the rule with, as JSON.
    pub settings: String,
    /// The ARN of the topic to publish to; a dry run where there is none.
    pub topic: Option<String>,
    /// The subject of messages.
    pub subject: String,
    /// The most that the topic takes in one request, in bytes.
    pub max_publish_bytes: usize,
    /// How long publishing may take for an event.
    pub publish_timeout: Option<Duration>,
    /// What is still attempted after a record that failed.
    pub ordering: Option<Ordering>,
    /// What becomes of records that can never be processed.
    pub bad_records: BadRecords,
    /// What alerts are merged by.
    pub cooldown: Option<CooldownOption>,
    /// The field that holds the message group for a FIFO topic.
    pub message_group: Option<FieldPointer>,
    /// The partition keys for Firehose.
    pub partition_keys: Vec<PartitionKey>,
    /// What the rule may use for a batch.
    pub limits: Limits,
}

/// What becomes of records that can never be processed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadRecords {
    /// They are answered as failed.
    Fail,
    /// They are counted and dropped.
    Drop,
    /// They are sent to the queue with this URL.
    Queue(String),
    /// They are appended to this file.
    File(PathBuf),
}

impl BadRecords {
    /// A policy needs a place exactly if it is the one that sends records away.
    fn new(policy: Option<BadRecordPolicy>, place: Option<String>) -> anyhow::Result<Self> {
        match (policy, place) {
            (Some(BadRecordPolicy::DeadLetter), None) => {
                bail!(
                    "on-bad-record dead-letter needs a place: name a queue or a file with dead-letter"
                )
            }
            (Some(BadRecordPolicy::DeadLetter) | None, Some(place)) => {
                let url = place.starts_with("https://") || place.starts_with("http://");
                Ok(if url { Self::Queue(place) } else { Self::File(place.into()) })
            }
            // The place may be set for all functions alike, as by a template.
            (Some(BadRecordPolicy::Drop), _) => Ok(Self::Drop),
            (Some(BadRecordPolicy::Fail), _) | (None, None) => Ok(Self::Fail),
        }
    }
}

impl Config {
    /// Brings flags, environment and file together. `file` is the one that a flag names, if any;
    /// `environment` looks a variable up.
    ///
    /// # Errors
    ///
    /// Names the file, the variable or the option that does not fit.
    pub fn load(
        flags: Options,
        file: Option<&Path>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Self> {
        // A variable that is set to nothing counts as not set.
        let environment = |name: &str| environment(name).filter(|value| !value.is_empty());
        let named = environment("WEIR_CONFIG").map(PathBuf::from);
        let file = match file.or(named.as_deref()) {
            Some(path) => file::read(path).with_context(|| format!("in {}", path.display()))?,
            None => Options::default(),
        };
        let layers =
            [file, environment::original(&environment)?, environment::weir(&environment)?, flags];

        let mut settings = Map::new();
        let mut options = Options::default();
        for layer in layers {
            settings.extend(layer.settings_document()?);
            options = layer.over(options);
        }
        let code = code_cache(options.cache.take(), options.rule.as_deref(), environment);
        Self::new(options, settings, code)
    }

    fn new(
        options: Options,
        settings: Map<String, Value>,
        code: CodeCache,
    ) -> anyhow::Result<Self> {
        let subject = options.subject.unwrap_or_else(|| DEFAULT_SUBJECT.to_owned());
        sns::check_subject(&subject).with_context(|| format!("subject {subject:?}"))?;
        let default = Limits::default();
        if let Some(mib) = options.memory_limit_mib.filter(|mib| !(1..=4096).contains(mib)) {
            bail!("memory limit: expected 1 to 4096 MiB, found {mib}");
        }
        Ok(Self {
            contract: options.contract,
            rule: options.rule,
            code,
            settings: Value::Object(settings).to_string(),
            topic: options.topic,
            subject,
            max_publish_bytes: options.max_publish_bytes.unwrap_or(sns::DEFAULT_MAX_BYTES),
            publish_timeout: options.publish_timeout.map(|Span(timeout)| timeout),
            ordering: options.ordering,
            bad_records: BadRecords::new(options.on_bad_record, options.dead_letter)?,
            cooldown: options.cooldown,
            message_group: options.message_group,
            partition_keys: options.partition_key.unwrap_or_default(),
            limits: Limits {
                time: options.time_limit_ms.map_or(default.time, Duration::from_millis),
                memory_bytes: options
                    .memory_limit_mib
                    .map_or(default.memory_bytes, |mib| mib.saturating_mul(1 << 20)),
                output_bytes: options
                    .output_limit_mib
                    .map_or(default.output_bytes, |mib| mib.saturating_mul(1 << 20)),
                ..default
            },
        })
    }
}

/// Where the native code of a rule's file is looked for, and kept: beside it, where `weir precompile`
/// leaves it, and in the directory that was named, or else in the user's own cache.
pub(crate) fn code_cache(
    option: Option<CacheOption>,
    rule: Option<&Path>,
    environment: impl Fn(&str) -> Option<String>,
) -> CodeCache {
    let directory = match option {
        Some(CacheOption::Off) => return CodeCache::default(),
        Some(CacheOption::Directory(directory)) => Some(directory),
        None => user_cache(environment).map(|cache| cache.join("weir")),
    };
    let mut cache = CodeCache::default();
    if let Some(rule) = rule {
        cache = cache.package(rule.with_extension("cwasm"));
    }
    if let Some(directory) = directory {
        cache = cache.directory(directory);
    }
    cache
}

/// As the XDG Base Directory Specification has it: a relative path counts for nothing.
fn user_cache(environment: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let absolute = |name| environment(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(flags: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<Config> {
        let flags = Options::parse_from_flags(flags).expect("flags");
        Config::load(flags, None, |name| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn settings(flags: &[&str], environment: &[(&str, &str)]) -> Value {
        let config = load(flags, environment).expect("a configuration");
        serde_json::from_str(&config.settings).expect("JSON")
    }

    #[test]
    fn names_of_the_original_work_as_they_are() {
        let environment = [("SNS_TOPIC_ARN", "arn:t"), ("ANOMALY_THRESHOLD_SCORE", "1.5")];
        let config = load(&[], &environment).expect("a configuration");
        assert_eq!(config.topic.as_deref(), Some("arn:t"));
        let inclusive = serde_json::json!({"upper": 1.5, "exclusive": false});
        assert_eq!(settings(&[], &environment), inclusive);
        let environment = [("UPPER_THRESHOLD", "1.5"), ("LOWER_THRESHOLD", " 0.4 ")];
        let exclusive = serde_json::json!({"upper": 1.5, "lower": 0.4, "exclusive": true});
        assert_eq!(settings(&[], &environment), exclusive);
    }

    #[test]
    fn a_variable_that_does_not_fit_is_named() {
        for (name, value) in [
            ("ANOMALY_THRESHOLD_SCORE", "high"),
            ("UPPER_THRESHOLD", "inf"),
            ("WEIR_TIME_LIMIT_MS", "1s"),
            ("WEIR_CONTRACT", "kinesis?"),
        ] {
            let error = format!("{:#}", load(&[], &[(name, value)]).expect_err(name));
            assert!(error.contains(name), "{error}");
        }
        let both = [("ANOMALY_THRESHOLD_SCORE", "1"), ("UPPER_THRESHOLD", "2")];
        assert!(load(&[], &both).is_err());
    }

    #[test]
    fn flags_win_over_the_environment() {
        let environment = [("WEIR_UPPER", "2"), ("UPPER_THRESHOLD", "3"), ("LOWER_THRESHOLD", "1")];
        let expected = serde_json::json!({"upper": 2.0, "lower": 1.0, "exclusive": true});
        assert_eq!(settings(&[], &environment), expected);
        let expected = serde_json::json!({"upper": 4, "lower": 1.0, "exclusive": false});
        assert_eq!(
            settings(&["--settings={\"upper\":4}", "--exclusive=false"], &environment),
            expected
        );
    }

    #[test]
    fn a_flag_wins_over_the_settings_beside_it() {
        let flags = ["--upper=2", "--settings={\"upper\":1,\"annotate\":true}"];
        let expected = serde_json::json!({"upper": 2.0, "annotate": true});
        assert_eq!(settings(&flags, &[]), expected);
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        assert_eq!(load(&[], &[("SNS_TOPIC_ARN", "")]).expect("a configuration").topic, None);
    }

    #[test]
    fn native_code_is_looked_for_beside_the_rule_and_kept_in_the_cache_of_the_user() {
        let code = |flags: &[&str], environment: &[(&str, &str)]| {
            load(flags, environment).expect("a configuration").code
        };
        let rule = "--rule=rules/fever.wasm";
        let package = CodeCache::default().package("rules/fever.cwasm");
        assert_eq!(code(&[rule], &[]), package);
        let home = [("HOME", "/home/ada"), ("XDG_CACHE_HOME", "cache")];
        assert_eq!(code(&[rule], &home), package.clone().directory("/home/ada/.cache/weir"));
        let xdg = [("HOME", "/home/ada"), ("XDG_CACHE_HOME", "/cache")];
        assert_eq!(code(&[rule], &xdg), package.clone().directory("/cache/weir"));
        assert_eq!(code(&[rule, "--cache=code"], &home), package.directory("code"));
        let off = [("HOME", "/home/ada"), ("WEIR_CACHE", "off")];
        assert_eq!(code(&[rule], &off), CodeCache::default());
    }

    #[test]
    fn a_limit_that_no_engine_has_is_refused() {
        assert!(load(&["--memory-limit-mib=0"], &[]).is_err());
        assert!(load(&["--memory-limit-mib=5000"], &[]).is_err());
        let config = load(&["--memory-limit-mib=4096"], &[]).expect("a configuration");
        assert_eq!(config.limits.memory_bytes, 4096 << 20);
    }

    #[test]
    fn a_place_for_dead_letters_is_enough_to_send_them_there() {
        let bad_records = |flags: &[&str]| load(flags, &[]).map(|config| config.bad_records);
        let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/bad";
        let flag = format!("--dead-letter={url}");
        assert_eq!(bad_records(&[&flag]).expect("a queue"), BadRecords::Queue(url.to_owned()));
        let file = bad_records(&["--dead-letter=bad.ndjson", "--on-bad-record=dead-letter"]);
        assert_eq!(file.expect("a file"), BadRecords::File("bad.ndjson".into()));
        let drop = bad_records(&[&flag, "--on-bad-record=drop"]);
        assert_eq!(drop.expect("the policy that was named"), BadRecords::Drop);
        assert_eq!(bad_records(&[]).expect("the default"), BadRecords::Fail);
        assert!(bad_records(&["--on-bad-record=dead-letter"]).is_err());
    }

    /// A flag that a layer forgets would be lost without a word.
    #[test]
    fn every_flag_reaches_through_the_layers() {
        use clap::{Args, Command};

        for argument in Options::augment_args(Command::new("weir")).get_arguments() {
            let Some(name) = argument.get_long() else { continue };
            let values = ["1.5", "1", "true", "30s", "key", "fail", "/a=5m", "/a", "a=/a", "{}"];
            let set = values
                .into_iter()
                .chain(["ndjson"])
                .find_map(|value| Options::parse_from_flags(&[&format!("--{name}={value}")]).ok());
            let set = set.unwrap_or_else(|| panic!("no sample value for --{name}"));
            assert_ne!(set, Options::default(), "--{name} sets something");
            let (over, below) =
                (set.clone().over(Options::default()), Options::default().over(set.clone()));
            assert_eq!((over, below), (set.clone(), set), "--{name}");
        }
        for setting in ["upper=1.5", "lower=1", "exclusive=true", "field=/a", "annotate=true"] {
            let options = Options::parse_from_flags(&[&format!("--{setting}")]).expect("a flag");
            assert_eq!(options.settings_document().expect("settings").len(), 1, "--{setting}");
        }
    }

    #[test]
    fn a_subject_that_sns_refuses_is_refused_at_once() {
        assert!(load(&["--subject=ü"], &[]).is_err());
    }
}
