use std::ops::Range;
use std::time::{Duration, Instant};

use crate::batch::Batch;
use crate::fault::Fault;
use crate::filter::Filter;
use crate::limits::LimitExceeded;
use crate::outcome::{Cause, Failure, Outcome};

/// How many runs a batch may take beyond the first, whatever is in it.
const MAX_RUNS: u32 = 256;

/// How many records in a row may make the rule fail, with none that did not, before it is the rule
/// that is to blame.
const MAX_BLAMED_ALONE: usize = 3;

/// What a batch came to, with the records that make the rule fail set apart.
#[derive(Clone, Debug)]
pub struct Isolated {
    /// A verdict for every record. [`Failure::cause`] tells whose fault a failure is.
    pub outcome: Outcome,
    /// How many runs it took to find the records at fault, and to make sure of them.
    pub extra_runs: u32,
    /// How many instances were given up, for a fault or when the time was up.
    pub faulted_runs: u32,
    /// What the rule did wrong, the last time.
    pub fault: Option<Fault>,
}

impl Filter {
    /// Classifies a batch, so that a rule that fails on some records costs those records only.
    ///
    /// A batch that makes the rule fail is run in parts, each in a fresh instance. A binary search
    /// finds the first record at fault: at most ⌈log₂ n⌉ runs for a batch of n, and one more to make
    /// sure that the record is at fault *alone*, since what adds up over a batch is no record's
    /// fault. What comes after it is then run as one batch, and so on. Parts that go well keep their
    /// outcomes.
    ///
    /// A rule that fails on everything is stopped after a few records, and one that fails on many
    /// after 256 runs: then the rule is to blame, and no record.
    ///
    /// A rule that keeps state is not run again: it would remember a record twice.
    ///
    /// Past the `deadline` nothing is run; what is left is [unclassified](Cause::Unclassified).
    pub fn classify_isolating(&self, batch: &Batch, deadline: Option<Instant>) -> Isolated {
        let mut search = Search {
            filter: self,
            batch,
            deadline,
            good: Vec::new(),
            blamed: Vec::new(),
            runs: 0,
            extra_runs: 0,
            faulted_runs: 0,
            fault: None,
        };
        let stopped = search.all().err();
        search.finish(stopped)
    }
}

/// The search for the records at fault.
struct Search<'a> {
    filter: &'a Filter,
    batch: &'a Batch,
    deadline: Option<Instant>,
    /// The outcomes of the parts that went well, with where they begin.
    good: Vec<(usize, Outcome)>,
    /// The records at fault.
    blamed: Vec<(usize, Fault)>,
    runs: u32,
    extra_runs: u32,
    faulted_runs: u32,
    fault: Option<Fault>,
}

/// Why a search ends before every record has its verdict.
enum Stop {
    /// The rule is at fault, not its records.
    Rule(Fault),
    /// There is no time left.
    Deadline,
}

impl Search<'_> {
    fn all(&mut self) -> Result<(), Stop> {
        let end = self.batch.len();
        let mut start = 0;
        loop {
            let Err(fault) = self.run(start..end)? else { return Ok(()) };
            if self.filter.description().keeps_state {
                return Err(Stop::Rule(fault));
            }
            start = self.first_at_fault(start..end, fault)? + 1;
            if start == end {
                return self.make_sure_of_the_rule();
            }
        }
    }

    /// Finds the first record at fault in a range that made the rule fail, and blames it.
    fn first_at_fault(&mut self, range: Range<usize>, fault: Fault) -> Result<usize, Stop> {
        let Range { mut start, mut end } = range;
        let (mut fault, mut alone) = (fault, end - start == 1);
        while end - start > 1 {
            let middle = start + (end - start) / 2;
            self.extra_runs += 1;
            match self.run(start..middle)? {
                Ok(()) => start = middle,
                Err(found) => (fault, end, alone) = (found, middle, middle - start == 1),
            }
        }
        if !alone {
            self.extra_runs += 1;
            match self.run(start..end)? {
                Ok(()) => return Ok(start),
                Err(found) => fault = found,
            }
        }
        self.blamed.push((start, fault.clone()));
        if self.blamed.len() >= MAX_BLAMED_ALONE && self.good.is_empty() {
            return Err(Stop::Rule(fault));
        }
        Ok(start)
    }

    /// If nothing went well, an empty batch tells whether the rule can be run at all.
    fn make_sure_of_the_rule(&mut self) -> Result<(), Stop> {
        if !self.good.is_empty() {
            return Ok(());
        }
        self.extra_runs += 1;
        let went_well = self.run(0..0)?;
        self.good.clear();
        went_well.map_err(Stop::Rule)
    }

    /// Runs a part of the batch in a fresh instance, and keeps its outcome if it went well.
    fn run(&mut self, range: Range<usize>) -> Result<Result<(), Fault>, Stop> {
        let limit = self.filter.limits().time;
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let time = left.map_or(limit, |left| left.min(limit));
        if time.is_zero() {
            return Err(Stop::Deadline);
        }
        if self.runs > MAX_RUNS {
            let fault = self.fault.clone();
            return Err(Stop::Rule(fault.unwrap_or(Fault::Call("too many runs".to_owned()))));
        }
        self.runs += 1;
        let start = range.start;
        let outcome = match range.len() == self.batch.len() {
            true => self.filter.classify_within(self.batch, time),
            false => self.filter.classify_within(&self.batch.part(range), time),
        };
        match outcome {
            Ok(outcome) => {
                self.good.push((start, outcome));
                Ok(Ok(()))
            }
            Err(fault) => {
                self.faulted_runs += 1;
                self.fault = Some(fault.clone());
                match cut_short(&fault, time, limit) {
                    true => Err(Stop::Deadline),
                    false => Ok(Err(fault)),
                }
            }
        }
    }

    fn finish(mut self, stopped: Option<Stop>) -> Isolated {
        let reason = match &stopped {
            Some(Stop::Rule(fault)) => fault.to_string(),
            _ => "there was no time left to classify it".to_owned(),
        };
        let mut failed: Vec<Failure> = Vec::new();
        if !matches!(stopped, Some(Stop::Rule(_))) {
            failed.extend(self.blamed.drain(..).map(|(index, fault)| Failure {
                index,
                reason: fault.to_string(),
                cause: Cause::Poison,
            }));
        }
        let outcome = Outcome::of_parts(self.batch.len(), self.good, failed, &reason);
        let (extra_runs, faulted_runs, fault) = (self.extra_runs, self.faulted_runs, self.fault);
        Isolated { outcome, extra_runs, faulted_runs, fault }
    }
}

/// Whether a run ended because there was less time than the rule's own limit.
fn cut_short(fault: &Fault, time: Duration, limit: Duration) -> bool {
    time < limit && matches!(fault, Fault::Limit(LimitExceeded::Time { .. }))
}
