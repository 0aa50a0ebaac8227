use serde::{Deserialize, Serialize};

use super::as_text;
use crate::digest::Digest;
use crate::outcome::Verdict;
use crate::rule::Rule;

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
    pub settings: String,
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

impl Sampling {
    /// Whether a record is chosen, on which a rule gave this verdict. `identity` hashes what it is
    /// known by with the seed; it is asked for where it matters only.
    pub(super) fn chooses(&self, verdict: Verdict, identity: impl FnOnce() -> u64) -> bool {
        let rate = match verdict {
            Verdict::Pass | Verdict::Drop => self.rate,
            Verdict::Flag | Verdict::Fail => self.flagged,
        };
        // 2⁶⁴ is as far as hashes go.
        rate >= 1.0 || (rate > 0.0 && (identity() as f64) < rate * 2_f64.powi(64))
    }
}

impl Header {
    pub(super) fn new(
        rule: &Rule,
        settings: &str,
        sampling: Sampling,
        redacted: Vec<String>,
    ) -> Self {
        let description = rule.description();
        Self {
            weir_recording: FORMAT,
            rule: description.name.clone(),
            version: description.version.clone(),
            digest: rule.digest(),
            keeps_state: description.keeps_state,
            settings: settings.to_owned(),
            sampling,
            redacted,
        }
    }

    /// Whether it is about this rule, opened with these settings.
    pub(super) fn is_of(&self, rule: &Rule, settings: &str) -> bool {
        self.digest == rule.digest() && self.settings == settings
    }

    /// Appends the header as a line, its newline included.
    pub(super) fn write(&self, to: &mut Vec<u8>) {
        serde_json::to_writer(&mut *to, self).expect("the settings that a rule took are JSON");
        to.push(b'\n');
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
    use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};
    use serde_json::value::RawValue;

    pub(super) fn serialize<S: Serializer>(json: &str, serializer: S) -> Result<S::Ok, S::Error> {
        // In JSON, a newline stands between tokens only.
        let line = json.replace(['\n', '\r'], " ");
        RawValue::from_string(line).map_err(ser::Error::custom)?.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<String, D::Error> {
        Ok(Box::<RawValue>::deserialize(deserializer)?.get().to_owned())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn header(settings: &str) -> Header {
        Header {
            weir_recording: FORMAT,
            rule: "threshold".to_owned(),
            version: "0.1.0".to_owned(),
            digest: Digest::of(b""),
            keeps_state: false,
            settings: settings.to_owned(),
            sampling: Sampling { seed: 1, rate: 0.01, flagged: 1.0 },
            redacted: vec!["/name".to_owned()],
        }
    }

    #[test]
    fn a_header_is_one_line_whatever_the_settings_look_like() {
        let mut line = Vec::new();
        header("{\r\n \"upper\": 1.50}").write(&mut line);
        assert_eq!(line.iter().filter(|&&byte| byte == b'\n').count(), 1);
        let parsed = Header::parse(&line).expect("a header");
        assert_eq!(parsed, header("{   \"upper\": 1.50}"));
    }

    #[test]
    fn a_format_that_is_not_known_is_refused() {
        let mut line = Vec::new();
        header("{}").write(&mut line);
        let newer =
            String::from_utf8(line).expect("UTF-8").replace("recording\":1", "recording\":2");
        let error = Header::parse(newer.as_bytes()).expect_err("another format");
        assert!(error.contains("format 2"), "{error}");
    }

    #[test]
    fn shares_are_kept_by_verdict() {
        let sampling = Sampling { seed: 0, rate: 0.25, flagged: 1.0 };
        let step = u64::MAX / 1000;
        let chosen = |verdict| (0..1000).filter(|i| sampling.chooses(verdict, || i * step)).count();
        assert_eq!(chosen(Verdict::Pass), 250);
        assert_eq!(chosen(Verdict::Drop), 250);
        assert_eq!(chosen(Verdict::Flag), 1000);
        assert_eq!(chosen(Verdict::Fail), 1000);
        let none = Sampling { rate: 0.0, ..sampling };
        assert!(!none.chooses(Verdict::Pass, || 0));
    }
}
