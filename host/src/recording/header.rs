use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::as_text;
use crate::digest::Digest;
use crate::filter::Filter;

/// What a header begins with, and no record does.
pub(super) const OPENING: &[u8] = br#"{"weir_recording":"#;

/// The version of the format.
const FORMAT: u32 = 1;

/// What the records behind it have in common: the rule that classified them, and how they were
/// chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    weir_recording: u32,
    /// The rule's name.
    pub rule: String,
    /// The rule's version.
    pub version: String,
    /// The digest of the rule's component.
    #[serde(with = "as_text")]
    pub digest: Digest,
    /// Whether the rule keeps state: then its verdicts can be proved again only from the first
    /// record on, and without a gap.
    pub keeps_state: bool,
    /// The settings document that the rule was opened with, which is JSON.
    #[serde(with = "one_line_of_json")]
    pub settings: Arc<str>,
    /// Which records were chosen.
    pub sampling: Sampling,
    /// The fields that were redacted, as JSON Pointers.
    pub redacted: Vec<String>,
}

/// Which records are chosen for a recording: by a hash of their identity, so that the same records
/// are chosen whenever they come, wherever they come.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// The seed of the hash.
    pub seed: u64,
    /// The share of records that pass or are dropped, from 0 to 1.
    pub rate: f64,
    /// The share of records that are flagged or fail, from 0 to 1.
    pub flagged: f64,
}

impl Header {
    pub(crate) fn new(filter: &Filter, sampling: Sampling, redacted: Vec<String>) -> Self {
        let rule = filter.description();
        Self {
            weir_recording: FORMAT,
            rule: rule.name.clone(),
            version: rule.version.clone(),
            digest: filter.rule().digest(),
            keeps_state: rule.keeps_state,
            settings: Arc::clone(filter.settings()),
            sampling,
            redacted,
        }
    }

    /// Reads a header from its line.
    pub(super) fn parse(line: &[u8]) -> Result<Self, String> {
        let header: Self = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        match header.weir_recording {
            FORMAT => Ok(header),
            other => Err(format!("format {other} of recordings is not known, {FORMAT} is")),
        }
    }
}

mod one_line_of_json {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};
    use serde_json::value::RawValue;

    pub(super) fn serialize<S: Serializer>(json: &str, serializer: S) -> Result<S::Ok, S::Error> {
        // In JSON, a newline stands between tokens only.
        let line = json.replace(['\n', '\r'], " ");
        RawValue::from_string(line).map_err(ser::Error::custom)?.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<str>, D::Error> {
        Ok(Box::<RawValue>::deserialize(deserializer)?.get().into())
    }
}
