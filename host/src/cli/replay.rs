//! `weir replay`: proves recorded verdicts again.

mod states;

use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Args;
use indicatif::HumanCount;

use self::states::States;
use super::exit::{Failure, INCOMPLETE};
use super::limits::{BoundArgs, bounds};
use super::output::print;
use super::said::Said;
use super::screen::Screen;
use super::setup::{configured_engine, load_rule};
use super::traffic::{Recorded, RecordedRuling, Records, Traffic};
use crate::batch::Batch;
use crate::filter::Filter;
use crate::outcome::{Cause, Outcome, Verdict};
use crate::recording::Header;
use crate::rule::Rule;
use crate::ruling::Ruling;
use crate::source::RuleSource;

/// Not all could be proved or refuted.
const TROUBLE: u8 = 2;

#[derive(Debug, Args)]
#[command(after_help = "\
Gives the recorded payloads to the recorded rule, opened with the recorded
settings, and compares: verdict, score to the last bit, bound and reason. A rule
is known by its digest; where several served, name each with --rule.

Not to be proved are records that were redacted and are judged otherwise now;
those that are unclassified, then or now, as the rule was at fault on whatever
came or had no time, even if they are so again; and, if the rule keeps state,
those of a partition of the stream whose state was not new when the recording
began, all behind the first that is missing, and those that came again. States
take 256 MiB together: what follows on one that had to make room, as it was not
used for longest, is not to be proved either.

Exit codes:
  0  all records are proved
  1  some are judged otherwise
  2  called wrongly, or some could not be proved

Examples:
  weir record --upper 1.5 --record traffic --record-sample 1 examples/vital-signs.json
  weir replay traffic")]
pub(super) struct ReplayArgs {
    /// Recordings: files, or folders of them; `-` is standard input
    #[arg(value_name = "RECORDING", default_value = "-")]
    recordings: Vec<PathBuf>,

    /// Rule that was recorded, from wherever `weir run --rule` takes one; may be repeated [default: the
    /// embedded rules]
    #[arg(long, value_name = "SOURCE")]
    rule: Vec<RuleSource>,

    /// Replay with this rule, though it is not the one that was recorded
    #[arg(long)]
    other_rule: bool,

    /// How many records to show that are judged otherwise
    #[arg(long, value_name = "N", default_value_t = 10)]
    examples: usize,

    #[command(flatten)]
    bounds: BoundArgs,
}

pub(super) fn main(args: ReplayArgs) -> Result<ExitCode, Failure> {
    let config = bounds(args.bounds)?;
    let engine = configured_engine(&config)?;
    let sources = match args.rule.is_empty() {
        true => RuleSource::embedded().collect(),
        false => args.rule,
    };
    let rules: Result<Vec<Rule>, _> =
        sources.into_iter().map(|source| load_rule(&engine, source, config.fetch)).collect();
    let rules = rules?;
    let mut replay = Replay { rules, other_rule: args.other_rule, serving: None };
    let screen = Screen::new();
    let mut counts = Counts::default();
    // What is wrong with many records alike is told once.
    let mut last_error = None;
    for records in Traffic::open(args.recordings, None).map_err(Failure::Usage)? {
        let replayed = records.and_then(|records| {
            replay.replay(&records, |difference| {
                if counts.differ < args.examples as u64 {
                    screen.line(&difference);
                }
                counts.differ += 1;
            })
        });
        match replayed {
            Ok(more) => {
                counts.proved += more.proved;
                counts.unprovable += more.unprovable;
            }
            Err(error) => {
                let error = format!("error: {error:#}");
                if last_error.as_ref() != Some(&error) {
                    screen.line(&error);
                }
                last_error = Some(error);
            }
        }
        screen.show(format!("{} proved, {} differ", HumanCount(counts.proved), counts.differ));
    }
    screen.clear();
    let Counts { proved, differ, unprovable } = counts;
    print(format_args!(
        "{proved} records proved, {differ} differ, {unprovable} cannot be proved\n"
    ))?;
    let is_whole = last_error.is_none();
    if is_whole && proved + differ + unprovable == 0 {
        return Err(Failure::Usage(anyhow!("there is no record in it")));
    }
    Ok(match (differ, is_whole && unprovable == 0) {
        (1.., _) => ExitCode::from(INCOMPLETE),
        (0, true) => ExitCode::SUCCESS,
        (0, false) => ExitCode::from(TROUBLE),
    })
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    proved: u64,
    differ: u64,
    unprovable: u64,
}

struct Replay {
    rules: Vec<Rule>,
    /// Whether the digest may be another.
    other_rule: bool,
    serving: Option<Serving>,
}

/// The rule of the last header, opened.
struct Serving {
    header: Arc<Header>,
    with: With,
}

/// What is kept of a rule from one record to the next.
enum With {
    Nothing(Filter),
    States(States),
}

impl Replay {
    /// Judges records again. `differs` is told of each that is judged otherwise.
    fn replay(
        &mut self,
        records: &Records,
        mut differs: impl FnMut(String),
    ) -> anyhow::Result<Counts> {
        let Some(recorded) = &records.recorded else {
            return Err(anyhow!("this is no recording: weir run --record makes one"));
        };
        let header = recorded.header.as_ref().with_context(|| {
            "no header is before these records, which says of which rule they are: put the first line \
             of the recording before them"
        })?;
        let serving = self.serving(header)?;
        let mut counts = Counts::default();
        for run in runs(header, recorded) {
            let part = records.batch.part(run.clone());
            let outcome = serving.classify(&recorded.records[run.start], &part);
            for (index, entry) in run.enumerate() {
                let was = &recorded.records[entry];
                let now = outcome.as_ref().and_then(|outcome| outcome.ruling(index));
                match now.filter(|now| can_be_compared(was, now)) {
                    Some(now) if now.is_identical(&was.ruling) => counts.proved += 1,
                    Some(now) if !was.redacted => {
                        let id = &records.ids[entry];
                        let said = |ruling: Ruling| Said::new(ruling.clone(), ruling.score);
                        let (was, is) = (said(was.ruling.clone()), said(now));
                        differs(format!("{id}: was {was}; is {is}"));
                    }
                    _ => counts.unprovable += 1,
                }
            }
        }
        Ok(counts)
    }

    /// The rule that a header is of, opened.
    fn serving(&mut self, header: &Arc<Header>) -> anyhow::Result<&mut Serving> {
        let serving = match self.serving.take().filter(|serving| serving.header == *header) {
            Some(serving) => serving,
            None => {
                let filter = self.rule(header)?.open(&header.settings);
                let filter = filter.context("with the recorded settings")?;
                let with = match header.keeps_state {
                    true => With::States(States::new(filter)),
                    false => With::Nothing(filter),
                };
                Serving { header: Arc::clone(header), with }
            }
        };
        Ok(self.serving.insert(serving))
    }

    fn rule(&self, header: &Header) -> anyhow::Result<&Rule> {
        let recorded = self.rules.iter().find(|rule| rule.digest() == header.digest);
        let other = self.rules.first().filter(|_| self.other_rule);
        recorded.or(other).with_context(|| {
            let Header { rule, version, digest, .. } = header;
            format!(
                "the records are of {rule} {version} ({digest}), which is not at hand: name it with \
                 --rule, or try another with --other-rule"
            )
        })
    }
}

impl Serving {
    /// Has the rule classify records that came one after the other. None if it cannot be given what it had
    /// learnt before them.
    fn classify(&mut self, first: &RecordedRuling, batch: &Batch) -> Option<Outcome> {
        match &mut self.with {
            With::Nothing(filter) => Some(filter.classify_isolating(batch, None).outcome),
            // What was redacted is not what it has learnt.
            With::States(states) => {
                states.classify(first.learnt.as_ref().filter(|_| !first.redacted)?, batch)
            }
        }
    }
}

/// The records that are to be classified together: all, or if the rule keeps state, those that came to it
/// one after the other.
fn runs(header: &Header, Recorded { records, .. }: &Recorded) -> Vec<Range<usize>> {
    let follows = |one: &RecordedRuling, next: &RecordedRuling| {
        let learnt = one.learnt.as_ref().zip(next.learnt.as_ref());
        learnt.is_some_and(|(before, learnt)| {
            let after = before.after + u64::from(one.ruling.verdict != Verdict::Fail);
            before.state == learnt.state && after == learnt.after
        }) && !one.redacted
            && !next.redacted
    };
    let mut start = 0;
    let run = |run: &[RecordedRuling]| {
        let begins = start;
        start += run.len();
        begins..start
    };
    records.chunk_by(|one, next| !header.keeps_state || follows(one, next)).map(run).collect()
}

/// Whether a ruling proves or refutes another: not if one of them is no verdict of the rule's, though they
/// are alike.
fn can_be_compared(was: &RecordedRuling, now: &Ruling) -> bool {
    let is_of_moment = |ruling: &Ruling| ruling.cause == Some(Cause::Unclassified);
    let came_again = was.learnt.as_ref().is_some_and(|learnt| learnt.again);
    !came_again && !is_of_moment(&was.ruling) && !is_of_moment(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Learnt;

    #[test]
    fn what_is_no_verdict_of_the_rules_proves_nothing() {
        let ruling = |cause| Ruling {
            verdict: Verdict::Fail,
            score: None,
            crossed: None,
            reason: Some("the rule fails on every record".to_owned()),
            cause: Some(cause),
        };
        let recorded =
            |cause, learnt| RecordedRuling { redacted: false, learnt, ruling: ruling(cause) };
        for cause in [Cause::Record, Cause::Poison] {
            assert!(can_be_compared(&recorded(cause, None), &ruling(cause)));
            assert!(!can_be_compared(&recorded(cause, None), &ruling(Cause::Unclassified)));
            assert!(!can_be_compared(&recorded(Cause::Unclassified, None), &ruling(cause)));
        }
        let unclassified = recorded(Cause::Unclassified, None);
        assert!(!can_be_compared(&unclassified, &unclassified.ruling), "alike again");
        let learnt = |again| Some(Learnt { state: "a".to_owned(), after: 1, again });
        let again = recorded(Cause::Record, learnt(true));
        assert!(!can_be_compared(&again, &again.ruling));
        let once = recorded(Cause::Record, learnt(false));
        assert!(can_be_compared(&once, &once.ruling));
    }
}
