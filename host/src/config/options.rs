use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, anyhow, bail};
use clap::{Args, Parser};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::arguments::{BadRecordPolicy, CacheOption, CooldownOption, PartitionKey, Span};
use crate::contract::Contract;
use crate::pointer::FieldPointer;
use crate::publish::Ordering;

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

    /// Rule to run: threshold or forest, or the file of a WebAssembly component [default: threshold]
    #[arg(long, value_name = "RULE")]
    pub rule: Option<PathBuf>,

    /// Directory that keeps the native code of rules, or `off` to compile them at every start
    /// [default: weir in the user's cache directory]
    #[arg(long, value_name = "DIR|off")]
    pub cache: Option<CacheOption>,

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
    pub partition_key: Option<Vec<PartitionKey>>,

    /// Time the rule may take for a batch, in milliseconds [default: 1000]
    #[arg(long, value_name = "N")]
    pub time_limit_ms: Option<u64>,

    /// Memory the rule may use, in MiB, up to 4096; one made by `weir build` begins with 4
    /// [default: 64]
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
            cache: self.cache.or(below.cache),
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
            time_limit_ms: self.time_limit_ms.or(below.time_limit_ms),
            memory_limit_mib: self.memory_limit_mib.or(below.memory_limit_mib),
            output_limit_mib: self.output_limit_mib.or(below.output_limit_mib),
        }
    }

    /// The rule's settings, as this layer has them: its document, with its flags over it.
    pub(super) fn settings_document(&self) -> anyhow::Result<Map<String, Value>> {
        let mut document = match &self.settings {
            None => Map::new(),
            Some(SettingsSource::Document(document)) => document.clone(),
            Some(SettingsSource::File(path)) => {
                let context = || format!("settings file {}", path.display());
                let text = fs::read_to_string(path).with_context(context)?;
                serde_json::from_str(&text).with_context(context)?
            }
        };
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

impl FromStr for SettingsSource {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.trim_start().starts_with('{') {
            return Ok(Self::File(text.into()));
        }
        serde_json::from_str(text).map(Self::Document).map_err(|error| anyhow!("not JSON: {error}"))
    }
}

/// What a configuration file may hold for it: a table, or what a flag may say.
#[derive(Deserialize)]
#[serde(untagged)]
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
