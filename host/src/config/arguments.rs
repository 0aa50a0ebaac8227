//! Values of options that are written as one text: durations and pairs.

use std::convert::Infallible;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use serde::{Deserialize, Deserializer, de};

use crate::pointer::FieldPointer;
use crate::source::RuleSource;
use crate::state::SaveEvery;

/// A span of time: `500ms`, `30s`, `5m`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let span = humantime::parse_duration(text)
            .with_context(|| format!("expected a duration, such as 30s, found {text:?}"))?;
        Ok(Self(span))
    }
}

/// How often the source of a rule is looked at: `10s`, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum PollOption {
    /// Never.
    Off,
    /// After this time, again and again.
    Every(Duration),
}

impl PollOption {
    /// The time between two looks, if there are any.
    pub(crate) fn interval(self) -> Option<Duration> {
        match self {
            Self::Off => None,
            Self::Every(interval) => Some(interval),
        }
    }
}

impl FromStr for PollOption {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        match text {
            "off" => Ok(Self::Off),
            text => match text.parse::<Span>()?.0 {
                Duration::ZERO => bail!("expected a duration above zero, or off, found {text:?}"),
                interval => Ok(Self::Every(interval)),
            },
        }
    }
}

/// What alerts are merged by, and for how long after the first: `/device_id=5m`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct CooldownOption {
    /// The field that holds the key.
    pub key: FieldPointer,
    /// The window after the first alert.
    pub window: Duration,
}

impl FromStr for CooldownOption {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        // The duration has no equals sign, a pointer may.
        let Some((key, window)) = text.rsplit_once('=') else {
            bail!("expected POINTER=DURATION, such as /device_id=5m, found {text:?}");
        };
        Ok(Self { key: key.parse()?, window: window.parse::<Span>()?.0 })
    }
}

/// A partition key for Firehose and where its value stands: `ward=/ward`.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionKey {
    /// The key's name, as the stream's dynamic partitioning has it.
    pub name: String,
    /// The field that holds its value.
    pub field: FieldPointer,
}

impl FromStr for PartitionKey {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        match text.split_once('=') {
            Some((name, field)) if !name.is_empty() => {
                Ok(Self { name: name.to_owned(), field: field.parse()? })
            }
            _ => bail!("expected NAME=POINTER, such as ward=/ward, found {text:?}"),
        }
    }
}

/// Where native code of rules is kept: a directory, or `off`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "PathBuf")]
pub enum CacheOption {
    /// Nowhere, and none is looked for.
    Off,
    /// In this directory.
    Directory(PathBuf),
}

impl From<PathBuf> for CacheOption {
    fn from(path: PathBuf) -> Self {
        if path.as_os_str() == "off" { Self::Off } else { Self::Directory(path) }
    }
}

impl FromStr for CacheOption {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(PathBuf::from(text).into())
    }
}

/// Where states are saved: a directory (`DIR`, `file:DIR`), `s3://BUCKET/PREFIX`,
/// `dynamodb://TABLE`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum StatePlace {
    /// In this directory.
    Directory(PathBuf),
    /// In a bucket, below a prefix that may be empty.
    S3 {
        /// The bucket's name.
        bucket: String,
        /// What keys begin with.
        prefix: String,
    },
    /// In the table of this name.
    DynamoDb(String),
}

impl FromStr for StatePlace {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let invalid = || {
            anyhow!("expected a directory, s3://BUCKET/PREFIX or dynamodb://TABLE, found {text:?}")
        };
        match text.split_once("://") {
            Some(("s3", rest)) => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                let (bucket, prefix) = (bucket.to_owned(), prefix.trim_matches('/').to_owned());
                if bucket.is_empty() { Err(invalid()) } else { Ok(Self::S3 { bucket, prefix }) }
            }
            Some(("dynamodb", table)) if !table.is_empty() && !table.contains('/') => {
                Ok(Self::DynamoDb(table.to_owned()))
            }
            Some(("file", path)) if path.starts_with('/') => Ok(Self::Directory(path.into())),
            Some(_) => Err(invalid()),
            None => match text.strip_prefix("file:").unwrap_or(text) {
                "" => Err(invalid()),
                path => Ok(Self::Directory(path.into())),
            },
        }
    }
}

/// How much may be learnt until it is saved: `10000` records, `30s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "NumberOrText")]
pub struct SaveEveryOption(pub SaveEvery);

impl FromStr for SaveEveryOption {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let every = match text.parse::<u64>() {
            Ok(0) => bail!("expected a number of records from 1, or a duration, found 0"),
            Ok(records) => SaveEvery::Records(records),
            Err(_) => SaveEvery::Time(text.parse::<Span>()?.0),
        };
        Ok(Self(every))
    }
}

/// What a configuration file may hold for a number that may be a duration.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number of records, or a duration as a text")]
enum NumberOrText {
    Number(u64),
    Text(String),
}

impl TryFrom<NumberOrText> for SaveEveryOption {
    type Error = anyhow::Error;

    fn try_from(value: NumberOrText) -> anyhow::Result<Self> {
        match value {
            NumberOrText::Number(number) => number.to_string().parse(),
            NumberOrText::Text(text) => text.parse(),
        }
    }
}

/// What becomes of records that can never be processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum BadRecordPolicy {
    /// Answer them as failed
    Fail,
    /// Send them to --dead-letter and answer them as done
    DeadLetter,
    /// Count them and answer them as dropped
    Drop,
}

macro_rules! from_text {
    ($($type:ty),*) => {$(
        impl TryFrom<String> for $type {
            type Error = anyhow::Error;

            fn try_from(text: String) -> anyhow::Result<Self> {
                text.parse()
            }
        }
    )*};
}

from_text!(Span, CooldownOption, StatePlace, PollOption);

// Types of the library, which knows nothing of configuration files.
macro_rules! deserialize_from_text {
    ($($type:ty),*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}

deserialize_from_text!(FieldPointer, RuleSource);

/// What a configuration file may hold for an option that may be repeated: a list, or what a flag may
/// say.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
enum ListOrText {
    List(Vec<String>),
    Text(String),
}

/// Reads an option that may be repeated.
pub(super) fn list<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let parse = |text: &str| text.parse().map_err(de::Error::custom);
    let values: Result<_, _> = match ListOrText::deserialize(deserializer)? {
        ListOrText::List(texts) => texts.iter().map(|text| parse(text)).collect(),
        // As flags have it.
        ListOrText::Text(text) => text.split(',').map(parse).collect(),
    };
    values.map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_taken_apart_where_they_join() {
        let cooldown: CooldownOption = "/a=b=90s".parse().expect("a cooldown");
        assert_eq!((cooldown.key.to_string().as_str(), cooldown.window.as_secs()), ("/a=b", 90));
        let key: PartitionKey = "ward=/a=b".parse().expect("a partition key");
        assert_eq!((key.name.as_str(), key.field.to_string().as_str()), ("ward", "/a=b"));
    }

    #[test]
    fn a_place_for_states_is_a_directory_a_bucket_or_a_table() {
        let place = |text: &str| text.parse::<StatePlace>().map_err(|error| error.to_string());
        for directory in ["/var/lib/weir", "file:/var/lib/weir", "file:///var/lib/weir"] {
            assert_eq!(place(directory), Ok(StatePlace::Directory("/var/lib/weir".into())));
        }
        assert_eq!(place("file:states"), Ok(StatePlace::Directory("states".into())));
        let s3 = |bucket: &str, prefix: &str| {
            Ok(StatePlace::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
        };
        assert_eq!(place("s3://states"), s3("states", ""));
        assert_eq!(place("s3://states/a/b/"), s3("states", "a/b"));
        assert_eq!(place("dynamodb://states"), Ok(StatePlace::DynamoDb("states".to_owned())));
        for wrong in ["", "file:", "s3://", "s3:///a", "dynamodb://", "dynamodb://a/b", "gs://a"] {
            let error = place(wrong).expect_err(wrong);
            assert!(error.contains(&format!("found {wrong:?}")), "{error}");
        }
    }

    #[test]
    fn states_are_saved_after_records_or_time() {
        let every =
            |text: &str| text.parse::<SaveEveryOption>().map(|SaveEveryOption(every)| every);
        assert_eq!(every("10000").expect("a number"), SaveEvery::Records(10_000));
        assert_eq!(every("30s").expect("a duration"), SaveEvery::Time(Duration::from_secs(30)));
        assert!(every("0").is_err());
        assert!(every("often").is_err());
    }

    #[test]
    fn what_does_not_fit_is_shown() {
        let errors = [
            "device=5m".parse::<CooldownOption>().expect_err("no pointer").to_string(),
            "/device".parse::<CooldownOption>().expect_err("no window").to_string(),
            "/device=soon".parse::<CooldownOption>().expect_err("no duration").to_string(),
            "=/ward".parse::<PartitionKey>().expect_err("no name").to_string(),
            "5".parse::<Span>().expect_err("no unit").to_string(),
        ];
        for (error, found) in
            errors.iter().zip(["\"device\"", "\"/device\"", "soon", "=/ward", "5"])
        {
            assert!(error.contains(found), "{error}");
        }
    }
}
