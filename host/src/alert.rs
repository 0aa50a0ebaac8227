use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

use crate::contract::{Contract, Event};
use crate::digest::Digest;
use crate::outcome::{Bound, Flag};
use crate::payload::PayloadReader;
use crate::pointer::FieldPointer;
use crate::rule::Rule;

/// A message to publish: a flagged record, ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// The id of the record it stands for, so that a subscriber can tell a repeated message.
    pub record_id: String,
    /// The message's subject.
    pub subject: String,
    /// The message: the decoded payload, unless the rule had something better to say.
    pub message: String,
    /// The score that made the rule flag the record.
    pub score: Option<f64>,
    /// The bound that the score crossed.
    pub crossed: Option<Bound>,
    /// The name of the rule that flagged it.
    pub rule: String,
    /// The version of that rule.
    pub rule_version: String,
    /// The digest of that rule.
    pub rule_digest: Digest,
    /// The message group on a FIFO topic: within it, messages keep their order.
    pub group: Option<String>,
    /// What a FIFO topic tells repeated messages by: the same whenever the same record comes again.
    pub deduplication_id: String,
}

/// What alerts say beside what the rule does.
pub(crate) struct Composer<'a> {
    pub(crate) event: &'a Event<'a>,
    pub(crate) payloads: &'a PayloadReader<'a>,
    pub(crate) rule: &'a Rule,
    /// The subject where the rule has none.
    pub(crate) subject: &'a str,
    /// Where the message group stands in the payload; the partition key where there is none.
    pub(crate) group: Option<&'a FieldPointer>,
}

impl Composer<'_> {
    /// The alert for a flagged record. Takes the texts out of the flag.
    pub(crate) fn compose(&self, flag: &mut Flag) -> Alert {
        let entry = flag.index;
        Alert {
            record_id: self.event.entry_id(entry).into_owned(),
            subject: flag.subject.take().unwrap_or_else(|| self.subject.to_owned()),
            message: std::mem::take(&mut flag.message),
            score: flag.score,
            crossed: flag.crossed,
            rule: self.rule.description().name.clone(),
            rule_version: self.rule.description().version.clone(),
            rule_digest: self.rule.digest(),
            group: self.message_group(entry),
            deduplication_id: self.deduplication_id(entry),
        }
    }

    /// The message group that an alert for an entry has.
    pub(crate) fn message_group(&self, entry: usize) -> Option<String> {
        let field = self.group.and_then(|pointer| self.payloads.field(entry, pointer));
        field.or_else(|| self.event.key(entry).map(Cow::into_owned))
    }

    /// The same whenever the same record comes again, whoever classifies it: of where it came from
    /// and its id. The line of a file is no identity, as another file of that name has such lines
    /// too: there, the payload tells.
    fn deduplication_id(&self, entry: usize) -> String {
        let id = self.event.entry_id(entry);
        let identity = [self.event.source.as_bytes(), id.as_bytes()];
        match self.event.contract {
            Contract::Ndjson => digest(identity.into_iter().chain([self.payloads.encoded(entry)])),
            _ => digest(identity),
        }
    }
}

/// The SHA-256 of some parts, each told apart from the next, in hexadecimal.
pub(crate) fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digits = hash.finalize().into_iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

#[cfg(test)]
impl Alert {
    /// An alert, for tests that look at some of it.
    pub(crate) fn sample() -> Self {
        Self {
            record_id: "r".to_owned(),
            subject: "s".to_owned(),
            message: "m".to_owned(),
            score: None,
            crossed: None,
            rule: "threshold".to_owned(),
            rule_version: "0.1.0".to_owned(),
            rule_digest: Digest::of(b""),
            group: None,
            deduplication_id: "d".to_owned(),
        }
    }
}
