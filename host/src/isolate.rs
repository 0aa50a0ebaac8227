//! Poison isolation: a rule that fails on one record costs that record only.
//!
//! A batch on which the rule faults is run again in parts, each in a fresh instance. Of what is
//! left, the first half runs: if it goes well its verdicts are kept and the search goes on behind
//! it, or else within it, until one record is left. That record is found; all behind it runs as one
//! part, and if the rule faults on that too, the search begins anew there.
//!
//! Finding one record among n so takes at most ⌈log₂ n⌉ runs, and one for what is behind it. That is
//! the bound: with k poison records, k · (⌈log₂ n⌉ + 1) runs beyond the first. Within it, a record is
//! blamed as surely as can be:
//!
//! - A record on which the rule faulted *alone* is poison.
//! - A record that is left because all others of a faulting part have since gone well is a suspect.
//!   It could be innocent, since what the records of a part use together, each within its due, can
//!   exceed a limit. So suspects run alone as well, once all else is known, for as long as the bound
//!   leaves runs. It does not leave one for each: to find any one record of four, to run it alone
//!   and to have the other three go well takes four runs at worst, and the bound is three. Suspects
//!   that are left are blamed by inference: the same rule does the same on the same bytes.
//! - Not so where it was the time that ran out: how long the same takes depends on what else the
//!   machine does. Such suspects run alone, whatever the bound: it is one run more for each.
//! - Nor once a suspect was acquitted. Then the rule does fault on innocent records, and all
//!   suspects run alone, whatever the bound.
//! - Nor where the others used half of the limit that was exceeded, or more. Then the rest of the
//!   part runs without them before anything is inferred, whatever the bound; if it goes well, no
//!   further part is larger than those that did.
//!
//! A rule that fails on everything is not its records' fault. It is told by a few runs: see
//! [`Stop::FailsOnEverything`].

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::{AddAssign, Range};
use std::time::Instant;

use crate::batch::Batch;
use crate::fault::Fault;
use crate::filter::Filter;
use crate::limits::LimitExceeded;
use crate::outcome::{Cause, Failure, Outcome};
use crate::session::{Interrupted, Stage, Use};

/// How many runs beyond the first a batch can cost.
const MAX_EXTRA_RUNS: u32 = 256;

/// How many poison records there are before the first good one until the rule itself is suspected.
const MAX_POISON_AT_FIRST: usize = 3;

/// How many times its output limit a rule may hand back for a batch, over all of its parts.
const MAX_OUTPUT: usize = 4;

/// What a batch came to, with the records on which the rule fails set apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Isolated {
    /// A verdict for each record. What the rule did not classify fails, and the failure's
    /// [cause](Failure::cause) says whose fault that is.
    pub outcome: Outcome,
    /// What the rule did wrong on the whole batch, if it did. That it then went well in parts does
    /// not undo it.
    pub fault: Option<Fault>,
    /// How many runs it took beyond the first.
    pub extra_runs: u32,
    /// How many instances were given up, for a fault or because the time was up.
    pub faulted_runs: u32,
    /// The most linear memory, in bytes, that an instance had at the end of a run that went well.
    pub memory_bytes: usize,
    /// Why records are left [unclassified](Cause::Unclassified), if any are.
    pub stop: Option<Stop>,
}

/// Why the search for the records at fault was given up, or not begun.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Stop {
    /// The time for answering ran out.
    #[error("the time for answering ran out before the record was classified")]
    Deadline,
    /// The rule keeps state, which running parts of the batch would disturb.
    #[error("{0}")]
    KeepsState(Fault),
    /// The rule was not given any record: it could not be opened, or there was no room for an instance.
    #[error("{0}")]
    Opening(Fault),
    /// The rule faults without any record; or on each of the first three of a batch and the last,
    /// each alone, and none has ever gone well.
    #[error("the rule fails on every record: {0}")]
    FailsOnEverything(Fault),
    /// The rule fails on so many records that finding all of them would take too long.
    #[error("the rule fails on too many records of the batch")]
    TooManyRuns,
    /// The rule handed back too much for the parts of the batch together.
    #[error("the rule's answers for parts of the batch exceed {maximum} bytes together")]
    TooMuchOutput {
        /// The limit, in bytes.
        maximum: usize,
    },
}

impl Isolated {
    /// What a batch of `records` came to whose parts, each beginning at an index, were classified on
    /// their own. Together they are all of it.
    pub(crate) fn of_parts(records: usize, mut parts: Vec<(usize, Self)>) -> Self {
        if parts.len() == 1 {
            return parts.swap_remove(0).1;
        }
        let mut whole = Self::default();
        let mut outcomes = Vec::with_capacity(parts.len());
        for (start, part) in parts {
            let Self { outcome, fault, extra_runs, faulted_runs, memory_bytes, stop } = part;
            outcomes.push((start, outcome));
            whole.memory_bytes = whole.memory_bytes.max(memory_bytes);
            whole.fault = whole.fault.or(fault);
            whole.stop = whole.stop.or(stop);
            whole.extra_runs += extra_runs;
            whole.faulted_runs += faulted_runs;
        }
        whole.outcome = Outcome::of_parts(records, outcomes, Vec::new(), "");
        whole
    }
}

impl Stop {
    /// Whether it shows that the rule is bad, so that what was blamed on records no longer counts.
    fn accuses_the_rule(&self) -> bool {
        matches!(self, Self::FailsOnEverything(_) | Self::TooManyRuns)
    }
}

impl Filter {
    /// Classifies a batch, and if the rule is at fault, finds the records on which it fails: those
    /// fail alone, and all others have their verdicts. It takes at most ⌈log₂ n⌉ + 1 runs beyond the
    /// first for each such record of a batch of n, and one more for each on which the time runs out,
    /// unless the records exceed a limit only together; and never more than 256.
    ///
    /// After the deadline nothing is run, and what runs is cut short by it: what has no verdict then
    /// is [unclassified](Cause::Unclassified). Poison records that are found by then stay so, if the
    /// rule has gone well on others.
    ///
    /// A rule that keeps state runs once only, with its own limit of time. If it is at fault, no
    /// record is classified.
    pub fn classify_isolating(&self, batch: &Batch, deadline: Option<Instant>) -> Isolated {
        let Interrupted { fault, stage } = match self.run(batch, deadline) {
            Ok((outcome, used)) => {
                let memory_bytes = used.memory_at_end();
                return Isolated { outcome, memory_bytes, ..Isolated::default() };
            }
            Err(interrupted) => interrupted,
        };
        let mut search = Search::new(self, batch, deadline);
        search.faulted_runs = u32::from(stage.has_run());
        let stop = match stage {
            Stage::Late | Stage::CutShort => Some(Stop::Deadline),
            Stage::Opening | Stage::NoRoom => Some(Stop::Opening(fault.clone())),
            Stage::Classifying if self.description().keeps_state => {
                Some(Stop::KeepsState(fault.clone()))
            }
            Stage::Classifying => search.run_all(fault.clone()).err(),
        };
        let (extra_runs, faulted_runs) = (search.extra_runs, search.faulted_runs);
        let memory_bytes = search.memory_bytes;
        let outcome = search.outcome(stop.as_ref());
        let fault = (stage.has_run() && stage != Stage::CutShort).then_some(fault);
        Isolated { outcome, fault, extra_runs, faulted_runs, memory_bytes, stop }
    }
}

/// The search for the records of one batch on which a rule faults.
struct Search<'a> {
    filter: &'a Filter,
    batch: &'a Batch,
    deadline: Option<Instant>,
    /// The parts that went well, each with the index of its first record.
    good: Vec<(usize, Outcome)>,
    /// Whether the rule has gone well on any record.
    has_gone_well: bool,
    /// The records to blame, by index, and what the rule does wrong on each.
    poison: BTreeMap<usize, Fault>,
    suspects: Vec<Suspect>,
    /// How many records a part may have. Less than all once records were found to exceed a limit
    /// only together.
    max_part: usize,
    output_bytes: usize,
    memory_bytes: usize,
    extra_runs: u32,
    faulted_runs: u32,
}

/// A record that was left when all others of a faulting part had gone well.
struct Suspect {
    index: usize,
    /// What the rule did wrong on that part.
    fault: Fault,
    /// How many records that part had.
    among: usize,
}

impl<'a> Search<'a> {
    fn new(filter: &'a Filter, batch: &'a Batch, deadline: Option<Instant>) -> Self {
        Self {
            filter,
            batch,
            deadline,
            good: Vec::new(),
            has_gone_well: false,
            poison: BTreeMap::new(),
            suspects: Vec::new(),
            max_part: batch.len(),
            output_bytes: 0,
            memory_bytes: 0,
            extra_runs: 0,
            faulted_runs: 0,
        }
    }

    /// Gives each record of a batch that has faulted a verdict or the blame.
    fn run_all(&mut self, mut fault: Fault) -> Result<(), Stop> {
        let records = self.batch.len();
        let mut part = 0..records;
        while !part.is_empty() {
            let mut next = self.narrow(part, fault)?;
            (part, fault) = loop {
                let rest = next..records.min(next + self.max_part);
                if rest.is_empty() {
                    self.check_rule()?;
                    return self.try_suspects();
                }
                match self.run(rest.clone())? {
                    Ok(_) => next = rest.end,
                    Err(fault) => break (rest, fault),
                }
            };
            self.check_rule_on_last(&part)?;
        }
        Ok(())
    }

    /// Finds the first record at fault in a part on which the rule has just faulted. Answers with
    /// the index of the record that follows it; before that, all have verdicts, or the blame.
    fn narrow(&mut self, mut part: Range<usize>, mut fault: Fault) -> Result<usize, Stop> {
        // The records from the part's first to this one have gone well since, in smaller parts.
        let mut start = part.start;
        let mut used = Use::default();
        let mut largest = 0;
        loop {
            if part.len() == 1 {
                self.poison.insert(start, fault);
                return Ok(part.end);
            }
            let rest = start..part.end;
            let run = if start > part.start && used.explains(&fault) {
                rest
            } else if rest.len() == 1 {
                self.suspects.push(Suspect { index: start, fault, among: part.len() });
                return Ok(part.end);
            } else {
                start..start + rest.len() / 2
            };
            match self.run(run.clone())? {
                Ok(more) => {
                    largest = largest.max(run.len());
                    if run.end == part.end {
                        self.max_part = self.max_part.min(largest);
                        return Ok(part.end);
                    }
                    used += more;
                    start = run.end;
                }
                Err(found) => {
                    (part, fault) = (run, found);
                    used = Use::default();
                    largest = 0;
                }
            }
        }
    }

    /// Runs suspects alone, and blames those on which the rule faults; and those for which the bound
    /// leaves no run, unless one was acquitted or the next run may be faster.
    fn try_suspects(&mut self) -> Result<(), Stop> {
        let mut suspects = std::mem::take(&mut self.suspects);
        // The more records a part had, the likelier it was too much for a limit.
        suspects.sort_by_key(|suspect| Reverse(suspect.among));
        let to_blame = (self.poison.len() + suspects.len()) as u32;
        let bound = to_blame.saturating_mul(runs_to_isolate(self.batch.len()));
        let mut acquitted = false;
        for Suspect { index, fault, .. } in suspects {
            let is_certain = !matches!(fault, Fault::Limit(LimitExceeded::Time { .. }));
            if is_certain && !acquitted && self.extra_runs >= bound {
                self.poison.insert(index, fault);
                continue;
            }
            match self.run(index..index + 1)? {
                Ok(_) => acquitted = true,
                Err(fault) => {
                    self.poison.insert(index, fault);
                }
            }
        }
        Ok(())
    }

    /// Checks, where no record at all has gone well, that the rule is not at fault whatever the
    /// record: with three records or more it is, and with fewer if it faults without any.
    fn check_rule(&mut self) -> Result<(), Stop> {
        let Some((_, fault)) = self.poison.first_key_value().filter(|_| !self.has_gone_well) else {
            return Ok(());
        };
        if self.poison.len() >= MAX_POISON_AT_FIRST {
            return Err(Stop::FailsOnEverything(fault.clone()));
        }
        self.try_run(0..0)?.map(drop).map_err(Stop::FailsOnEverything)
    }

    /// Checks, where the first records were all poison and the rule has faulted on the rest too,
    /// that it does not fault on the last record alone.
    fn check_rule_on_last(&mut self, rest: &Range<usize>) -> Result<(), Stop> {
        if self.has_gone_well || self.poison.len() < MAX_POISON_AT_FIRST {
            return Ok(());
        }
        let last = self.batch.len() - 1;
        if *rest == (last..last + 1) {
            return Ok(());
        }
        // Its verdict comes with the part that it belongs to.
        self.try_run(last..last + 1)?.map_err(Stop::FailsOnEverything)?;
        self.has_gone_well = true;
        Ok(())
    }

    /// Runs the rule on some of the records, at least one, and keeps their outcome if it goes well.
    fn run(&mut self, records: Range<usize>) -> Result<Result<Use, Fault>, Stop> {
        let start = records.start;
        let (outcome, used) = match self.try_run(records)? {
            Ok(classified) => classified,
            Err(fault) => return Ok(Err(fault)),
        };
        self.has_gone_well = true;
        self.output_bytes = self.output_bytes.saturating_add(used.output_bytes);
        let maximum = self.filter.limits().output_bytes.saturating_mul(MAX_OUTPUT);
        let maximum = maximum.min(Batch::MAX_BYTES);
        if self.output_bytes > maximum {
            return Err(Stop::TooMuchOutput { maximum });
        }
        self.good.push((start, outcome));
        Ok(Ok(used))
    }

    /// Runs the rule on some of the records.
    fn try_run(&mut self, records: Range<usize>) -> Result<Result<(Outcome, Use), Fault>, Stop> {
        if self.extra_runs == MAX_EXTRA_RUNS {
            return Err(Stop::TooManyRuns);
        }
        let run = self.filter.run_timed(&self.batch.part(records), self.deadline);
        if run.as_ref().err().is_none_or(|interrupted| interrupted.stage.has_run()) {
            self.extra_runs += 1;
            self.faulted_runs += u32::from(run.is_err());
        }
        match run {
            Ok((outcome, used)) => {
                self.memory_bytes = self.memory_bytes.max(used.memory_at_end());
                Ok(Ok((outcome, used)))
            }
            Err(Interrupted { fault, stage: Stage::Classifying }) => Ok(Err(fault)),
            Err(Interrupted { fault, stage: Stage::Opening | Stage::NoRoom }) => {
                Err(Stop::Opening(fault))
            }
            Err(Interrupted { stage: Stage::Late | Stage::CutShort, .. }) => Err(Stop::Deadline),
        }
    }

    /// The outcome, as far as the search has come.
    fn outcome(self, stop: Option<&Stop>) -> Outcome {
        let records = self.batch.len();
        let blames = stop.is_none_or(|stop| self.has_gone_well && !stop.accuses_the_rule());
        let poison = if blames { self.poison } else { BTreeMap::new() };
        let failure = |(index, fault): (usize, Fault)| Failure {
            index,
            reason: fault.to_string(),
            cause: Cause::Poison,
        };
        let unclassified = stop.map(Stop::to_string).unwrap_or_default();
        let failures = poison.into_iter().map(failure).collect();
        Outcome::of_parts(records, self.good, failures, &unclassified)
    }
}

/// How many runs it takes at most to find one record among so many, and to run what is behind it.
fn runs_to_isolate(records: usize) -> u32 {
    records.next_power_of_two().ilog2() + 1
}

impl Use {
    /// The linear memory that the instance had at the end, in bytes.
    fn memory_at_end(&self) -> usize {
        self.memory_before + self.memory_bytes
    }

    /// Whether it makes up half of the limit that was exceeded, or more: so much that a record that
    /// came on top need not be at fault.
    fn explains(&self, fault: &Fault) -> bool {
        match fault {
            Fault::Limit(LimitExceeded::Time { maximum }) => self.time >= *maximum / 2,
            Fault::Limit(LimitExceeded::Memory { maximum, .. }) => {
                self.memory_bytes >= maximum.saturating_sub(self.memory_before) / 2
            }
            Fault::Limit(LimitExceeded::Output { maximum }) => self.output_bytes >= maximum / 2,
            _ => false,
        }
    }
}

impl AddAssign for Use {
    fn add_assign(&mut self, other: Self) {
        self.time += other.time;
        self.memory_bytes += other.memory_bytes;
        self.memory_before = self.memory_before.max(other.memory_before);
        self.output_bytes += other.output_bytes;
    }
}

#[cfg(all(test, feature = "default-rule"))]
mod tests {
    use std::iter;
    use std::time::Duration;

    use super::*;
    use crate::batch::Encoding;
    use crate::{DEFAULT_RULE, Engine, Limits, Rule};

    #[test]
    fn that_there_is_no_room_is_not_the_rules_fault() {
        let limits = Limits { time: Duration::from_millis(100), ..Limits::default() };
        let engine = Engine::new(limits).expect("an engine");
        let rule = Rule::load(&engine, DEFAULT_RULE).expect("a rule");
        let filter = rule.open(r#"{"upper":1.5}"#).expect("an opened rule");
        let now = Some(Instant::now());
        let _others: Vec<_> = iter::from_fn(|| engine.slot(now).ok()).collect();
        let mut batch = Batch::with_capacity(Encoding::Plain, 1, 32);
        batch.push(br#"{"ANOMALY_SCORE":1.6}"#);
        let isolated = filter.classify_isolating(&batch, None);
        assert!(
            matches!(&isolated.stop, Some(Stop::Opening(why)) if why.to_string().contains("kept"))
        );
        assert_eq!((isolated.fault, isolated.faulted_runs), (None, 0));
        assert_eq!(isolated.outcome.failed[0].cause, Cause::Unclassified);
    }
}
