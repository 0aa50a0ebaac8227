//! `weir replay`: proves recorded verdicts again.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Args;
use indicatif::HumanCount;

use super::exit::{Failure, INCOMPLETE};
use super::limits::LimitArgs;
use super::output::print;
use super::said::Said;
use super::screen::{Screen, printable};
use super::setup::{default_rule, engine, load_rule};
use super::traffic::{Recorded, RecordedRuling, Records, Traffic};
use crate::filter::Filter;
use crate::outcome::Cause;
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

Not to be proved are records that were redacted and are judged otherwise now,
those that the rule was at fault on or had no time for, and, if the rule keeps
state, all behind the first that is missing.

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
    /// embedded threshold rule]
    #[arg(long, value_name = "SOURCE")]
    rule: Vec<RuleSource>,

    /// Replay with this rule, though it is not the one that was recorded
    #[arg(long)]
    other_rule: bool,

    /// How many records to show that are judged otherwise
    #[arg(long, value_name = "N", default_value_t = 10)]
    examples: usize,

    #[command(flatten)]
    limits: LimitArgs,
}

pub(super) fn main(args: ReplayArgs) -> Result<ExitCode, Failure> {
    let engine = engine(args.limits.limits()?)?;
    let sources = if args.rule.is_empty() { vec![default_rule()?] } else { args.rule };
    let rules: Result<Vec<Rule>, _> =
        sources.into_iter().map(|source| load_rule(&engine, source)).collect();
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
    filter: Filter,
    /// The number of the record that is to come next, if the rule keeps state.
    next: u64,
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
        let (filter, next) = self.serving(&recorded.header)?;
        let all = recorded.records.len();
        let known = if recorded.header.keeps_state { in_order(next, recorded) } else { all };
        let mut counts = Counts { unprovable: (all - known) as u64, ..Counts::default() };
        let outcome = filter.classify_isolating(&records.batch.part(0..known), None).outcome;
        for (index, was) in recorded.records.iter().enumerate().take(known) {
            let Some(now) = outcome.ruling(index) else { continue };
            let is_of_moment = |cause| cause == Some(Cause::Unclassified);
            if now.is_identical(&was.ruling) {
                counts.proved += 1;
            } else if was.redacted || is_of_moment(was.ruling.cause) || is_of_moment(now.cause) {
                counts.unprovable += 1;
            } else {
                let id = printable(&records.ids[index]);
                let said = |ruling: Ruling| Said::new(ruling.clone(), ruling.score);
                differs(format!("{id}: was {}; is {}", said(was.ruling.clone()), said(now)));
            }
        }
        Ok(counts)
    }

    /// The rule that a header is of, opened, and the number of the record that is to come next.
    fn serving(&mut self, header: &Arc<Header>) -> anyhow::Result<(&Filter, &mut u64)> {
        let serving = match self.serving.take().filter(|serving| serving.header == *header) {
            Some(serving) => serving,
            None => {
                let filter = self.rule(header)?.open(&header.settings);
                let filter = filter.context("with the recorded settings")?;
                Serving { header: Arc::clone(header), filter, next: 0 }
            }
        };
        let Serving { filter, next, .. } = self.serving.insert(serving);
        Ok((filter, next))
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

/// How many of the records come to a rule that keeps state as they came to it then. `next` is the
/// number of the record that is to come next.
fn in_order(next: &mut u64, recorded: &Recorded) -> usize {
    let comes_as_it_came = |record: &&RecordedRuling| {
        let is_same = record.number == *next
            && !record.redacted
            && record.ruling.cause != Some(Cause::Unclassified);
        // After a gap, the state is another for good.
        *next = if is_same { *next + 1 } else { u64::MAX };
        is_same
    };
    recorded.records.iter().take_while(comes_as_it_came).count()
}
