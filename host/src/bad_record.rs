use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use crate::batch::Encoding;
use crate::contract::{Answer, Disposal, Event, FailureCause, FailureKind};
use crate::dead_letter::{DeadLetter, DeadLetterQueue};
use crate::payload::PayloadReader;
use crate::publish::in_time;
use crate::receipt::PublishError;
use crate::rule::Rule;

/// What becomes of a record that can never be processed: one that the rule cannot classify, that
/// makes it fail, or whose alert nobody takes.
#[derive(Clone, Default)]
pub enum OnBadRecord {
    /// It is answered as failed, as its contract does. A stream that keeps its order stays at it
    /// until the record is too old: on `kinesis`, nothing behind it in its shard is processed.
    #[default]
    Fail,
    /// It is sent there with the reason, and answered as done once that is confirmed.
    DeadLetter(Arc<dyn DeadLetterQueue>),
    /// It is counted and answered as dropped, or as done where the contract has no word for it.
    Drop,
}

impl OnBadRecord {
    /// Whether such a record is answered as failed.
    pub(crate) fn fails(&self) -> bool {
        matches!(self, Self::Fail)
    }
}

impl std::fmt::Debug for OnBadRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Fail => "Fail",
            Self::DeadLetter(_) => "DeadLetter",
            Self::Drop => "Drop",
        })
    }
}

/// A place in an event whose answer is not final while it says that the record is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// An entry of the batch.
    Entry(usize),
    /// A record that has no entry.
    Record(usize),
}

/// What is known of the records to deal with.
pub(crate) struct Disposer<'a> {
    pub(crate) policy: &'a OnBadRecord,
    pub(crate) event: &'a Event<'a>,
    pub(crate) payloads: &'a PayloadReader<'a>,
    pub(crate) rule: &'a Rule,
}

impl Disposer<'_> {
    /// Deals with every answer that says that its record can never be processed.
    pub(crate) async fn dispose(
        &self,
        answers: impl Iterator<Item = (Place, &mut Answer)>,
        deadline: Option<Instant>,
    ) {
        let bad = answers.filter(|(_, answer)| is_bad(answer));
        match self.policy {
            OnBadRecord::Fail => {}
            OnBadRecord::Drop => bad.for_each(|(_, answer)| disposed(answer, Disposal::Drop)),
            OnBadRecord::DeadLetter(queue) => {
                let mut bad: Vec<_> = bad.collect();
                if bad.is_empty() {
                    return;
                }
                let letters = bad.iter().map(|(place, answer)| self.letter(*place, answer));
                let receipts = in_time(queue.send(letters.collect(), deadline), deadline).await;
                let mut receipts = receipts.into_iter();
                for (_, answer) in &mut bad {
                    match receipts.next() {
                        Some(Ok(())) => disposed(answer, Disposal::DeadLetter),
                        Some(Err(error)) => **answer = unsent(answer, &error),
                        None => {
                            let error = "its queue did not answer for it".to_owned();
                            **answer = unsent(answer, &PublishError::Unconfirmed(error));
                        }
                    }
                }
            }
        }
    }

    fn letter(&self, place: Place, answer: &Answer) -> DeadLetter {
        let as_it_came = |data: Cow<'_, str>| (data.into_owned(), self.event.contract.encoding());
        let (id, (data, encoding)) = match place {
            Place::Entry(entry) => {
                let data = self.event.data(entry).map(as_it_came);
                (
                    self.event.entry_id(entry).into_owned(),
                    data.unwrap_or_else(|| self.payload(entry)),
                )
            }
            Place::Record(record) => {
                (self.event.id(record).into_owned(), as_it_came(self.event.record_data(record)))
            }
        };
        DeadLetter {
            record: id,
            contract: self.event.contract.name(),
            source: self.event.source.clone().into_owned(),
            reason: reason_of(answer).to_owned(),
            rule: self.rule.description().name.clone(),
            rule_version: self.rule.description().version.clone(),
            rule_digest: self.rule.digest(),
            data,
            encoding: encoding.name(),
        }
    }

    /// The payload of an entry as text: as it is, or in base64 where it is no text.
    fn payload(&self, entry: usize) -> (String, Encoding) {
        let bytes = self.payloads.encoded(entry);
        let encoding = self.payloads.batch.encoding();
        match std::str::from_utf8(bytes) {
            Ok(text) => (text.to_owned(), encoding),
            Err(_) => (base64_simd::STANDARD.encode_to_string(bytes), Encoding::Base64),
        }
    }
}

/// Whether a record can never be processed, and that was not dealt with yet.
fn is_bad(answer: &Answer) -> bool {
    matches!(
        answer,
        Answer::Failed { kind: FailureKind::Permanent, cause, .. } if *cause != FailureCause::DeadLetter
    )
}

fn reason_of(answer: &Answer) -> &str {
    match answer {
        Answer::Failed { reason, .. } => reason,
        _ => "",
    }
}

/// A record whose letter was not taken is still to be dealt with: the stream service is to send it again,
/// which may help unless the letter is one that no queue would ever take.
fn unsent(answer: &Answer, error: &PublishError) -> Answer {
    let reason = format!("{}; its dead letter: {error}", reason_of(answer));
    match error {
        PublishError::Rejected(_) => Answer::permanent(FailureCause::DeadLetter, reason),
        _ => Answer::transient(FailureCause::DeadLetter, reason),
    }
}

fn disposed(answer: &mut Answer, disposal: Disposal) {
    if let Answer::Failed { reason, .. } = answer {
        *answer = Answer::Disposed { reason: std::mem::take(reason), disposal };
    }
}
