//! Each limit, on both sides.

use std::thread;
use std::time::Duration;

use weir::{Fault, LimitExceeded, Limits, LoadError, OpenError, Rule, Verdict};

use crate::guest::{Answer, FAIL, FLAG, Guest, batch};

const PAGE: usize = 65536;

/// Takes some milliseconds.
const WORKS: &str = "(local $i i32)
    (loop $more
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $more (i32.lt_u (local.get $i) (i32.const 10000000))))";

fn classifying(classify: &str) -> Guest {
    Guest { classify: classify.to_owned(), ..Guest::default() }
}

fn passes(guest: &Guest, limits: Limits) {
    let outcome = guest.classify(limits, 1).expect("within the limits");
    assert_eq!(outcome.verdicts, [Verdict::Pass]);
}

fn exceeded(guest: &Guest, limits: Limits) -> LimitExceeded {
    match guest.classify(limits, 1) {
        Err(Fault::Limit(exceeded)) => exceeded,
        other => panic!("{other:?}"),
    }
}

#[test]
fn time() {
    let limits = Limits { time: Duration::from_millis(50), ..Limits::default() };
    let spins = classifying("(loop $forever (br $forever))");
    assert_eq!(exceeded(&spins, limits), LimitExceeded::Time { maximum: limits.time });

    let ample = Limits { time: Duration::from_secs(600), ..limits };
    passes(&classifying(WORKS), ample);
}

#[test]
fn time_at_opening() {
    let limits = Limits { time: Duration::from_millis(50), ..Limits::default() };
    let guest = Guest { open: "(loop $forever (br $forever))".to_owned(), ..Guest::default() };
    let engine = weir::Engine::new(limits).expect("an engine");
    let opened = Rule::load(&engine, &guest.component()).expect("a rule").open("{}");
    let Err(OpenError::Fault(Fault::Limit(exceeded))) = opened else { panic!("{opened:?}") };
    assert_eq!(exceeded, LimitExceeded::Time { maximum: limits.time });
}

#[test]
fn memory() {
    let limits = Limits { memory_bytes: 8 * PAGE, ..Limits::default() };
    let grows = |pages| classifying(&format!("(drop (memory.grow (i32.const {pages})))"));
    passes(&grows(6), limits);
    assert_eq!(
        exceeded(&grows(7), limits),
        LimitExceeded::Memory { current: 2 * PAGE, requested: 9 * PAGE, maximum: 8 * PAGE }
    );
}

#[test]
fn table() {
    let limits = Limits { table_entries: 100, ..Limits::default() };
    let grows = |entries| Guest {
        fields: "(table $t 1 funcref)".to_owned(),
        ..classifying(&format!("(drop (table.grow $t (ref.null func) (i32.const {entries})))"))
    };
    passes(&grows(99), limits);
    assert_eq!(
        exceeded(&grows(100), limits),
        LimitExceeded::Table { current: 1, requested: 101, maximum: 100 }
    );
}

#[test]
fn table_at_the_beginning() {
    let limits = Limits { table_entries: 100, ..Limits::default() };
    let begins =
        |entries| Guest { fields: format!("(table {entries} funcref)"), ..Guest::default() };
    passes(&begins(100), limits);
    let engine = weir::Engine::new(limits).expect("an engine");
    let loaded = Rule::load(&engine, &begins(101).component());
    let Err(LoadError::Describe(Fault::Limit(exceeded))) = loaded else { panic!("{loaded:?}") };
    assert_eq!(exceeded, LimitExceeded::Table { current: 0, requested: 101, maximum: 100 });
}

#[test]
fn stack() {
    let limits = Limits { stack_bytes: 64 << 10, ..Limits::default() };
    let nests = |depth: u32| Guest {
        fields: "(func $nest (param i32)
            (if (local.get 0) (then (call $nest (i32.sub (local.get 0) (i32.const 1))))))"
            .to_owned(),
        ..classifying(&format!("(call $nest (i32.const {depth}))"))
    };
    passes(&nests(100), limits);
    assert_eq!(exceeded(&nests(1_000_000), limits), LimitExceeded::Stack { maximum: 64 << 10 });
}

#[test]
fn output() {
    // Each failure's reason is the same stretch of memory, so little memory makes much output.
    let fails = |records: u32| Guest {
        answer: Answer {
            verdicts: vec![FAIL; records as usize],
            failed: (0..records).collect(),
            text_bytes: 100_000,
            ..Answer::default()
        },
        ..Guest::default()
    };
    let limits = Limits { output_bytes: 1 << 20, ..Limits::default() };
    let outcome = fails(10).classify(limits, 10).expect("within the limits");
    let kept = outcome.failed[9].reason.chars();
    assert_eq!((kept.clone().count(), kept.last()), (1001, Some('…')), "it is cut");
    assert_eq!(
        fails(11).classify(limits, 11),
        Err(Fault::Limit(LimitExceeded::Output { maximum: 1 << 20 }))
    );
}

/// A flag and a failure take more memory in the host than in the rule.
#[test]
fn output_is_what_the_host_holds() {
    let answer = Answer {
        verdicts: vec![FLAG, FAIL],
        flagged: vec![(0, 1.0)],
        failed: vec![1],
        ..Answer::default()
    };
    let guest = Guest { answer, ..Guest::default() };
    let held = 2 + size_of::<weir::Flag>() + size_of::<weir::Failure>();
    let classify =
        |output_bytes| guest.open(Limits { output_bytes, ..Limits::default() }).classify(&batch(2));
    assert!(classify(held).is_ok());
    let exceeded = LimitExceeded::Output { maximum: held - 1 };
    assert_eq!(classify(held - 1), Err(Fault::Limit(exceeded)));
}

#[test]
fn a_batch_that_does_not_fit_the_rules_memory_is_refused_by_name() {
    let limits = Limits { memory_bytes: 8 * PAGE, ..Limits::default() };
    // As a rule in Rust does: it asks for memory when the batch comes.
    let guest = Guest::default();
    let filter = guest.open(limits);
    let mut large = batch(0);
    large.push(&vec![b'x'; 16 * PAGE]);
    assert!(filter.classify(&large).is_err());
    assert!(filter.classify(&batch(1)).is_ok(), "the next batch has a fresh instance");
}

/// As a host's threads do when many events come at once. The rule takes so long that all of them would be
/// in it together.
#[test]
fn batches_for_which_the_engine_has_no_room_wait_for_it() {
    const BATCHES: usize = 200;
    let guest = classifying(WORKS);
    let limits = Limits { time: Duration::from_secs(600), ..Limits::default() };
    let engine = weir::Engine::new(limits).expect("an engine");
    for component in [guest.component(), guest.wrapped_otherwise()] {
        let filter = Rule::load(&engine, &component).expect("a rule").open("{}").expect("opened");
        thread::scope(|threads| {
            for _ in 0..BATCHES {
                threads.spawn(|| {
                    let outcome = filter.classify(&batch(1)).expect("room for an instance");
                    assert_eq!(outcome.verdicts, [Verdict::Pass]);
                });
            }
        });
    }
}
