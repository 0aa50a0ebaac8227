//! Values of options that are written as one text: durations and pairs.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::digest::Digest;
use crate::grant::Grant;
use crate::pointer::FieldPointer;
use crate::source::RuleSource;

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
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
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

from_text!(Span, CooldownOption, PartitionKey);

// Types of the library, which knows nothing of configuration files.
macro_rules! deserialize_from_text {
    ($($type:ty),*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

deserialize_from_text!(Digest, FieldPointer, Grant, RuleSource);

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
