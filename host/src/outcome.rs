use crate::batch::Payloads;
use crate::bindings::rule;

/// A rule's answer for a batch, checked: one verdict a record, details only where there is
/// something to say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// One verdict a record, in order.
    pub verdicts: Vec<Verdict>,
    /// One entry for each [`Verdict::Flag`], in order.
    pub flagged: Vec<Flag>,
    /// One entry for each [`Verdict::Fail`], in order.
    pub failed: Vec<Failure>,
    /// One payload a record as it goes on, not encoded, if the rule rewrote them. Those of records
    /// that drop or fail mean nothing.
    pub rewritten: Option<Payloads>,
}

/// A rule's answer for one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to notice.
    Pass,
    /// To be published.
    Flag,
    /// To be left out of the stream.
    Drop,
    /// It cannot be classified.
    Fail,
}

/// What to publish for a flagged record.
#[derive(Clone, Debug, PartialEq)]
pub struct Flag {
    /// The record's index in the batch.
    pub index: usize,
    /// The score that made the rule flag it; finite.
    pub score: Option<f64>,
    /// The bound that the score crossed.
    pub crossed: Option<Bound>,
    /// The subject of the message, if the rule has one of its own.
    pub subject: Option<String>,
    /// The message.
    pub message: String,
}

/// Which bound a score crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    /// It is too high.
    Upper,
    /// It is too low.
    Lower,
}

/// Why a record could not be classified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The record's index in the batch.
    pub index: usize,
    /// The cause, for a person to read.
    pub reason: String,
}

impl Outcome {
    /// The outcome of a batch of `records` of which none could be classified.
    pub(crate) fn all_failed(records: usize, reason: &str) -> Self {
        Self {
            verdicts: vec![Verdict::Fail; records],
            failed: (0..records)
                .map(|index| Failure { index, reason: reason.to_owned() })
                .collect(),
            ..Self::default()
        }
    }

    /// Checks what a rule answered for a batch of `records`, as the rule contract demands.
    ///
    /// # Errors
    ///
    /// Says which of the contract's guarantees is broken, and where.
    pub(crate) fn check(
        answer: rule::Outcome,
        records: usize,
        may_rewrite: bool,
    ) -> Result<Self, String> {
        if answer.verdicts.len() != records {
            let verdicts = answer.verdicts.len();
            return Err(format!("{verdicts} verdicts for {records} records"));
        }
        let verdicts: Vec<_> = answer.verdicts.into_iter().map(Verdict::from).collect();
        let flagged: Vec<_> = answer.flagged.into_iter().map(Flag::from).collect();
        let failed: Vec<_> = answer.failed.into_iter().map(Failure::from).collect();

        check_details(&verdicts, Verdict::Flag, flagged.iter().map(|flag| flag.index))?;
        check_details(&verdicts, Verdict::Fail, failed.iter().map(|failure| failure.index))?;
        if let Some(flag) = flagged.iter().find(|flag| flag.score.is_some_and(|s| !s.is_finite())) {
            return Err(format!("the score of record {} is not finite", flag.index));
        }

        let rewritten = match answer.rewritten {
            Some(_) if !may_rewrite => {
                return Err("payloads rewritten by a rule that says it does not".to_owned());
            }
            Some(payloads) => Some(check_payloads(payloads, records)?),
            None => None,
        };
        Ok(Self { verdicts, flagged, failed, rewritten })
    }
}

/// Checks that `indices` are those of the records with the verdict `kind`, in order.
fn check_details(
    verdicts: &[Verdict],
    kind: Verdict,
    indices: impl Iterator<Item = usize>,
) -> Result<(), String> {
    let mut expected = (0..verdicts.len()).filter(|&index| verdicts[index] == kind);
    let mut indices = indices.fuse();
    loop {
        match (expected.next(), indices.next()) {
            (None, None) => return Ok(()),
            (Some(expected), Some(found)) if expected == found => {}
            (Some(expected), Some(found)) => {
                return Err(format!(
                    "details for record {found} where those of record {expected} ({kind:?}) belong"
                ));
            }
            (Some(expected), None) => {
                return Err(format!("no details for record {expected} ({kind:?})"));
            }
            (None, Some(found)) => {
                return Err(format!("details for record {found}, whose verdict is not {kind:?}"));
            }
        }
    }
}

fn check_payloads(payloads: rule::Payloads, records: usize) -> Result<Payloads, String> {
    let rule::Payloads { bytes, ends } = payloads;
    if ends.len() != records {
        return Err(format!("{} rewritten payloads for {records} records", ends.len()));
    }
    if !ends.is_sorted() || ends.last().map_or(0, |&end| end as usize) != bytes.len() {
        return Err("the ends of the rewritten payloads do not divide their bytes".to_owned());
    }
    Ok(Payloads { bytes, ends })
}

impl From<rule::Verdict> for Verdict {
    fn from(verdict: rule::Verdict) -> Self {
        match verdict {
            rule::Verdict::Pass => Self::Pass,
            rule::Verdict::Flag => Self::Flag,
            rule::Verdict::Drop => Self::Drop,
            rule::Verdict::Fail => Self::Fail,
        }
    }
}

impl From<rule::Flag> for Flag {
    fn from(flag: rule::Flag) -> Self {
        Self {
            index: flag.index as usize,
            score: flag.score,
            crossed: flag.crossed.map(|bound| match bound {
                rule::Bound::UpperBound => Bound::Upper,
                rule::Bound::LowerBound => Bound::Lower,
            }),
            subject: flag.subject,
            message: flag.message,
        }
    }
}

impl From<rule::Failure> for Failure {
    fn from(failure: rule::Failure) -> Self {
        Self { index: failure.index as usize, reason: failure.reason }
    }
}
