use std::iter;
use std::mem::size_of;

use crate::batch::Payloads;
use crate::bindings::rule;
use crate::printable::cut;

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
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, serde::Serialize,
)]
#[serde(rename_all = "lowercase")]
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

impl Verdict {
    /// Every verdict there is.
    pub const ALL: [Self; 4] = [Self::Pass, Self::Flag, Self::Drop, Self::Fail];

    /// The name, as the rule contract has it: `pass`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Flag => "flag",
            Self::Drop => "drop",
            Self::Fail => "fail",
        }
    }

    /// How many of some verdicts are this one.
    pub(crate) fn count_in(self, verdicts: &[Self]) -> usize {
        // In so many at once no sum is above a byte, so each vector that is compared is simply added.
        let chunks = verdicts.chunks(usize::from(u8::MAX));
        let count = |chunk: &[Self]| chunk.iter().map(|&other| u8::from(other == self)).sum::<u8>();
        chunks.map(count).map(usize::from).sum()
    }
}

/// What to publish for a flagged record.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct Flag {
    /// The record's index in the batch, which means nothing beyond it.
    #[serde(skip)]
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
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize, serde::Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    /// It is too high.
    Upper,
    /// It is too low.
    Lower,
}

impl Bound {
    /// The name: `upper` or `lower`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Upper => "upper",
            Self::Lower => "lower",
        }
    }
}

/// Why a record could not be classified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The record's index in the batch.
    pub index: usize,
    /// The reason, for a person to read. The rule's is cut after 1000 characters.
    pub reason: String,
    /// Whose fault it is.
    pub cause: Cause,
}

/// The most characters of a rule's reason: it goes into answers, logs and dead letters, which have no room
/// without end.
pub(crate) const MAX_REASON: usize = 1000;

impl Failure {
    /// What a rule says of a record that it cannot classify.
    pub(crate) fn of_record(index: usize, reason: &str) -> Self {
        Self { index, reason: cut(reason, MAX_REASON), cause: Cause::Record }
    }
}

/// Whose fault it is that a record has no verdict of its own.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize, serde::Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// The record's: the rule says that it cannot classify it.
    Record,
    /// The record's: it makes the rule fail, whatever comes with it.
    Poison,
    /// Not the record's: the rule is at fault, or there was no time.
    Unclassified,
}

impl Outcome {
    /// The outcome of a batch of `records` of which none could be classified.
    pub(crate) fn unclassified(records: usize, reason: &str) -> Self {
        Self::of_parts(records, Vec::new(), Vec::new(), reason)
    }

    /// The outcome of a batch of `records` of which some parts were classified, each beginning at
    /// an index, and some records failed. The rest is unclassified, for a reason.
    pub(crate) fn of_parts(
        records: usize,
        mut parts: Vec<(usize, Self)>,
        mut failed: Vec<Failure>,
        reason: &str,
    ) -> Self {
        if parts.len() == 1 && parts[0].1.verdicts.len() == records {
            return parts.swap_remove(0).1;
        }
        parts.sort_by_key(|(start, _)| *start);
        let mut whole = Self { verdicts: vec![Verdict::Fail; records], ..Self::default() };
        let mut settled = vec![false; records];
        for failure in &failed {
            settled[failure.index] = true;
        }
        let rewrites = parts.iter().any(|(_, part)| part.rewritten.is_some());
        let mut rewritten: Vec<Option<Vec<u8>>> = vec![None; if rewrites { records } else { 0 }];
        for (start, part) in parts {
            for (offset, verdict) in part.verdicts.into_iter().enumerate() {
                whole.verdicts[start + offset] = verdict;
                settled[start + offset] = true;
                if let Some(payload) = part.rewritten.as_ref().and_then(|all| all.get(offset)) {
                    rewritten[start + offset] = Some(payload.to_vec());
                }
            }
            let index = |index: usize| start + index;
            whole
                .flagged
                .extend(part.flagged.into_iter().map(|f| Flag { index: index(f.index), ..f }));
            failed.extend(part.failed.into_iter().map(|f| Failure { index: index(f.index), ..f }));
        }
        let left = (0..records).filter(|&index| !settled[index]);
        failed.extend(left.map(|index| Failure {
            index,
            reason: reason.to_owned(),
            cause: Cause::Unclassified,
        }));
        failed.sort_by_key(|failure| failure.index);
        whole.failed = failed;
        whole.rewritten = rewrites.then(|| rewritten.into_iter().collect());
        whole
    }

    /// Flags a record, whatever was said of it. Not one that could not be classified: then it says so.
    pub(crate) fn flag(&mut self, flag: Flag) -> bool {
        let verdict =
            self.verdicts.get_mut(flag.index).filter(|verdict| **verdict != Verdict::Fail);
        let Some(verdict) = verdict else { return false };
        *verdict = Verdict::Flag;
        match self.flagged.binary_search_by_key(&flag.index, |other| other.index) {
            Ok(place) => self.flagged[place] = flag,
            Err(place) => self.flagged.insert(place, flag),
        }
        true
    }

    /// Puts other rewritten payloads in the place of some, which are ascending. Of a rule that rewrites
    /// nothing, none.
    pub(crate) fn rewrite(&mut self, payloads: &[(usize, &[u8])]) {
        let Some(before) = self.rewritten.as_ref().filter(|_| !payloads.is_empty()) else { return };
        let payload = |index: usize| {
            let other = payloads.binary_search_by_key(&index, |(index, _)| *index);
            let other = other.ok().map(|place| payloads[place].1);
            other.or_else(|| before.get(index)).map(<[u8]>::to_vec)
        };
        let after = (0..self.verdicts.len()).map(payload).collect();
        self.rewritten = Some(after);
    }

    /// Adds the outcome of the records that follow in the same batch.
    pub(crate) fn append(&mut self, next: Self) {
        let Self { verdicts, flagged, failed, rewritten } = next;
        let (before, records) = (self.verdicts.len(), verdicts.len());
        self.verdicts.extend(verdicts);
        self.flagged.extend(flagged.into_iter().map(|f| Flag { index: before + f.index, ..f }));
        self.failed.extend(failed.into_iter().map(|f| Failure { index: before + f.index, ..f }));
        if self.rewritten.is_some() || rewritten.is_some() {
            let nothing = || iter::repeat_n(None, before).collect();
            self.rewritten.get_or_insert_with(nothing).append(records, rewritten);
        }
    }

    /// What it takes to hold it, in bytes: about what the output limit counts.
    pub(crate) fn bytes(&self) -> usize {
        let flag = |flag: &Flag| {
            size_of::<Flag>() + flag.message.len() + flag.subject.as_ref().map_or(0, String::len)
        };
        let failure = |failure: &Failure| size_of::<Failure>() + failure.reason.len();
        let payloads =
            |payloads: &Payloads| payloads.bytes.len() + size_of::<u32>() * payloads.ends.len();
        self.verdicts.len()
            + self.flagged.iter().map(flag).sum::<usize>()
            + self.failed.iter().map(failure).sum::<usize>()
            + self.rewritten.as_ref().map_or(0, payloads)
    }

    /// Checks what a rule answered for a batch of `records`, as the rule contract demands.
    ///
    /// # Errors
    ///
    /// Says which of the contract's guarantees is broken, and where.
    pub(crate) fn check(&self, records: usize, may_rewrite: bool) -> Result<(), String> {
        let Self { verdicts, flagged, failed, rewritten } = self;
        if verdicts.len() != records {
            return Err(format!("{} verdicts for {records} records", verdicts.len()));
        }
        // Mostly there is nothing to say, and to see that takes no branch.
        let is_told = |&verdict: &Verdict| matches!(verdict, Verdict::Flag | Verdict::Fail);
        let told = verdicts.iter().fold(false, |told, verdict| told | is_told(verdict));
        if told || !flagged.is_empty() || !failed.is_empty() {
            check_details(verdicts, Verdict::Flag, flagged.iter().map(|flag| flag.index))?;
            check_details(verdicts, Verdict::Fail, failed.iter().map(|failure| failure.index))?;
        }
        if let Some(flag) = flagged.iter().find(|flag| flag.score.is_some_and(|s| !s.is_finite())) {
            return Err(format!("the score of record {} is not finite", flag.index));
        }
        match rewritten {
            Some(_) if !may_rewrite => {
                Err("payloads rewritten by a rule that says it does not".to_owned())
            }
            Some(payloads) => check_payloads(payloads, records),
            None => Ok(()),
        }
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

fn check_payloads(payloads: &Payloads, records: usize) -> Result<(), String> {
    let Payloads { bytes, ends, .. } = payloads;
    if ends.len() != records {
        return Err(format!("{} rewritten payloads for {records} records", ends.len()));
    }
    if !ends.is_sorted() || ends.last().map_or(0, |&end| end as usize) != bytes.len() {
        return Err("the ends of the rewritten payloads do not divide their bytes".to_owned());
    }
    Ok(())
}

impl From<rule::Outcome> for Outcome {
    fn from(outcome: rule::Outcome) -> Self {
        let payloads = |rule::PayloadsResult { bytes, ends }| Payloads::new(bytes, ends);
        Self {
            verdicts: outcome.verdicts.into_iter().map(Verdict::from).collect(),
            flagged: outcome.flagged.into_iter().map(Flag::from).collect(),
            failed: outcome.failed.into_iter().map(Failure::from).collect(),
            rewritten: outcome.rewritten.map(payloads),
        }
    }
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
        Self::of_record(failure.index as usize, &failure.reason)
    }
}
