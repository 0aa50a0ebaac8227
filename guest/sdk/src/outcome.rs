use crate::base64;
use crate::batch::{Batch, Encoding};
use crate::record::Record;
use crate::rule::Rule;
use crate::verdict::{Flag, Verdict};

/// The answer for a batch, as the contract writes it: one verdict a record, details only where
/// there is something to say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// What kind of verdict each record has, in order.
    pub verdicts: Vec<VerdictKind>,
    /// What to publish: the index of each flagged record, ascending. Every flag has its message.
    pub flagged: Vec<(u32, Flag)>,
    /// The index of each failed record, ascending, and the reason.
    pub failed: Vec<(u32, String)>,
    /// The payloads as they go on and where each of them ends, if the rule rewrites.
    pub rewritten: Option<(Vec<u8>, Vec<u32>)>,
}

/// A [`Verdict`] without its details.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// The contract's numbers.
#[repr(u8)]
#[expect(missing_docs, reason = "each is explained at the verdict of its name")]
pub enum VerdictKind {
    Pass,
    Flag,
    Drop,
    Fail,
}

/// Classifies a batch, record by record: decode, classify, and rewrite where the rule does.
///
/// # Panics
///
/// On a batch that is not well formed, which the host promises never to send.
pub fn classify<R: Rule>(rule: &mut R, batch: Batch<'_>) -> Outcome {
    let mut outcome = Outcome::default();
    classify_into(rule, batch, &mut Vec::new(), &mut outcome);
    outcome
}

/// Does the same with memory that served batches before: payloads are decoded to `decoded`, and the
/// outcome takes the place of another.
pub(crate) fn classify_into<R: Rule>(
    rule: &mut R,
    batch: Batch<'_>,
    decoded: &mut Vec<u8>,
    outcome: &mut Outcome,
) {
    outcome.clear(rule.rewriting());
    outcome.verdicts.reserve(batch.payloads.ends.len());
    rule.begin_batch();
    let mut start = 0;
    let replayed = batch.replayed as usize;
    for &end in batch.payloads.ends {
        let payload = &batch.payloads.bytes[start..end as usize];
        let record = match batch.encoding {
            Encoding::Plain => Ok(Record::within(&batch.payloads.bytes[start..], payload.len())),
            Encoding::Base64 => base64::decode_within(payload, decoded)
                .map(|length| Record::within(decoded, length)),
        };
        start = end as usize;
        match record {
            Ok(record) => {
                // A rule without state does not care, and need not ask.
                let comes_again = R::KEEPS_STATE && outcome.verdicts.len() < replayed;
                outcome.add(rule, &record, comes_again);
            }
            Err(error) => outcome.push(Verdict::Fail(format!("not base64: {error}"))),
        }
        if let Some((bytes, ends)) = &mut outcome.rewritten {
            ends.push(bytes.len() as u32);
        }
    }
}

impl Outcome {
    /// Makes it one of no record.
    fn clear(&mut self, rewriting: bool) {
        self.verdicts.clear();
        self.flagged.clear();
        self.failed.clear();
        match &mut self.rewritten {
            Some((bytes, ends)) if rewriting => {
                bytes.clear();
                ends.clear();
            }
            rewritten => *rewritten = rewriting.then(Default::default),
        }
    }

    fn add<R: Rule>(&mut self, rule: &mut R, record: &Record<'_>, comes_again: bool) {
        let verdict = if comes_again { rule.replay(record) } else { rule.classify(record) };
        let verdict = match verdict {
            // Most records pass: there is nothing to carry around for them.
            Verdict::Pass if self.rewritten.is_none() => {
                self.verdicts.push(VerdictKind::Pass);
                return;
            }
            verdict => with_message(verdict, record),
        };
        if let (Some((bytes, _)), Verdict::Pass | Verdict::Flag(_)) =
            (&mut self.rewritten, &verdict)
        {
            rule.rewrite(record, &verdict, bytes);
        }
        self.push(verdict);
    }

    fn push(&mut self, verdict: Verdict) {
        let index = self.verdicts.len() as u32;
        self.verdicts.push(match verdict {
            Verdict::Pass => VerdictKind::Pass,
            Verdict::Drop => VerdictKind::Drop,
            Verdict::Flag(flag) => {
                self.flagged.push((index, flag));
                VerdictKind::Flag
            }
            Verdict::Fail(reason) => {
                self.failed.push((index, reason));
                VerdictKind::Fail
            }
        });
    }
}

/// Fills in the message that a flag leaves to the payload. A message is text, so a payload that
/// is not cannot be published.
fn with_message(verdict: Verdict, record: &Record<'_>) -> Verdict {
    match verdict {
        Verdict::Flag(flag) if flag.message.is_none() => match str::from_utf8(record.payload()) {
            Ok(text) => Verdict::Flag(Flag { message: Some(text.to_owned()), ..flag }),
            Err(error) => Verdict::Fail(format!(
                "flagged, but its payload cannot be a message: invalid UTF-8 at byte {}",
                error.valid_up_to()
            )),
        },
        verdict => verdict,
    }
}
