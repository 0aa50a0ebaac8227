//! What is stored: the rule's snapshot in an envelope that says whose it is and how far it has learnt.
//!
//! ```text
//! weir-state 1 3fd2…  the format, and the SHA-256 of all that follows
//! {"rule":"forest",…}  the header, on one line
//! …                    the snapshot, to the end
//! ```

use serde::{Deserialize, Serialize};

use super::flagged::Flagged;
use crate::contract::Position;
use crate::digest::sha256_hex;
use crate::filter::Filter;

/// What an envelope of this format begins with.
const FORMAT: &str = "weir-state 1 ";

/// How long the header may be, in bytes: names and numbers, and what was flagged last.
const MAX_HEADER_BYTES: usize = 1 << 20;

/// What an envelope takes beside the snapshot, at the most, in bytes.
pub(super) const MAX_AROUND_BYTES: usize = MAX_HEADER_BYTES + FORMAT.len() + 64 + 2;

/// What is said of a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    /// The rule that it is of, its version, and the digest of its component.
    pub(super) rule: String,
    pub(super) rule_version: String,
    pub(super) rule_digest: String,
    /// The digest of the settings that the rule was opened with.
    pub(super) settings: String,
    pub(super) partition: String,
    #[serde(flatten)]
    pub(super) learnt: Learnt,
    /// What it has flagged that is not dealt with yet.
    #[serde(default, skip_serializing_if = "Flagged::is_empty")]
    pub(super) flagged: Flagged,
    /// How many times the state was saved.
    pub(super) generation: u64,
    /// Which process saved it, for as long as it runs.
    pub(super) writer: String,
    /// How long the snapshot is.
    snapshot_bytes: u64,
}

/// How far a state has learnt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Learnt {
    /// The last record that it has learnt, where records have positions.
    pub(super) position: Option<Position>,
    /// Of which file that is: see [`Share::beginning`](crate::contract::Share::beginning).
    pub(super) beginning: Option<String>,
    /// How many records it has learnt in all.
    pub(super) records: u64,
}

impl Header {
    pub(super) fn new(
        filter: &Filter,
        partition: &str,
        learnt: &Learnt,
        flagged: Flagged,
        generation: u64,
        writer: &str,
    ) -> Self {
        let description = filter.description();
        Self {
            rule: description.name.clone(),
            rule_version: description.version.clone(),
            rule_digest: filter.rule().digest().to_string(),
            settings: settings_digest(filter.settings()),
            partition: partition.to_owned(),
            learnt: learnt.clone(),
            flagged,
            generation,
            writer: writer.to_owned(),
            snapshot_bytes: 0,
        }
    }

    /// Whether the state was learnt with other settings than the rule has.
    pub(super) fn is_of_other_settings(&self, filter: &Filter) -> bool {
        self.settings != settings_digest(filter.settings())
    }

    /// Checks that the state is one that this rule may be offered. Another version of it may, and one
    /// with other settings: only the rule knows what it can go on with.
    pub(super) fn check(&self, filter: &Filter, partition: &str) -> Result<(), String> {
        check_rule(&self.rule, filter)?;
        if self.partition != partition {
            let found = &self.partition;
            return Err(format!("it is of the partition {found:?}, not of {partition:?}"));
        }
        Ok(())
    }
}

/// Checks that a state of the rule of this name may be offered to this one.
pub(super) fn check_rule(found: &str, filter: &Filter) -> Result<(), String> {
    match &filter.description().name {
        name if name == found => Ok(()),
        name => Err(format!("it is a state of the rule {found:?}, not of {name:?}")),
    }
}

/// Puts a snapshot into its envelope.
pub(super) fn seal(mut header: Header, snapshot: &[u8]) -> Vec<u8> {
    header.snapshot_bytes = snapshot.len() as u64;
    let mut content = serde_json::to_vec(&header).expect("texts and numbers are JSON");
    content.push(b'\n');
    content.extend_from_slice(snapshot);
    let mut envelope = format!("{FORMAT}{}\n", sha256_hex(&content)).into_bytes();
    envelope.append(&mut content);
    envelope
}

/// Opens an envelope.
///
/// # Errors
///
/// Says why it is none, or is damaged.
pub(super) fn open(envelope: &[u8]) -> Result<(Header, &[u8]), String> {
    let Some(rest) = envelope.strip_prefix(FORMAT.as_bytes()) else {
        return Err(format!("it does not begin with {FORMAT:?}"));
    };
    let (digest, content) = line(rest, 64).ok_or("its first line is damaged")?;
    if digest != sha256_hex(content).as_bytes() {
        return Err("it is damaged: its checksum is another".to_owned());
    }
    let (header, snapshot) = line(content, MAX_HEADER_BYTES).ok_or("it has no header")?;
    let header: Header =
        serde_json::from_slice(header).map_err(|error| format!("its header: {error}"))?;
    if header.snapshot_bytes != snapshot.len() as u64 {
        return Err(format!(
            "its snapshot has {} bytes, and {} are told",
            snapshot.len(),
            header.snapshot_bytes
        ));
    }
    Ok((header, snapshot))
}

/// The first line, of so many bytes at the most, and what follows it.
fn line(bytes: &[u8], max_bytes: usize) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().take(max_bytes + 1).position(|&byte| byte == b'\n')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// Of the document, not of the way it is written.
fn settings_digest(settings: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(settings) {
        Ok(document) => sha256_hex(document.to_string()),
        Err(_) => sha256_hex(settings),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header() -> Header {
        Header {
            rule: "forest".to_owned(),
            rule_version: "1.0.0".to_owned(),
            rule_digest: "sha256:00".to_owned(),
            settings: settings_digest("{}"),
            partition: "kinesis arn:s shardId-0".to_owned(),
            learnt: Learnt {
                position: Position::try_from("49590338".to_owned()).ok(),
                beginning: None,
                records: 7,
            },
            flagged: Flagged::default(),
            generation: 3,
            writer: "w".to_owned(),
            snapshot_bytes: 0,
        }
    }

    #[test]
    fn settings_are_the_same_however_they_are_written() {
        assert_eq!(settings_digest(r#"{"a":1,"b":2}"#), settings_digest("{ \"b\": 2, \"a\": 1}"));
        assert_ne!(settings_digest(r#"{"a":1}"#), settings_digest(r#"{"a":2}"#));
    }

    #[test]
    fn what_is_no_envelope_is_told_why() {
        let newer = String::from_utf8(seal(header(), b"")).expect("UTF-8").replacen('1', "2", 1);
        for (bytes, why) in [
            (&b""[..], "begin"),
            (b"{}", "begin"),
            (newer.as_bytes(), "begin"),
            (b"weir-state 1 ab", "first line"),
            (b"weir-state 1 ab\n{}\n", "checksum"),
        ] {
            let refused = open(bytes).expect_err(why);
            assert!(refused.contains(why), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn what_is_sealed_comes_out_again(snapshot: Vec<u8>) {
            let envelope = seal(header(), &snapshot);
            let (opened, content) = open(&envelope).expect("an envelope");
            prop_assert_eq!(content, &snapshot[..]);
            prop_assert_eq!(Header { snapshot_bytes: 0, ..opened }, header());
            prop_assert!(envelope.len() <= snapshot.len() + MAX_AROUND_BYTES);
        }

        #[test]
        fn damage_is_noticed(snapshot: Vec<u8>, at: prop::sample::Index, bit in 0..8u8) {
            let mut envelope = seal(header(), &snapshot);
            let cut = at.index(envelope.len());
            prop_assert!(open(&envelope[..cut]).is_err());
            envelope[cut] ^= 1 << bit;
            prop_assert!(open(&envelope).is_err());
        }

        #[test]
        fn any_bytes_are_opened_or_refused(bytes: Vec<u8>) {
            let _ = open(&bytes);
        }
    }
}
