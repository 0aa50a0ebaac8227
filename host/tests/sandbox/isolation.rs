//! A rule that fails on one record costs that record only.
//!
//! The payloads are of one byte each, which says what the rule does with the record: `.` passes, and
//! on `!` the rule fails.

use std::time::{Duration, Instant};

use proptest::collection::btree_set;
use proptest::prelude::*;
use weir::{Batch, Cause, Encoding, Engine, Fault, Filter, Isolated, Limits, Rule, Stop, Verdict};

use crate::guest::{Answer, Guest, LISTS, OUTCOME};

const PAGE: usize = 65536;

/// A rule that answers with one verdict a record, `pass` unless something else is done to it. For
/// each record, `each` has its number in `$i` and its payload in `$byte`.
fn rule(each: &str) -> Guest {
    let classify = format!(
        "(local $i i32) (local $byte i32)
        (i32.store (i32.const {verdicts}) (local.get 4))
        (block $done (loop $next
            (br_if $done (i32.ge_u (local.get $i) (local.get 2)))
            (local.set $byte (i32.load8_u (i32.add (local.get 1) (local.get $i))))
            {each}
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br $next)))",
        verdicts = OUTCOME + 4,
    );
    Guest { classify, answer: Answer::default(), ..Guest::default() }
}

/// WAT that does something on records of this payload.
fn on(payload: char, action: &str) -> String {
    let byte = u32::from(payload);
    format!("(if (i32.eq (local.get $byte) (i32.const {byte})) (then {action}))")
}

/// A rule that fails on each `!`.
fn failing(action: &str) -> Guest {
    rule(&on('!', action))
}

fn trapping() -> Filter {
    failing("(unreachable)").open(Limits::default())
}

/// A batch with one record for each byte.
fn batch(payloads: &[u8]) -> Batch {
    let mut batch = Batch::with_capacity(Encoding::Plain, payloads.len(), payloads.len());
    payloads.chunks(1).for_each(|payload| batch.push(payload));
    batch
}

/// So many records, with `!` at some places.
fn with_poison(records: usize, poison: &[usize]) -> Vec<u8> {
    let mut payloads = vec![b'.'; records];
    poison.iter().for_each(|&index| payloads[index] = b'!');
    payloads
}

/// The records that fail for this cause.
fn failed(isolated: &Isolated, cause: Cause) -> Vec<usize> {
    let failed = isolated.outcome.failed.iter().filter(|failure| failure.cause == cause);
    failed.map(|failure| failure.index).collect()
}

/// The most runs that so many poison records may cost beyond the first.
fn bound(records: usize, poison: usize) -> u32 {
    poison as u32 * ((records as f64).log2().ceil() as u32 + 1)
}

/// Has a rule classify records of which some are poison: these are found within the bound, and all
/// others have their verdict.
fn isolates(filter: &Filter, records: usize, poison: &[usize]) -> Isolated {
    let isolated = finds(filter, records, poison);
    let (extra, bound) = (isolated.extra_runs, bound(records, poison.len()));
    assert!(extra <= bound, "{extra} extra runs of {bound}: {records} records, poison: {poison:?}");
    isolated
}

/// The same, however many runs it takes.
fn finds(filter: &Filter, records: usize, poison: &[usize]) -> Isolated {
    let context = format!("{records} records, poison: {poison:?}");
    let isolated = filter.classify_isolating(&batch(&with_poison(records, poison)), None);
    assert_eq!(isolated.stop, None, "{context}");
    assert_eq!(failed(&isolated, Cause::Poison), poison, "{context}");
    assert_eq!(isolated.outcome.failed.len(), poison.len(), "{context}");
    let expected = |index| if poison.contains(&index) { Verdict::Fail } else { Verdict::Pass };
    assert!(isolated.outcome.verdicts.iter().copied().eq((0..records).map(expected)), "{context}");
    assert_eq!(isolated.fault.is_some(), !poison.is_empty(), "{context}");
    isolated
}

/// Has a rule classify records of which it can classify all, if not at once.
fn acquits(filter: &Filter, payloads: &[u8]) -> Isolated {
    let isolated = filter.classify_isolating(&batch(payloads), None);
    assert!(isolated.fault.is_some(), "it is too much at once");
    assert_eq!(isolated.stop, None);
    assert_eq!(isolated.outcome.failed, []);
    assert_eq!(isolated.outcome.verdicts, vec![Verdict::Pass; payloads.len()]);
    isolated
}

/// Has a rule classify records that it cannot: each fails, and it is no record's fault.
fn gives_up(filter: &Filter, payloads: &[u8]) -> Isolated {
    let isolated = filter.classify_isolating(&batch(payloads), None);
    let stop = isolated.stop.as_ref().expect("it gave up");
    assert_eq!(failed(&isolated, Cause::Unclassified), Vec::from_iter(0..payloads.len()));
    assert_eq!(isolated.outcome.verdicts, vec![Verdict::Fail; payloads.len()]);
    assert_eq!(isolated.outcome.failed[0].reason, stop.to_string());
    isolated
}

#[test]
fn a_batch_that_goes_well_runs_once() {
    let isolated = isolates(&trapping(), 1000, &[]);
    assert_eq!((isolated.extra_runs, isolated.faulted_runs), (0, 0));
}

#[test]
fn one_poison_record_wherever_it_stands() {
    let filter = trapping();
    for records in [1, 2, 3, 4, 5, 7, 8, 9, 100, 255, 256, 257, 1000] {
        let last: usize = records - 1;
        for poison in [0, 1, last / 2, records / 2, last.saturating_sub(1), last] {
            isolates(&filter, records, &[poison.min(last)]);
        }
    }
}

#[test]
fn many_poison_records() {
    let filter = trapping();
    isolates(&filter, 1000, &[0, 999]);
    isolates(&filter, 1000, &[499, 500]);
    isolates(&filter, 1000, &[0, 1, 2]);
    isolates(&filter, 1000, &[0, 1, 2, 3, 4, 500]);
    isolates(&filter, 1000, &[995, 996, 997, 998, 999]);
    isolates(&filter, 1024, &(0..20).map(|index| 50 * index + 1).collect::<Vec<_>>());
}

/// Every batch of a few records. Only where all of them are poison, or the first three and the last,
/// it is the rule that is blamed.
#[test]
fn every_small_batch() {
    let filter = trapping();
    for records in 1..=9 {
        for set in 0u32..1 << records {
            let poison: Vec<usize> = (0..records).filter(|index| set >> index & 1 == 1).collect();
            let fails = |index: usize| poison.contains(&index);
            if records >= 3 && [0, 1, 2, records - 1].into_iter().all(fails) {
                gives_up(&filter, &with_poison(records, &poison));
            } else {
                isolates(&filter, records, &poison);
            }
        }
    }
}

#[test]
fn any_poison_records() {
    let filter = trapping();
    let batches = (1..600usize).prop_flat_map(|records| {
        (Just(records), btree_set(0..records, 0..=records.min(20))).prop_filter(
            "the rule fails on everything",
            |(records, poison)| {
                *records < 3 || ![0, 1, 2, *records - 1].iter().all(|index| poison.contains(index))
            },
        )
    });
    let config = ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() };
    proptest!(config, |((records, poison) in batches)| {
        isolates(&filter, records, &Vec::from_iter(poison));
    });
}

#[test]
fn the_reason_is_what_the_rule_did_wrong() {
    let isolated = isolates(&trapping(), 10, &[3]);
    let fault = Fault::Trap(wasmtime::Trap::UnreachableCodeReached.to_string());
    assert_eq!(isolated.outcome.failed[0].reason, fault.to_string());
    assert_eq!(isolated.fault, Some(fault));
}

#[test]
fn a_rule_that_breaks_its_contract() {
    let verdicts = OUTCOME + 4;
    let filter = failing(&format!("(i32.store (i32.const {verdicts}) (i32.const 2000))"))
        .open(Limits::default());
    for poison in [[0, 1], [0, 99], [49, 50]] {
        let isolated = isolates(&filter, 100, &poison);
        assert!(isolated.outcome.failed[0].reason.contains("2000 verdicts"), "{isolated:?}");
    }
}

#[test]
fn a_rule_that_loops() {
    let limits = Limits { time: Duration::from_millis(200), ..Limits::default() };
    let filter = failing("(loop $forever (br $forever))").open(limits);
    for poison in [0, 7, 15] {
        let isolated = finds(&filter, 16, &[poison]);
        assert!(isolated.outcome.failed[0].reason.contains("time limit"), "{isolated:?}");
        assert!(isolated.extra_runs <= bound(16, 1) + 1, "{isolated:?}");
    }
}

/// On a busy machine, time runs out on any record.
#[test]
fn that_the_time_ran_out_is_never_inferred() {
    // What is left of the first half when its other record has gone well, and then the second half.
    let (records, poison) = (4, [1]);
    assert_eq!(isolates(&trapping(), records, &poison).extra_runs, bound(records, 1));
    let limits = Limits { time: Duration::from_millis(200), ..Limits::default() };
    let looping = failing("(loop $forever (br $forever))").open(limits);
    assert_eq!(finds(&looping, records, &poison).extra_runs, bound(records, 1) + 1);
}

#[test]
fn a_rule_that_exhausts_memory() {
    let limits = Limits { memory_bytes: 8 * PAGE, ..Limits::default() };
    let filter = failing("(drop (memory.grow (i32.const 7)))").open(limits);
    for poison in [[0, 999], [499, 500], [1, 998]] {
        let isolated = isolates(&filter, 1000, &poison);
        assert!(isolated.outcome.failed[0].reason.contains("memory limit"), "{isolated:?}");
    }
}

#[test]
fn a_rule_that_answers_too_much() {
    let verdicts = OUTCOME + 4;
    let limits = Limits { output_bytes: 4096, ..Limits::default() };
    let filter = failing(&format!("(i32.store (i32.const {verdicts}) (i32.const 5000))"));
    for poison in [[0, 999], [499, 500], [1, 998]] {
        let isolated = isolates(&filter.open(limits), 1000, &poison);
        assert!(isolated.outcome.failed[0].reason.contains("output limit"), "{isolated:?}");
    }
}

#[test]
fn a_rule_that_nests_too_deep() {
    let fields = "(func $nest (call $nest))".to_owned();
    let filter = Guest { fields, ..failing("(call $nest)") }.open(Limits::default());
    let isolated = isolates(&filter, 100, &[42]);
    assert!(isolated.outcome.failed[0].reason.contains("stack limit"), "{isolated:?}");
}

#[test]
fn what_the_parts_answered_is_put_together() {
    // `f` fails, `d` is dropped, `a` is flagged; where there is a `w`, all payloads are rewritten,
    // each to what it was.
    let (flagged, failed) = (LISTS + 1000, LISTS + 10_000);
    let verdict =
        |kind: u32| format!("(i32.store8 offset={LISTS} (local.get $i) (i32.const {kind}))");
    // Makes a list one entry longer, and leaves the new entry's address in `$entry`.
    let entry = |length: u32, list: u32, size: u32| {
        format!(
            "(local.set $entry (i32.add (i32.const {list}) (i32.mul (i32.const {size})
                (i32.load (i32.const {length})))))
            (i32.store (i32.const {length}) (i32.add (i32.const 1) (i32.load (i32.const {length}))))
            (i32.store (local.get $entry) (local.get $i))"
        )
    };
    let each = [
        on('!', "(unreachable)"),
        on('d', &verdict(2)),
        on('f', &format!("{}{}", verdict(3), entry(OUTCOME + 20, failed, 12))),
        on(
            'a',
            &format!(
                "{}{}(i32.store offset=8 (local.get $entry) (i32.const 1))
                (f64.store offset=16 (local.get $entry) (f64.const 2.5))",
                verdict(1),
                entry(OUTCOME + 12, flagged, 48)
            ),
        ),
        on(
            'w',
            &format!(
                "(i32.store (i32.const {}) (i32.const 1))
                (i32.store (i32.const {}) (local.get 1)) (i32.store (i32.const {}) (local.get 2))
                (i32.store (i32.const {}) (local.get 3)) (i32.store (i32.const {}) (local.get 4))",
                OUTCOME + 24,
                OUTCOME + 28,
                OUTCOME + 32,
                OUTCOME + 36,
                OUTCOME + 40
            ),
        ),
    ];
    let mut guest = Guest { rewrites: true, ..rule(&each.concat()) };
    let lists = format!(
        "(local $entry i32)
        (i32.store (i32.const {}) (i32.const {flagged}))
        (i32.store (i32.const {}) (i32.const {failed}))",
        OUTCOME + 8,
        OUTCOME + 16
    );
    guest.classify =
        guest.classify.replacen("(local $byte i32)", &format!("(local $byte i32) {lists}"), 1);
    let filter = guest.open(Limits::default());

    let payloads = b".a.df!.fa.w.ad!a";
    let isolated = filter.classify_isolating(&batch(payloads), None);
    let outcome = &isolated.outcome;
    let verdict = |payload: &u8| match payload {
        b'a' => Verdict::Flag,
        b'd' => Verdict::Drop,
        b'f' | b'!' => Verdict::Fail,
        _ => Verdict::Pass,
    };
    assert_eq!(isolated.stop, None);
    assert_eq!(outcome.verdicts, payloads.iter().map(verdict).collect::<Vec<_>>());
    let flags: Vec<_> = outcome.flagged.iter().map(|flag| (flag.index, flag.score)).collect();
    assert_eq!(flags, [1, 8, 12, 15].map(|index| (index, Some(2.5))));
    let failures: Vec<_> = outcome.failed.iter().map(|f| (f.index, f.cause)).collect();
    let (record, poison) = (Cause::Record, Cause::Poison);
    assert_eq!(failures, [(4, record), (5, poison), (7, record), (14, poison)]);

    let rewritten = outcome.rewritten.as_ref().expect("rewritten payloads");
    assert_eq!(rewritten.get(10), Some(&b"w"[..]), "a part with a payload to rewrite");
    assert_eq!(rewritten.get(0), None, "a part without one goes on as it came");
    assert_eq!((rewritten.get(5), rewritten.get(14)), (None, None), "poison has no payload");
    for (index, payload) in payloads.iter().enumerate() {
        assert!(rewritten.get(index).is_none_or(|rewritten| rewritten == [*payload]), "{index}");
    }
    assert_eq!(rewritten.get(payloads.len()), None);
}

#[test]
fn records_that_are_too_many_at_once_are_not_blamed() {
    let small = (1..64).map(|most| (64, most));
    let large = [(2, 1), (3, 2), (200, 40), (1000, 100), (1000, 499), (1000, 999), (1024, 511)];
    for (records, most) in small.chain(large) {
        let traps = format!(
            "(if (i32.gt_u (local.get 4) (i32.const {most})) (then (unreachable)))
            {}",
            on('!', "(unreachable)")
        );
        let filter = rule(&traps).open(Limits::default());
        acquits(&filter, &vec![b'.'; records]);

        let payloads = with_poison(records, &[records / 3]);
        let isolated = filter.classify_isolating(&batch(&payloads), None);
        assert_eq!(failed(&isolated, Cause::Poison), [records / 3], "{records}, at most {most}");
        assert_eq!(isolated.outcome.failed.len(), 1, "{records}, at most {most}");
    }
}

#[test]
fn records_that_exceed_the_memory_only_together_are_not_blamed() {
    let limits = Limits { memory_bytes: 14 * PAGE, ..Limits::default() };
    // Each record takes a page, and the rule has two when it starts.
    let filter = rule(&format!("(drop (memory.grow (i32.const 1))) {}", on('!', "(unreachable)")))
        .open(limits);
    for records in [13, 14, 24, 25, 1000] {
        acquits(&filter, &vec![b'.'; records]);
    }
    let isolated = filter.classify_isolating(&batch(&with_poison(100, &[3, 40, 99])), None);
    assert_eq!(failed(&isolated, Cause::Poison), [3, 40, 99]);
    assert_eq!(isolated.outcome.failed.len(), 3);
}

#[test]
fn records_that_exceed_the_output_only_together_are_not_blamed() {
    let limits = Limits { output_bytes: 512, ..Limits::default() };
    acquits(&rule("").open(limits), &[b'.'; 1000]);
}

#[test]
fn records_that_exceed_the_time_only_together_are_not_blamed() {
    let spins = |turns: u64| {
        let each = format!(
            "(local.set $turn (i64.const 0))
            (loop $more
                (local.set $turn (i64.add (local.get $turn) (i64.const 1)))
                (br_if $more (i64.lt_u (local.get $turn) (i64.const {turns}))))"
        );
        let guest = rule(&each);
        let classify = format!("(local $turn i64) {}", guest.classify);
        Guest { classify, ..guest }
    };
    // Each record takes a thirty-second of the limit, whatever the machine.
    let limits = Limits { time: Duration::from_secs(1), ..Limits::default() };
    let ample = Limits { time: Duration::from_secs(600), ..limits };
    let mut turns = 1000;
    loop {
        let filter = spins(turns).open(ample);
        let started = Instant::now();
        filter.classify(&batch(b".")).expect("a verdict");
        if started.elapsed() >= limits.time / 32 {
            break;
        }
        turns *= 2;
    }
    acquits(&spins(turns).open(limits), &[b'.'; 64]);
}

#[test]
fn a_rule_that_fails_on_everything_is_stopped() {
    let filter = rule("(unreachable)").open(Limits::default());
    for records in [3, 4, 5, 100, 1000] {
        let isolated = gives_up(&filter, &vec![b'.'; records]);
        assert!(matches!(isolated.stop, Some(Stop::FailsOnEverything(_))), "{isolated:?}");
        assert!(isolated.extra_runs <= bound(records, 3) + 2, "{isolated:?}");
    }
}

#[test]
fn a_rule_that_fails_without_records_is_to_blame_for_one() {
    let filter = Guest { classify: "(unreachable)".to_owned(), ..Guest::default() };
    let filter = filter.open(Limits::default());
    for records in [1, 2] {
        let isolated = gives_up(&filter, &vec![b'.'; records]);
        assert!(matches!(isolated.stop, Some(Stop::FailsOnEverything(_))), "{isolated:?}");
        assert!(isolated.extra_runs <= bound(records, records), "{isolated:?}");
    }
    let isolated = filter.classify_isolating(&batch(b""), None);
    assert_eq!((isolated.outcome.verdicts, isolated.extra_runs), (vec![], 0));
    assert!(isolated.fault.is_some());
}

#[test]
fn a_rule_that_loops_on_everything_is_stopped() {
    let limits = Limits { time: Duration::from_millis(50), ..Limits::default() };
    let filter = rule("(loop $forever (br $forever))").open(limits);
    let isolated = gives_up(&filter, &[b'.'; 100]);
    assert!(matches!(isolated.stop, Some(Stop::FailsOnEverything(_))), "{isolated:?}");
}

#[test]
fn a_rule_that_fails_on_too_many_records_is_stopped() {
    let poison: Vec<usize> = (0..1000).filter(|index| index % 2 == 1).collect();
    let payloads = with_poison(1000, &poison);
    let isolated = trapping().classify_isolating(&batch(&payloads), None);
    assert_eq!((isolated.extra_runs, isolated.stop.as_ref()), (256, Some(&Stop::TooManyRuns)));
    assert_eq!(failed(&isolated, Cause::Poison), [0; 0]);
    let verdicts = &isolated.outcome.verdicts;
    assert!(verdicts.contains(&Verdict::Pass), "what went well counts");
    let unclassified = failed(&isolated, Cause::Unclassified);
    assert_eq!(unclassified.len(), verdicts.iter().filter(|v| **v == Verdict::Fail).count());
}

#[test]
fn a_rule_cannot_fill_the_hosts_memory_part_by_part() {
    let limits = Limits { output_bytes: 128, ..Limits::default() };
    let isolated = rule("").open(limits).classify_isolating(&batch(&[b'.'; 1000]), None);
    assert_eq!(isolated.stop, Some(Stop::TooMuchOutput { maximum: 512 }));
    let passed = isolated.outcome.verdicts.iter().filter(|v| **v == Verdict::Pass).count();
    assert!((1..=512).contains(&passed), "{passed} passed");
    assert_eq!(failed(&isolated, Cause::Unclassified).len(), 1000 - passed);
}

#[test]
fn after_the_deadline_nothing_runs() {
    let deadline = Some(Instant::now());
    let isolated = trapping().classify_isolating(&batch(&with_poison(9, &[1])), deadline);
    assert_eq!(failed(&isolated, Cause::Unclassified), Vec::from_iter(0..9));
    assert_eq!((isolated.stop, isolated.fault), (Some(Stop::Deadline), None));
    assert_eq!(isolated.extra_runs, 0);
}

#[test]
fn the_deadline_is_no_fault() {
    let limits = Limits { time: Duration::from_secs(600), ..Limits::default() };
    let filter = failing("(loop $forever (br $forever))").open(limits);
    let deadline = Some(Instant::now() + Duration::from_millis(50));
    let isolated = filter.classify_isolating(&batch(&with_poison(9, &[1])), deadline);
    assert_eq!(failed(&isolated, Cause::Unclassified), Vec::from_iter(0..9));
    assert_eq!((isolated.stop, isolated.fault), (Some(Stop::Deadline), None));
}

#[test]
fn the_deadline_ends_the_search() {
    // Ten times the limit is needed to find the first record.
    let limits = Limits { time: Duration::from_millis(100), ..Limits::default() };
    let filter = failing("(loop $forever (br $forever))").open(limits);
    let deadline = Some(Instant::now() + Duration::from_millis(350));
    let isolated = filter.classify_isolating(&batch(&with_poison(1000, &[0])), deadline);
    assert_eq!(isolated.stop, Some(Stop::Deadline));
    assert_eq!(failed(&isolated, Cause::Unclassified), Vec::from_iter(0..1000));
}

#[test]
fn what_is_found_before_the_deadline_counts() {
    let limits = Limits { time: Duration::from_secs(600), ..Limits::default() };
    let loops = on('?', "(loop $forever (br $forever))");
    let filter = rule(&format!("{} {loops}", on('!', "(unreachable)"))).open(limits);
    let deadline = Some(Instant::now() + Duration::from_secs(1));
    let isolated = filter.classify_isolating(&batch(b".!...?"), deadline);
    assert_eq!(isolated.stop, Some(Stop::Deadline));
    assert_eq!(isolated.outcome.verdicts[0], Verdict::Pass);
    assert_eq!(failed(&isolated, Cause::Poison), [1]);
    assert_eq!(failed(&isolated, Cause::Unclassified), [2, 3, 4, 5]);
}

#[test]
fn nothing_is_blamed_by_the_deadline_on_records_of_which_none_went_well() {
    let limits = Limits { time: Duration::from_secs(600), ..Limits::default() };
    let loops = on('?', "(loop $forever (br $forever))");
    let filter = rule(&format!("{} {loops}", on('!', "(unreachable)"))).open(limits);
    let deadline = Some(Instant::now() + Duration::from_secs(1));
    let isolated = filter.classify_isolating(&batch(b"!!????"), deadline);
    assert_eq!(isolated.stop, Some(Stop::Deadline));
    assert_eq!(failed(&isolated, Cause::Unclassified), Vec::from_iter(0..6));
}

#[test]
fn a_rule_that_keeps_state_runs_once() {
    let filter = Guest { keeps_state: true, ..failing("(unreachable)") }.open(Limits::default());
    let isolated = gives_up(&filter, &with_poison(9, &[1]));
    assert!(matches!(isolated.stop, Some(Stop::KeepsState(Fault::Trap(_)))), "{isolated:?}");
    assert_eq!(isolated.extra_runs, 0);
    assert!(filter.classify_isolating(&batch(b"..."), None).fault.is_none());
}

#[test]
fn the_deadline_does_not_cost_a_rule_its_state() {
    // It traps at the second batch of an instance.
    let filter = Guest {
        fields: "(global $used (mut i32) (i32.const 0))".to_owned(),
        classify: "(if (global.get $used) (then (unreachable)))
            (global.set $used (i32.const 1))"
            .to_owned(),
        keeps_state: true,
        ..Guest::default()
    };
    let filter = filter.open(Limits::default());
    assert!(filter.classify(&batch(b".")).is_ok());
    let isolated = filter.classify_isolating(&batch(b"."), Some(Instant::now()));
    assert_eq!(isolated.stop, Some(Stop::Deadline));
    assert!(filter.classify(&batch(b".")).is_err(), "the same instance");
}

#[test]
fn a_rule_that_cannot_be_opened_is_no_records_fault() {
    let engine = Engine::new(Limits::default()).expect("an engine");
    let load = |guest: Guest| Rule::load(&engine, &guest.component()).expect("a rule");
    let filter = load(failing("(unreachable)")).open("{}").expect("an opened rule");
    // Rules that keep state keep their instances, until there is none left.
    let keeping = load(Guest { keeps_state: true, ..Guest::default() });
    let kept: Vec<Filter> = std::iter::from_fn(|| keeping.open("{}").ok()).take(1000).collect();
    assert!(kept.len() < 1000, "instances are limited");

    let isolated = gives_up(&filter, b"..!.");
    assert!(matches!(isolated.stop, Some(Stop::Opening(_))), "{isolated:?}");
    drop(kept);
    isolates(&filter, 4, &[2]);
}
