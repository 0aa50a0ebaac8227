use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, anyhow, bail};
use bytesize::ByteSize;
use clap::{Args, Parser};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::arguments::{
    BadRecordPolicy, CacheOption, CooldownOption, PartitionKey, PollOption, SaveEveryOption, Span,
    StatePlace, list,
};
use crate::contract::Contract;
use crate::digest::Digest;
use crate::grant::Grant;
use crate::pointer::FieldPointer;
use crate::publish::Ordering;
use crate::source::RuleSource;

/// What a layer of the configuration may say. Nothing is required.
#[derive(Clone, Debug, Default, PartialEq, Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[command(next_help_heading = "Options (as WEIR_… in the environment, by name in --config)")]
pub struct Options {
    /// Contract of the events: analytics-output, analytics-input, firehose, kinesis, sqs or ndjson
    /// [default: told by their shape]
    #[arg(long, value_name = "NAME")]
    pub contract: Option<Contract>,

    /// Flag scores at or above this bound [also: ANOMALY_THRESHOLD_SCORE; UPPER_THRESHOLD, exclusive]
    #[arg(long, value_name = "N", value_parser = finite, allow_negative_numbers = true)]
    pub upper: Option<f64>,

    /// Flag scores at or below this bound, unless they are 0 [also: LOWER_THRESHOLD, exclusive]
    #[arg(long, value_name = "N", value_parser = finite, allow_negative_numbers = true)]
    pub lower: Option<f64>,

    /// Let scores pass that equal a bound
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true")]
    pub exclusive: Option<bool>,

    /// Where the score stands in the payload, as a JSON Pointer [default: /ANOMALY_SCORE]
    #[arg(long, value_name = "POINTER")]
    pub field: Option<String>,

    /// Add `"anomaly": true` or `false` to the payloads that go on (firehose, analytics-input,
    /// ndjson)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true")]
    pub annotate: Option<bool>,

    /// Rule to run, a WebAssembly component: the name of an embedded one, a file, a directory of
    /// versions, or its address: oci://, https://, s3:// [default: threshold]
    #[arg(long, value_name = "SOURCE")]
    pub rule: Option<RuleSource>,

    /// Digest that the rule must have, such as sha256:…; the same as #sha256:… at the end of --rule
    #[arg(long, value_name = "DIGEST")]
    pub rule_digest: Option<Digest>,

    /// Time that fetching the rule may take, such as 1m [default: 30s]
    #[arg(long, value_name = "DURATION")]
    pub rule_timeout: Option<Span>,

    /// What the rule may import, although rules import nothing: inert-wasi, WASI with nothing behind it,
    /// for rules in languages that ask for it [default: nothing]
    #[arg(long, value_name = "inert-wasi", value_delimiter = ',')]
    #[serde(deserialize_with = "list")]
    pub grant: Option<Vec<Grant>>,

    /// Directory that keeps the native code of rules, or `off` to compile them at every start
    /// [default: weir in the user's cache directory]
    #[arg(long, value_name = "DIR|off")]
    pub cache: Option<CacheOption>,

    /// Those who may sign rules, a file as ssh-keygen has it (allowed_signers): a rule that none of
    /// them signed is refused. Its signature is RULE.wasm.sig beside it
    #[arg(long, value_name = "FILE")]
    pub signers: Option<PathBuf>,

    /// Refuse a rule that comes without golden records
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true")]
    pub demand_golden: Option<bool>,

    /// Largest rule that is taken, in MiB [default: 64]
    #[arg(long, value_name = "N")]
    pub max_rule_mib: Option<usize>,

    /// How often the rule's source is looked at, or `off`; what is new there takes the rule's place,
    /// once it is verified [default: 10s with --follow and standard input; 1m in Lambda]
    #[arg(long, value_name = "DURATION|off")]
    pub rule_poll: Option<PollOption>,

    /// Rule to run beside the one that serves, on the same records: what it says is compared, and
    /// answered to nobody
    #[arg(long, value_name = "SOURCE")]
    pub shadow: Option<RuleSource>,

    /// Records that a new rule is compared on, in shadow, before it takes over [default: 0, which is
    /// at once; and never for the rule of --shadow]
    #[arg(long, value_name = "N")]
    pub promote_after: Option<u64>,

    /// Share of these records, from 0 to 1, on which it may differ; if it differs on more, it is
    /// refused [default: 0]
    #[arg(long, value_name = "SHARE", value_parser = finite)]
    pub max_difference: Option<f64>,

    /// Time for which a rule that took over is watched, with the one before it ready to take its place
    /// again; 0s does without [default: 5m]
    #[arg(long, value_name = "DURATION")]
    pub rollback_window: Option<Span>,

    /// Batches on which it may trap or exceed a limit in that time, where the one before it does not
    /// [default: 0]
    #[arg(long, value_name = "N")]
    pub rollback_faults: Option<u64>,

    /// Share of the records, from 0 to 1, that it may fail in that time, where the one before it does
    /// not [default: 0.01]
    #[arg(long, value_name = "SHARE", value_parser = finite)]
    pub rollback_failures: Option<f64>,

    /// Settings of the rule, as a JSON document or a file that holds one
    #[arg(long, value_name = "FILE|JSON")]
    pub settings: Option<SettingsSource>,

    /// Amazon SNS topic to publish flagged records to [also: SNS_TOPIC_ARN]
    #[arg(long, value_name = "ARN")]
    pub topic: Option<String>,

    /// Subject of the messages [default: Sent from Kinesis Analytics]
    #[arg(long, value_name = "TEXT")]
    pub subject: Option<String>,

    /// Most that the topic takes in one request, in bytes [default: 262144]
    #[arg(long, value_name = "N")]
    pub max_publish_bytes: Option<usize>,

    /// Time publishing may take for an event, such as 10s [default: 30s; in Lambda, as long as the
    /// invocation has]
    #[arg(long, value_name = "DURATION")]
    pub publish_timeout: Option<Span>,

    /// What is still attempted after a record that failed: all (none), what has another partition
    /// key (key), nothing (shard) [default: key from or to FIFO, or else none]
    #[arg(long, value_name = "none|key|shard")]
    pub ordering: Option<Ordering>,

    /// What becomes of a record that can never be processed [default: dead-letter if there is a
    /// place for it, or else fail]
    #[arg(long, value_name = "fail|dead-letter|drop", hide_possible_values = true)]
    pub on_bad_record: Option<BadRecordPolicy>,

    /// Amazon SQS queue, by its URL, or file for records that can never be processed
    #[arg(long, value_name = "URL|FILE")]
    pub dead_letter: Option<String>,

    /// Merge the alerts that follow the first for the same value of a field, such as /device_id=5m
    #[arg(long, value_name = "POINTER=DURATION")]
    pub cooldown: Option<CooldownOption>,

    /// Field of the payload that holds the message group for a FIFO topic [default: the partition
    /// key]
    #[arg(long, value_name = "POINTER")]
    pub message_group: Option<FieldPointer>,

    /// Partition key for Firehose, from a field of the payload, such as ward=/ward; may be repeated
    #[arg(long, value_name = "NAME=POINTER", value_delimiter = ',')]
    #[serde(deserialize_with = "list")]
    pub partition_key: Option<Vec<PartitionKey>>,

    /// Folder to record traffic into, for weir diff and weir replay
    #[arg(long, value_name = "FOLDER")]
    pub record: Option<PathBuf>,

    /// Share of the records to record, from 0 to 1 [default: 0.01]
    #[arg(long, value_name = "RATE", value_parser = finite)]
    pub record_sample: Option<f64>,

    /// Share of the records to record that are flagged or fail, from 0 to 1 [default: 1]
    #[arg(long, value_name = "RATE", value_parser = finite)]
    pub record_flagged: Option<f64>,

    /// Seed by which records are chosen to be recorded: the same seed chooses the same records
    /// [default: 0]
    #[arg(long, value_name = "N")]
    pub record_seed: Option<u64>,

    /// Most that the folder may hold; the oldest goes first [default: 100MiB]
    #[arg(long, value_name = "SIZE")]
    pub record_max: Option<ByteSize>,

    /// Field to redact before anything is recorded, as a JSON Pointer; may be repeated
    #[arg(long, value_name = "POINTER", value_delimiter = ',')]
    #[serde(deserialize_with = "list")]
    pub record_redact: Option<Vec<FieldPointer>>,

    /// Where the state of a rule that keeps one is saved: a directory (also as file:DIR),
    /// s3://BUCKET/PREFIX or dynamodb://TABLE [default: nowhere; it ends with the process]
    #[arg(long, value_name = "URL|DIR")]
    pub state: Option<StatePlace>,

    /// Records of a partition, or time, after which its state is saved, such as 10000 or 30s
    /// [default: 30s; in Lambda, 1, which is every event]
    #[arg(long, value_name = "N|DURATION")]
    pub state_every: Option<SaveEveryOption>,

    /// Time the rule may take for a batch, in milliseconds [default: 1000]
    #[arg(long, value_name = "N")]
    pub time_limit_ms: Option<u64>,

    /// Memory the rule may use, in MiB, up to 4096; one made by `weir build` begins with
    /// half a MiB [default: 64]
    #[arg(long, value_name = "N")]
    pub memory_limit_mib: Option<usize>,

    /// Output the rule may hand back for a batch, in MiB [default: 32]
    #[arg(long, value_name = "N")]
    pub output_limit_mib: Option<usize>,
}

impl Options {
    /// Reads flags alone, as they stand on a command line.
    ///
    /// # Errors
    ///
    /// If one is not known, or its value does not fit.
    pub fn parse_from_flags(flags: &[&str]) -> Result<Self, clap::Error> {
        #[derive(Parser)]
        #[command(no_binary_name = true)]
        struct Flags {
            #[command(flatten)]
            options: Options,
        }
        Flags::try_parse_from(flags).map(|flags| flags.options)
    }

    /// This layer over another: what it does not say, the other does.
    pub(super) fn over(self, below: Self) -> Self {
        Self {
            contract: self.contract.or(below.contract),
            upper: self.upper.or(below.upper),
            lower: self.lower.or(below.lower),
            exclusive: self.exclusive.or(below.exclusive),
            field: self.field.or(below.field),
            annotate: self.annotate.or(below.annotate),
            rule: self.rule.or(below.rule),
            rule_timeout: self.rule_timeout.or(below.rule_timeout),
            grant: self.grant.or(below.grant),
            cache: self.cache.or(below.cache),
            signers: self.signers.or(below.signers),
            rule_digest: self.rule_digest.or(below.rule_digest),
            demand_golden: self.demand_golden.or(below.demand_golden),
            max_rule_mib: self.max_rule_mib.or(below.max_rule_mib),
            rule_poll: self.rule_poll.or(below.rule_poll),
            shadow: self.shadow.or(below.shadow),
            promote_after: self.promote_after.or(below.promote_after),
            max_difference: self.max_difference.or(below.max_difference),
            rollback_window: self.rollback_window.or(below.rollback_window),
            rollback_faults: self.rollback_faults.or(below.rollback_faults),
            rollback_failures: self.rollback_failures.or(below.rollback_failures),
            settings: self.settings.or(below.settings),
            topic: self.topic.or(below.topic),
            subject: self.subject.or(below.subject),
            max_publish_bytes: self.max_publish_bytes.or(below.max_publish_bytes),
            publish_timeout: self.publish_timeout.or(below.publish_timeout),
            ordering: self.ordering.or(below.ordering),
            on_bad_record: self.on_bad_record.or(below.on_bad_record),
            dead_letter: self.dead_letter.or(below.dead_letter),
            cooldown: self.cooldown.or(below.cooldown),
            message_group: self.message_group.or(below.message_group),
            partition_key: self.partition_key.or(below.partition_key),
            record: self.record.or(below.record),
            record_sample: self.record_sample.or(below.record_sample),
            record_flagged: self.record_flagged.or(below.record_flagged),
            record_seed: self.record_seed.or(below.record_seed),
            record_max: self.record_max.or(below.record_max),
            record_redact: self.record_redact.or(below.record_redact),
            state: self.state.or(below.state),
            state_every: self.state_every.or(below.state_every),
            time_limit_ms: self.time_limit_ms.or(below.time_limit_ms),
            memory_limit_mib: self.memory_limit_mib.or(below.memory_limit_mib),
            output_limit_mib: self.output_limit_mib.or(below.output_limit_mib),
        }
    }

    /// The rule's settings, as this layer has them: its document, with its flags over it.
    pub(super) fn settings_document(&self) -> anyhow::Result<Map<String, Value>> {
        let mut document =
            self.settings.as_ref().map_or_else(|| Ok(Map::new()), SettingsSource::document)?;
        let named = [
            ("upper", self.upper.map(Value::from)),
            ("lower", self.lower.map(Value::from)),
            ("exclusive", self.exclusive.map(Value::from)),
            ("field", self.field.as_deref().map(Value::from)),
            ("annotate", self.annotate.map(Value::from)),
        ];
        for (key, value) in named {
            if let Some(value) = value {
                document.insert(key.to_owned(), value);
            }
        }
        Ok(document)
    }
}

/// A number that JSON can write.
pub(super) fn finite(text: &str) -> anyhow::Result<f64> {
    match text.trim().parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => bail!("expected a number, found {text:?}"),
    }
}

/// Where a settings document is found.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "TableOrText")]
pub enum SettingsSource {
    /// Right here.
    Document(Map<String, Value>),
    /// In a file.
    File(PathBuf),
}

impl SettingsSource {
    /// The document.
    pub(crate) fn document(&self) -> anyhow::Result<Map<String, Value>> {
        match self {
            Self::Document(document) => Ok(document.clone()),
            Self::File(path) => {
                let context = || format!("settings file {}", path.display());
                let text = fs::read_to_string(path).with_context(context)?;
                object(&text).with_context(context)
            }
        }
    }
}

/// Settings are an object, whatever else may be JSON.
fn object(text: &str) -> anyhow::Result<Map<String, Value>> {
    match serde_json::from_str(text).map_err(|error| anyhow!("not JSON: {error}"))? {
        Value::Object(document) => Ok(document),
        other => bail!("expected a JSON object, found {other}"),
    }
}

impl FromStr for SettingsSource {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match serde_json::from_str(text) {
            Ok(Value::Object(document)) => Ok(Self::Document(document)),
            Ok(other) => {
                bail!("expected a JSON object, or a file that holds one, found {other}")
            }
            Err(error) if text.trim_start().starts_with('{') => bail!("not JSON: {error}"),
            Err(_) => Ok(Self::File(text.into())),
        }
    }
}

/// What a configuration file may hold for it: a table, or what a flag may say.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a table of settings, or a text: a JSON object or a file")]
enum TableOrText {
    Table(Map<String, Value>),
    Text(String),
}

impl TryFrom<TableOrText> for SettingsSource {
    type Error = anyhow::Error;

    fn try_from(source: TableOrText) -> Result<Self, Self::Error> {
        match source {
            TableOrText::Table(document) => Ok(Self::Document(document)),
            TableOrText::Text(text) => text.parse(),
        }
    }
}
