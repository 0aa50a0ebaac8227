//! A rule that fails on some records costs those records only.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use weir::{Batch, Cause, Encoding, Filter, Isolated, Limits, Verdict};

use crate::guest::{Guest, batch};

/// Lets every record pass, and does as told at those whose payload has an `!`.
fn rule(at_poison: &str) -> Guest {
    Guest {
        fields: "(data (i32.const 4096) \"\\00\")".to_owned(),
        classify: format!(
            "(local $at i32)
            (local.set $at (local.get 1))
            ;; Room for as many verdicts, all of them `pass`.
            (global.set $heap (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
            (i32.store (i32.const 2048) (global.get $heap))
            (i32.store (i32.const 2052) (local.get 4))
            (global.set $heap (i32.add (global.get $heap) (local.get 4)))
            (block $done (loop $next
                (br_if $done (i32.ge_u (local.get $at)
                                       (i32.add (local.get 1) (local.get 2))))
                (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 33)) (then {at_poison}))
                (local.set $at (i32.add (local.get $at) (i32.const 1)))
                (br $next)))"
        ),
        ..Guest::default()
    }
}

const TRAPS: &str = "(unreachable)";
const LOOPS: &str = "(loop $forever (br $forever))";
const TAKES_MEMORY: &str = "(drop (memory.grow (i32.const 60000)))";
const BREAKS_THE_CONTRACT: &str = "(i32.store (i32.const 2052) (i32.const 0))";

fn limits() -> Limits {
    Limits { time: Duration::from_millis(50), ..Limits::default() }
}

/// One record a character.
fn records(payloads: &str) -> Batch {
    let mut batch = Batch::with_capacity(Encoding::Plain, payloads.len(), payloads.len());
    payloads.as_bytes().iter().for_each(|byte| batch.push(&[*byte]));
    batch
}

fn with_poison(records: usize, poison: &[usize]) -> String {
    (0..records).map(|index| if poison.contains(&index) { '!' } else { '.' }).collect()
}

/// The records that failed for a cause.
fn failed(isolated: &Isolated, cause: Cause) -> Vec<usize> {
    let failures = isolated.outcome.failed.iter().filter(|failure| failure.cause == cause);
    failures.map(|failure| failure.index).collect()
}

/// Checks that these records were blamed and no other, within the bound on runs.
fn check(filter: &Filter, count: usize, poison: &[usize]) {
    let isolated = filter.classify_isolating(&records(&with_poison(count, poison)), None);
    assert_eq!(failed(&isolated, Cause::Poison), poison, "of {count}");
    assert_eq!(isolated.outcome.failed.len(), poison.len(), "of {count}");
    for (index, verdict) in isolated.outcome.verdicts.iter().enumerate() {
        let expected = if poison.contains(&index) { Verdict::Fail } else { Verdict::Pass };
        assert_eq!(*verdict, expected, "record {index} of {count}");
    }
    let bound = poison.len() as u32 * (count.next_power_of_two().ilog2() + 1);
    assert!(isolated.extra_runs <= bound, "{} runs, of {bound} at the most", isolated.extra_runs);
}

#[test]
fn a_record_that_makes_the_rule_fail_costs_itself_only() {
    for at_poison in [TRAPS, BREAKS_THE_CONTRACT, TAKES_MEMORY, LOOPS] {
        let filter = rule(at_poison).open(limits());
        for count in [2, 3, 100] {
            for poison in [0, count / 2, count - 1] {
                check(&filter, count, &[poison]);
            }
        }
        check(&filter, 50, &[7, 8, 49]);
    }
}

#[test]
fn every_place_in_batches_of_any_size() {
    let filter = rule(TRAPS).open(limits());
    for count in 2..40 {
        (0..count).for_each(|poison| check(&filter, count, &[poison]));
    }
    for poison in [0, 1, 499, 500, 501, 998, 999] {
        check(&filter, 1000, &[poison]);
    }
}

#[test]
fn a_batch_of_one_is_blamed_if_the_rule_can_be_run_at_all() {
    let filter = rule(TRAPS).open(limits());
    let isolated = filter.classify_isolating(&records("!"), None);
    assert_eq!(failed(&isolated, Cause::Poison), [0]);

    let never = Guest { classify: TRAPS.to_owned(), ..Guest::default() }.open(limits());
    let isolated = never.classify_isolating(&records("."), None);
    assert_eq!(failed(&isolated, Cause::Unclassified), [0]);
}

#[test]
fn a_rule_that_fails_on_everything_is_stopped_and_blamed() {
    let filter = rule(TRAPS).open(limits());
    let isolated = filter.classify_isolating(&records(&"!".repeat(500)), None);
    assert_eq!(failed(&isolated, Cause::Unclassified).len(), 500);
    assert!(isolated.extra_runs <= 30, "{} runs", isolated.extra_runs);

    let many: String = "!.".repeat(500);
    let isolated = filter.classify_isolating(&records(&many), None);
    assert!(failed(&isolated, Cause::Poison).is_empty(), "so many cannot all be to blame");
    assert!(isolated.extra_runs <= 257);
    let passed = isolated.outcome.verdicts.iter().filter(|v| **v == Verdict::Pass).count();
    assert_eq!(passed + isolated.outcome.failed.len(), 1000);
}

/// Takes as much memory for every record as 2000 of them may not have together.
#[test]
fn a_batch_that_is_only_too_large_has_nobody_to_blame() {
    let a_page_a_record = Guest {
        classify: rule(TRAPS)
            .classify
            .replace("(if (i32.eq", "(drop (memory.grow (i32.const 1))) (if (i32.eq"),
        ..rule(TRAPS)
    };
    let filter = a_page_a_record.open(limits());
    let isolated = filter.classify_isolating(&records(&".".repeat(2000)), None);
    assert!(isolated.fault.is_some(), "all of them at once are too much");
    assert_eq!(isolated.outcome.failed, []);
    assert_eq!(isolated.outcome.verdicts, [Verdict::Pass; 2000]);
}

#[test]
fn when_there_is_no_time_left_the_rest_is_unclassified() {
    let filter = rule(LOOPS).open(Limits { time: Duration::from_secs(60), ..Limits::default() });
    let past = Some(Instant::now());
    let isolated = filter.classify_isolating(&records("..."), past);
    assert_eq!(failed(&isolated, Cause::Unclassified), [0, 1, 2]);

    // The rule's own limit lies far beyond the deadline: nothing is known about the record.
    let soon = Some(Instant::now() + Duration::from_millis(30));
    let isolated = filter.classify_isolating(&records("..!"), soon);
    assert_eq!(failed(&isolated, Cause::Unclassified), [0, 1, 2]);
}

#[test]
fn a_rule_that_keeps_state_is_not_run_again() {
    let filter = Guest { keeps_state: true, ..rule(TRAPS) }.open(limits());
    let isolated = filter.classify_isolating(&records("..!"), None);
    assert_eq!(failed(&isolated, Cause::Unclassified), [0, 1, 2]);
    assert_eq!(isolated.extra_runs, 0);
}

#[test]
fn what_goes_well_takes_one_run() {
    let isolated = Guest::default().open(limits()).classify_isolating(&batch(1), None);
    assert_eq!((isolated.extra_runs, isolated.faulted_runs), (0, 0));
    assert!(isolated.fault.is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
    #[test]
    fn those_at_fault_are_blamed_and_no_other(
        count in 20usize..300,
        poison in proptest::collection::btree_set(1usize..300, 1..6),
    ) {
        let poison: Vec<usize> = poison.into_iter().filter(|index| *index < count).collect();
        check(&rule(TRAPS).open(limits()), count, &poison);
    }
}
