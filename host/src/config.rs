//! What the command line and the Lambda can be told, and where it is found.
//!
//! Each source is a layer: flags win over the environment, the environment over the file. All
//! layers have the same shape, [`Options`].

mod arguments;

mod environment;

mod file;

mod options;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Map, Value};

use crate::code::CodeCache;
use crate::contract::Contract;
use crate::digest::Digest;
use crate::grant::Grant;
use crate::limits::Limits;
use crate::live::UpdatePolicy;
use crate::pipeline::DEFAULT_SUBJECT;
use crate::pointer::FieldPointer;
use crate::publish::{Ordering, sns};
use crate::recording::{RecorderOptions, Sampling};
use crate::source::{FetchLimits, RuleSource};
use crate::state::SaveEvery;
use crate::verify::{AllowedSigners, Policy};

pub use arguments::{
    BadRecordPolicy, CacheOption, CooldownOption, PartitionKey, PollOption, SaveEveryOption, Span,
    StatePlace,
};
pub use options::{Options, SettingsSource};

/// How many bytes a recording may have, unless it is set.
const DEFAULT_RECORD_BYTES: u64 = 100 << 20;

/// All that was told, brought together.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The contract of every event; told by its shape where there is none.
    pub contract: Option<Contract>,
    /// Where the rule comes from, with what it must be; the embedded default where there is none.
    pub rule: Option<RuleSource>,
    /// What fetching it may take.
    pub fetch: FetchLimits,
    /// What it may import.
    pub grants: Vec<Grant>,
    /// Where its native code is looked for, and kept.
    pub code: CodeCache,
    /// What the rule must be, to be run.
    pub policy: Policy,
    /// When another rule takes its place, and when it gets it back.
    pub updates: UpdatePolicy,
    /// A rule to run beside it.
    pub shadow: Option<ShadowRule>,
    /// How often its source is looked at.
    pub rule_poll: Option<PollOption>,
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
    /// How traffic is recorded; it is not where there is none.
    pub recorder: Option<RecorderOptions>,
    /// Where the state of a rule is saved; nowhere where there is none.
    pub state: Option<StatePlace>,
    /// How much may be learnt until it is saved.
    pub state_every: Option<SaveEvery>,
    /// What the rule may use for a batch.
    pub limits: Limits,
}

/// A rule to run in shadow.
#[derive(Clone, Debug, PartialEq)]
pub struct ShadowRule {
    /// Where it comes from.
    pub source: RuleSource,
    /// Where its native code is looked for, and kept.
    pub code: CodeCache,
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
        let weir = environment::weir(&environment)?;
        let mut above = weir.settings_document()?;
        above.extend(flags.settings_document()?);
        let original = environment::original(&environment, &above)?;

        let mut settings = file.settings_document()?;
        settings.extend(original.settings_document()?);
        settings.extend(above);
        let mut options = flags.over(weir).over(original).over(file);
        let file = options.rule.as_ref().and_then(RuleSource::path);
        let cache = options.cache.take();
        let code = code_cache(cache.clone(), file, environment);
        let shadow = options.shadow.take().map(|source| {
            let code = code_cache(cache, source.path(), environment);
            ShadowRule { source, code }
        });
        Ok(Self { shadow, ..Self::new(options, settings, code)? })
    }

    fn new(
        options: Options,
        settings: Map<String, Value>,
        code: CodeCache,
    ) -> anyhow::Result<Self> {
        let recorder = recorder(&options)?;
        let policy = policy(&options)?;
        let updates = updates(&options)?;
        let subject = options.subject.unwrap_or_else(|| DEFAULT_SUBJECT.to_owned());
        sns::check_subject(&subject).with_context(|| format!("subject {subject:?}"))?;
        let limits =
            limits(options.time_limit_ms, options.memory_limit_mib, options.output_limit_mib)?;
        Ok(Self {
            contract: options.contract,
            rule: pinned(options.rule, options.rule_digest)?,
            fetch: FetchLimits {
                time: options.rule_timeout.map_or(FetchLimits::default().time, |Span(time)| time),
                component_bytes: policy.max_component_bytes(),
            },
            grants: options.grant.unwrap_or_default(),
            policy,
            code,
            updates,
            shadow: None,
            rule_poll: options.rule_poll,
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
            recorder,
            state: options.state,
            state_every: options.state_every.map(|SaveEveryOption(every)| every),
            limits,
        })
    }
}

/// What a rule may use, where it is not left at the default.
pub(crate) fn limits(
    time_ms: Option<u64>,
    memory_mib: Option<usize>,
    output_mib: Option<usize>,
) -> anyhow::Result<Limits> {
    let default = Limits::default();
    if let Some(mib) = memory_mib.filter(|mib| !(1..=4096).contains(mib)) {
        bail!("memory limit: expected 1 to 4096 MiB, found {mib}");
    }
    let bytes = |mib: usize| mib.saturating_mul(1 << 20);
    Ok(Limits {
        time: time_ms.map_or(default.time, Duration::from_millis),
        memory_bytes: memory_mib.map_or(default.memory_bytes, bytes),
        output_bytes: output_mib.map_or(default.output_bytes, bytes),
        ..default
    })
}

/// How traffic is recorded, if it is.
fn recorder(options: &Options) -> anyhow::Result<Option<RecorderOptions>> {
    let Some(folder) = options.record.clone() else { return Ok(None) };
    let share = |name: &str, share: Option<f64>, default: f64| match share.unwrap_or(default) {
        share if (0.0..=1.0).contains(&share) => Ok(share),
        share => bail!("{name}: expected a share from 0 to 1, found {share}"),
    };
    let max_bytes = options.record_max.map_or(DEFAULT_RECORD_BYTES, |max| max.as_u64());
    if max_bytes < RecorderOptions::MIN_BYTES {
        let least = RecorderOptions::MIN_BYTES;
        bail!("record-max: expected {least} bytes or more, found {max_bytes}");
    }
    let sampling = Sampling {
        seed: options.record_seed.unwrap_or_default(),
        rate: share("record-sample", options.record_sample, 0.01)?,
        flagged: share("record-flagged", options.record_flagged, 1.0)?,
    };
    let redact = options.record_redact.clone().unwrap_or_default();
    Ok(Some(RecorderOptions { folder, max_bytes, sampling, redact }))
}

/// When a rule takes the place of another, as the options have it.
fn updates(options: &Options) -> anyhow::Result<UpdatePolicy> {
    let default = UpdatePolicy::default();
    let share = |name, share: Option<f64>, default| match share {
        Some(share) if !(0.0..=1.0).contains(&share) => {
            bail!("{name}: expected a share from 0 to 1, found {share}")
        }
        share => Ok(share.unwrap_or(default)),
    };
    let window = options.rollback_window.map_or(default.rollback_window, |Span(window)| window);
    Ok(UpdatePolicy {
        promote_after: options.promote_after.unwrap_or(default.promote_after),
        max_difference: share("max-difference", options.max_difference, default.max_difference)?,
        rollback_window: window,
        rollback_faults: options.rollback_faults.unwrap_or(default.rollback_faults),
        rollback_failures: share(
            "rollback-failures",
            options.rollback_failures,
            default.rollback_failures,
        )?,
    })
}

/// What the options demand of a rule.
fn policy(options: &Options) -> anyhow::Result<Policy> {
    let mut policy = Policy::default();
    if let Some(path) = &options.signers {
        policy = policy.signers(read_signers(path)?);
    }
    if let Some(mib) = options.max_rule_mib {
        policy = policy.max_bytes(mib.saturating_mul(1 << 20));
    }
    if options.demand_golden == Some(true) {
        policy = policy.demand_golden_records();
    }
    Ok(policy)
}

/// Reads a file of allowed signers.
pub(crate) fn read_signers(path: &Path) -> anyhow::Result<AllowedSigners> {
    let context = || format!("signers in {}", path.display());
    let text = fs::read_to_string(path).with_context(context)?;
    AllowedSigners::parse(&text).with_context(context)
}

/// The source with the digest that was named beside it.
fn pinned(
    source: Option<RuleSource>,
    digest: Option<Digest>,
) -> anyhow::Result<Option<RuleSource>> {
    let Some(digest) = digest else { return Ok(source) };
    match source.or_else(RuleSource::embedded_default) {
        Some(source) if source.pin().is_some_and(|pin| pin != digest) => {
            bail!("rule-digest: expected the digest at the end of rule {source}, found {digest}")
        }
        source => Ok(source.map(|source| source.pinned(digest))),
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
    fn a_bound_that_loses_does_not_say_how_the_winning_one_is_compared() {
        let (upper, both) = (
            &[("UPPER_THRESHOLD", "2")][..],
            &[("UPPER_THRESHOLD", "2"), ("LOWER_THRESHOLD", "1")][..],
        );
        let inclusive = serde_json::json!({"upper": 1.5});
        assert_eq!(settings(&["--upper=1.5"], upper), inclusive);
        assert_eq!(settings(&["--settings={\"upper\":1.5}"], upper), inclusive);
        assert_eq!(settings(&[], &[upper[0], ("WEIR_UPPER", "1.5")]), inclusive);
        let expected = serde_json::json!({"upper": 1.5, "lower": 0.5});
        assert_eq!(settings(&["--upper=1.5", "--lower=0.5"], both), expected);
        let exclusive = [("ANOMALY_THRESHOLD_SCORE", "2"), ("WEIR_EXCLUSIVE", "true")];
        let expected = serde_json::json!({"upper": 1.5, "exclusive": true});
        assert_eq!(settings(&["--upper=1.5"], &exclusive), expected);
        // One that still counts keeps its say.
        let expected = serde_json::json!({"upper": 1.5, "lower": 1.0, "exclusive": true});
        assert_eq!(settings(&["--upper=1.5"], both), expected);
        let expected = serde_json::json!({"upper": 2.0, "lower": 0.5, "exclusive": true});
        assert_eq!(settings(&["--lower=0.5"], upper), expected);
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
    fn a_digest_pins_whichever_rule_runs() {
        let digest = Digest::of(b"");
        let flag = format!("--rule-digest={digest}");
        let pin = |flags: &[&str]| load(flags, &[]).map(|config| config.rule?.pin());
        assert_eq!(pin(&[&flag, "--rule=a.wasm"]).expect("a pin"), Some(digest));
        let both = format!("--rule=a.wasm#{digest}");
        assert_eq!(pin(&[&flag, &both]).expect("the same"), Some(digest));
        let other = format!("--rule=a.wasm#{}", Digest::of(b"other"));
        assert!(pin(&[&flag, &other]).is_err());
        assert_eq!(
            pin(&[&flag]).expect("the default rule").is_some(),
            cfg!(feature = "default-rule")
        );
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

    #[test]
    fn traffic_is_recorded_where_a_folder_is_named() {
        let recorder = |flags: &[&str]| load(flags, &[]).map(|config| config.recorder);
        assert_eq!(recorder(&["--record-sample=1"]).expect("no folder"), None);
        let options = recorder(&["--record=traffic", "--record-redact=/a,/b~1c"]);
        let options = options.expect("a recording").expect("a folder");
        assert_eq!(options.max_bytes, 100 << 20);
        assert_eq!(options.sampling, Sampling { seed: 0, rate: 0.01, flagged: 1.0 });
        assert_eq!(options.redact.len(), 2);
        for wrong in ["--record-sample=1.5", "--record-flagged=-1", "--record-max=1KiB"] {
            let error = recorder(&["--record=traffic", wrong]).expect_err(wrong).to_string();
            assert!(error.contains(&wrong[2..wrong.len() - 5]), "{error}");
        }
    }

    /// A flag that a layer forgets would be lost without a word.
    #[test]
    fn every_flag_reaches_through_the_layers() {
        use clap::{Args, Command};

        for argument in Options::augment_args(Command::new("weir")).get_arguments() {
            let Some(name) = argument.get_long() else { continue };
            let digest = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
            let values =
                ["1.5", "1", "true", "30s", "key", "fail", "/a=5m", "/a", "a=/a", "{}", digest];
            let set = values
                .into_iter()
                .chain(["ndjson", "inert-wasi"])
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
    fn a_share_is_between_nothing_and_all() {
        for flag in ["--max-difference=1.5", "--rollback-failures=2"] {
            assert!(load(&[flag], &[]).is_err(), "{flag}");
        }
        let config = load(&["--max-difference=0.25", "--rollback-window=0s"], &[]);
        let updates = config.expect("a configuration").updates;
        assert_eq!((updates.max_difference, updates.rollback_window), (0.25, Duration::ZERO));
    }

    #[test]
    fn a_subject_that_sns_refuses_is_refused_at_once() {
        assert!(load(&["--subject=ü"], &[]).is_err());
    }
}
