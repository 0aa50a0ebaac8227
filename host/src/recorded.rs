//! Recorded verdicts: what a rule said of a record, with all that it takes to prove it again, since
//! the same rule, settings and bytes have the same outcome on every machine.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::batch::{Batch, Encoding};
use crate::digest::Digest;
use crate::fault::Fault;
use crate::filter::{Filter, OpenError};
use crate::outcome::{Bound, Cause, Outcome, Verdict};
use crate::rule::Rule;

/// What a rule said of a record. As JSON, it is a line of a recording.
///
/// Of a rule that keeps state, it can be proved together with all that came before it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Recorded {
    /// The id that the record had.
    pub record: String,
    /// The rule.
    pub rule_digest: Digest,
    /// The settings that it was opened with.
    pub settings: Value,
    /// The payload in base64, as it went to the rule.
    pub base64: String,
    /// What the rule said.
    #[serde(flatten)]
    pub said: Said,
}

/// A rule's answer for one record.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Said {
    /// The verdict.
    pub verdict: Verdict,
    /// The score of a flag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The bound that it crossed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crossed: Option<Bound>,
    /// The reason of a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Recorded {
    /// What a rule said of the records of a batch. Those that it did not classify are left out: there
    /// is nothing to prove.
    pub(crate) fn all(
        filter: &Filter,
        batch: &Batch,
        outcome: &Outcome,
        id: impl Fn(usize) -> String,
    ) -> impl Iterator<Item = Self> {
        let settings = serde_json::from_str(filter.settings()).unwrap_or(Value::Null);
        let mut answers = said(outcome).into_iter().enumerate();
        std::iter::from_fn(move || {
            let (index, said) = answers.by_ref().find_map(|(i, said)| Some((i, said?)))?;
            let payload = batch.payload(index).unwrap_or_default();
            let base64 = match batch.encoding() {
                Encoding::Base64 => String::from_utf8_lossy(payload).into_owned(),
                Encoding::Plain => base64_simd::STANDARD.encode_to_string(payload),
            };
            let (rule_digest, settings) = (filter.rule().digest(), Value::clone(&settings));
            Some(Self { record: id(index), rule_digest, settings, base64, said })
        })
    }

    /// Has the rule classify recorded records again, in their order: what it says now, one answer a
    /// record.
    ///
    /// # Errors
    ///
    /// If the recording is of another rule, or the rule is at fault.
    pub fn replay(rule: &Rule, records: &[Self]) -> Result<Vec<Option<Said>>, ReplayError> {
        if let Some(other) = records.iter().find(|r| r.rule_digest != rule.digest()) {
            let (recorded, found) = (other.rule_digest, rule.digest());
            return Err(ReplayError::OtherRule { record: other.record.clone(), recorded, found });
        }
        let mut answers = Vec::with_capacity(records.len());
        for same in records.chunk_by(|a, b| a.settings == b.settings) {
            let Some(first) = same.first() else { continue };
            let filter = rule.open(&first.settings.to_string())?;
            for records in same.chunks(BATCH) {
                let bytes = records.iter().map(|record| record.base64.len()).sum();
                let mut batch = Batch::with_capacity(Encoding::Base64, records.len(), bytes);
                records.iter().for_each(|record| batch.push(record.base64.as_bytes()));
                answers.extend(said(&filter.classify(&batch)?));
            }
        }
        Ok(answers)
    }
}

/// How many records are replayed at once.
const BATCH: usize = 100;

/// The rule's answers, one a record. None for what it did not classify.
fn said(outcome: &Outcome) -> Vec<Option<Said>> {
    let plain = |&verdict| Some(Said { verdict, score: None, crossed: None, reason: None });
    let mut answers: Vec<_> = outcome.verdicts.iter().map(plain).collect();
    for flag in &outcome.flagged {
        if let Some(Some(said)) = answers.get_mut(flag.index) {
            (said.score, said.crossed) = (flag.score, flag.crossed);
        }
    }
    for failure in &outcome.failed {
        let reason = (failure.cause == Cause::Record).then(|| failure.reason.clone());
        if let Some(answer) = answers.get_mut(failure.index) {
            *answer = reason.map(|reason| Said {
                verdict: Verdict::Fail,
                score: None,
                crossed: None,
                reason: Some(reason),
            });
        }
    }
    answers
}

/// Why recorded verdicts cannot be proved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// Another rule gave them.
    #[error("record {record} is of the rule {recorded}, this is {found}")]
    OtherRule {
        /// The first record of another rule.
        record: String,
        /// The rule that gave its verdict.
        recorded: Digest,
        /// The rule that was to give it again.
        found: Digest,
    },
    /// The rule does not take the settings that are recorded.
    #[error("settings that are recorded: {0}")]
    Open(#[from] OpenError),
    /// The rule is at fault.
    #[error("the rule fails: {0}")]
    Fault(#[from] Fault),
}
