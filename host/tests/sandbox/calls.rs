//! The two ways in which a rule is called: directly, and through the component model. They come to the
//! same, whatever the rule does.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use wasm_encoder::{ComponentSection, CustomSection};
use weir::{Batch, Encoding, Engine, Fault, Filter, Limits, OpenError, RestoreError, Rule};

use crate::guest::{Guest, HEAP, OPENED, OUTCOME, RESTORED, SNAPSHOT, batch};

fn load(component: &[u8]) -> Rule {
    Rule::load(&Engine::new(Limits::default()).expect("an engine"), component).expect("a rule")
}

/// A rule, called in either way.
fn both_ways(guest: &Guest) -> [Filter; 2] {
    let rules = [load(&guest.component()), load(&guest.wrapped_otherwise())];
    assert!(rules[0].is_called_directly() && !rules[1].is_called_directly());
    rules.map(|rule| rule.open("{}").expect("opened"))
}

/// Whether both ways came to the same. The engine has words of its own for what is no value of a type.
fn agree<T: PartialEq>(direct: &Result<T, Fault>, other: &Result<T, Fault>) -> bool {
    match (direct, other) {
        (Err(Fault::Contract(_)), Err(Fault::Call(_))) => true,
        _ => direct == other,
    }
}

#[test]
fn what_is_wrapped_as_the_sdk_does_is_called_directly() {
    let mut component = Guest::default().component();
    assert!(load(&component).is_called_directly());
    // It does nothing.
    CustomSection { name: "note".into(), data: b"x".as_slice().into() }
        .append_to_component(&mut component);
    assert!(load(&component).is_called_directly());
    #[cfg(feature = "default-rule")]
    for component in [weir::DEFAULT_RULE, weir::FOREST_RULE] {
        assert!(load(component).is_called_directly());
    }
}

#[test]
fn both_ways_have_the_same_imports_and_exports() {
    let rules = [Guest::default().component(), Guest::default().wrapped_otherwise()];
    let [direct, other] = rules.map(|component| load(&component));
    assert_eq!(direct.imports(), other.imports());
    assert_eq!(direct.exports(), other.exports());
    assert_eq!(direct.description(), other.description());
}

#[test]
fn a_rule_is_given_what_a_batch_holds() {
    // It traps unless there are three payloads in seven bytes, `a`, `` and `bcdefg`, plain, of which
    // two were classified before.
    let expect = |what: &str, value: u64| {
        format!("(if (i32.ne {what} (i32.const {value})) (then (unreachable)))")
    };
    let end = |n: u32| format!("(i32.load offset={} (local.get 3))", 4 * n);
    let classify = [
        expect("(local.get 0)", 7),
        expect("(local.get 2)", 7),
        expect("(i32.load (local.get 1))", u32::from_le_bytes(*b"abcd").into()),
        expect("(i32.load offset=3 (local.get 1))", u32::from_le_bytes(*b"defg").into()),
        expect("(local.get 4)", 3),
        expect(&end(0), 1),
        expect(&end(1), 1),
        expect(&end(2), 7),
        expect("(local.get 5)", 1),
        expect("(local.get 6)", 2),
    ];
    // And unless memory is asked for anew.
    let realloc = expect("(i32.or (local.get 0) (local.get 1))", 0);
    let answer = crate::guest::Answer { verdicts: vec![0; 3], ..Default::default() };
    let guest = Guest { realloc, classify: classify.concat(), answer, ..Guest::default() };
    let mut batch = Batch::with_capacity(Encoding::Plain, 3, 7);
    ["a", "", "bcdefg"].iter().for_each(|payload| batch.push(payload.as_bytes()));
    let batch = batch.replayed(2);
    for filter in both_ways(&guest) {
        assert_eq!(filter.classify(&batch).expect("an outcome").verdicts.len(), 3);
    }
}

/// Where the payloads of a batch come to lie in an instance that was opened with `{}`.
const PAYLOADS: u32 = HEAP + 8;

/// The memory of an answer with a verdict of each kind, all their details and rewritten payloads. It
/// lies at [`PAYLOADS`].
fn answer() -> Vec<u32> {
    const TEXT: u32 = u32::from_le_bytes(*b"text");
    const FLAG: u32 = 12 * 4;
    const FAILURE: u32 = FLAG + 2 * 48;
    const LISTS: u32 = FAILURE + 12;
    let at = |offset: u32| PAYLOADS + offset;
    let mut words = Vec::new();
    // The record, and a word to align what follows.
    words.extend([at(LISTS), 5, at(FLAG), 2, at(FAILURE), 1, 1, at(LISTS + 8), 4]);
    words.extend([at(LISTS + 12), 5, 0]);
    // A flag with all that it can have, and one with the least.
    words.extend([1, 0, 1, 0, 0, 1.5_f64.to_bits().wrapping_shr(32) as u32]);
    words.extend([1 | 1 << 8, 1, at(LISTS + 8), 4, at(LISTS + 8), 2]);
    words.extend([4, 0, 0, 0, 0, 0, 0, 0, 0, 0, at(LISTS + 8), 0]);
    words.extend([3, at(LISTS + 8), 3]);
    // The verdicts, a text, ends.
    words.extend([u32::from_le_bytes([0, 1, 2, 3]), 1, TEXT, 0, 1, 1, 4, 4]);
    words
}

/// A rule that answers with what the payloads of the batch hold, as they lie in memory.
fn echo() -> Guest {
    let classify = "(return (local.get 1))".to_owned();
    Guest { classify, rewrites: true, ..Guest::default() }
}

fn payloads(words: &[u32], records: usize) -> Batch {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut batch = Batch::with_capacity(Encoding::Plain, records, bytes.len());
    batch.push(&bytes);
    (1..records).for_each(|_| batch.push(b""));
    batch
}

#[test]
fn an_answer_is_read_as_it_lies_in_memory() {
    for filter in both_ways(&echo()) {
        let outcome = filter.classify(&payloads(&answer(), 5)).expect("an outcome");
        assert_eq!(
            format!("{:?}", outcome.verdicts),
            format!("{:?}", [0, 1, 2, 3, 1].map(|kind| weir::Verdict::ALL[kind]))
        );
        let [full, least] = &outcome.flagged[..] else { panic!("{outcome:?}") };
        assert_eq!((full.index, full.score), (1, Some(1.5)));
        assert_eq!(full.crossed, Some(weir::Bound::Lower));
        assert_eq!((full.subject.as_deref(), full.message.as_str()), (Some("text"), "te"));
        assert_eq!((least.index, least.score, least.crossed), (4, None, None));
        assert_eq!((least.subject.as_deref(), least.message.as_str()), (None, ""));
        assert_eq!((outcome.failed[0].index, outcome.failed[0].reason.as_str()), (3, "tex"));
        let rewritten = outcome.rewritten.expect("rewritten payloads");
        let parts: Vec<_> = (0..5).map(|index| rewritten.get(index).expect("one")).collect();
        assert_eq!(parts, [b"".as_slice(), b"t", b"", b"ext", b""]);
    }
}

#[test]
fn an_answer_is_aligned() {
    let not_aligned = Fault::Contract("it answers with a place that is not aligned".to_owned());
    // Where the flags are, the failures, the ends of payloads.
    for (word, off) in [(2, 4), (4, 2), (9, 2)] {
        let mut words = answer();
        words[word] += off;
        let [direct, other] =
            both_ways(&echo()).map(|filter| filter.classify(&payloads(&words, 5)));
        assert_eq!(direct, Err(not_aligned.clone()), "word {word}");
        assert!(other.is_err(), "word {word}");
    }
    let off = |at: u32| format!("(return (i32.const {}))", at + 2);
    let classify = Guest { classify: off(OUTCOME), ..Guest::default() };
    let snapshot = Guest { snapshot: off(SNAPSHOT), keeps_state: true, ..Guest::default() };
    let restore = Guest { restore: off(RESTORED), keeps_state: true, ..Guest::default() };
    let open = Guest { open: off(OPENED), ..Guest::default() };
    let faults = [
        both_ways(&classify).map(|filter| filter.classify(&batch(1)).expect_err("an outcome")),
        both_ways(&snapshot).map(|filter| filter.snapshot().expect_err("a state")),
        both_ways(&restore).map(|filter| match filter.restore(&[]) {
            Err(RestoreError::Fault(fault)) => fault,
            other => panic!("{other:?}"),
        }),
        [open.component(), open.wrapped_otherwise()].map(|component| {
            match load(&component).open("{}").map(drop) {
                Err(OpenError::Fault(fault)) => fault,
                other => panic!("{other:?}"),
            }
        }),
    ];
    for [direct, other] in faults {
        assert_eq!(direct, not_aligned);
        assert!(matches!(other, Fault::Call(_)), "{other:?}");
    }
}

/// What a rule could put in place of a word of its answer.
fn word() -> impl Strategy<Value = u32> {
    // The memory of the rule is of two pages.
    let end = 2 * 65536_u32;
    prop_oneof![
        0..6_u32,
        (0..70_u32).prop_map(|n| PAYLOADS + 4 * n),
        (0..280_u32).prop_map(|n| PAYLOADS + n),
        (0..64_u32).prop_map(move |n| end - 32 + n),
        (0..64_u32).prop_map(|n| u32::MAX - n),
        any::<u32>(),
        (0..4_u32, any::<u8>()).prop_map(|(n, byte)| u32::from(byte) << (8 * n)),
    ]
}

#[test]
fn whatever_a_rule_answers_is_read_alike() {
    let [direct, other] = both_ways(&echo());
    let others = prop::collection::vec((any::<prop::sample::Index>(), word()), 0..4);
    let answered = [Cell::new(0), Cell::new(0)];
    TestRunner::new(ProptestConfig {
        cases: 4096,
        failure_persistence: None,
        ..Default::default()
    })
    .run(&(others, 4..7_usize), |(others, records)| {
        let mut words = answer();
        others.iter().for_each(|(index, word)| *index.get_mut(&mut words) = *word);
        let batch = payloads(&words, records);
        let outcomes = (direct.classify(&batch), other.classify(&batch));
        prop_assert!(agree(&outcomes.0, &outcomes.1), "{outcomes:?}");
        answered[usize::from(outcomes.0.is_ok())].update(|answers| answers + 1);
        Ok(())
    })
    .expect("both ways come to the same");
    assert!(answered.iter().all(|answers| answers.get() > 100), "{answered:?} of both kinds");
}

#[test]
fn whatever_a_rule_answers_for_its_state_is_read_alike() {
    let keeps = |restore: &str| Guest {
        keeps_state: true,
        fields: "(global $at (mut i32) (i32.const 0))".to_owned(),
        restore: restore.to_owned(),
        snapshot: "(return (global.get $at))".to_owned(),
        ..Guest::default()
    };
    // What it is given is its answer at once, or that to the next question.
    let restoring = both_ways(&keeps("(return (local.get 1))"));
    let snapping = both_ways(&keeps("(global.set $at (local.get 1))"));
    let runner = || {
        let cases = ProptestConfig { cases: 1024, failure_persistence: None, ..Default::default() };
        TestRunner::new(cases)
    };
    let words = || prop::collection::vec(word(), 1..6);
    let bytes =
        |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
    runner()
        .run(&words(), |words| {
            let [direct, other] =
                restoring.each_ref().map(|rule| match rule.restore(&bytes(&words)) {
                    Ok(()) => Ok(None),
                    Err(RestoreError::Refused(reason)) => Ok(Some(reason)),
                    Err(RestoreError::Fault(fault)) => Err(fault),
                });
            prop_assert!(agree(&direct, &other), "{direct:?}, {other:?}");
            Ok(())
        })
        .expect("both ways come to the same");
    runner()
        .run(&words(), |words| {
            let [direct, other] = snapping.each_ref().map(|rule| {
                rule.restore(&bytes(&words)).expect("restored");
                rule.snapshot()
            });
            prop_assert!(agree(&direct, &other), "{direct:?}, {other:?}");
            Ok(())
        })
        .expect("both ways come to the same");
}

#[test]
fn a_classifier_that_was_not_made_is_none() {
    for handle in [0, 2, u32::MAX] {
        let open = format!(
            "(drop (call $new (i32.const 7)))
            (i32.store8 (i32.const {OPENED}) (i32.const 0))
            (i32.store (i32.const {}) (i32.const {}))
            (return (i32.const {OPENED}))",
            OPENED + 4,
            handle as i32,
        );
        let guest = Guest { open, ..Guest::default() };
        let [direct, other] = [guest.component(), guest.wrapped_otherwise()].map(|component| {
            match load(&component).open("{}").map(drop) {
                Err(OpenError::Fault(fault)) => fault,
                other => panic!("{other:?}"),
            }
        });
        assert!(matches!(direct, Fault::Contract(_)), "{direct:?}");
        assert!(matches!(other, Fault::Call(_)), "{other:?}");
    }
}

#[test]
fn of_several_classifiers_the_one_that_is_answered_with_is_used() {
    let open = format!(
        "(i32.store8 (i32.const {OPENED}) (i32.const 0))
        (i32.store (i32.const {}) (call $new (i32.const 40)))
        (drop (call $new (i32.const 41)))
        (return (i32.const {OPENED}))",
        OPENED + 4
    );
    let classify = "(if (i32.ne (local.get 0) (i32.const 40)) (then (unreachable)))".to_owned();
    for filter in both_ways(&Guest { open, classify, ..Guest::default() }) {
        assert!(filter.classify(&batch(1)).is_ok());
    }
}

#[test]
fn an_instance_makes_no_more_classifiers_than_the_host_keeps() {
    let opens = |classifiers: u32| {
        let open = format!(
            "(local $left i32)
            (local.set $left (i32.const {classifiers}))
            (loop $again
                (drop (call $new (i32.const 7)))
                (local.set $left (i32.sub (local.get $left) (i32.const 1)))
                (br_if $again (local.get $left)))"
        );
        load(&Guest { open, ..Guest::default() }.component()).open("{}")
    };
    assert!(opens(1023).is_ok());
    assert!(matches!(opens(1024), Err(OpenError::Fault(Fault::Call(_)))));
}

#[test]
fn memory_for_arguments_is_checked() {
    // Of the payloads, of their ends.
    for (align, address) in [(1, 2 * 65536), (1, u32::MAX), (4, 2 * 65536 - 2), (4, 4098)] {
        let realloc = format!(
            "(if (i32.and (i32.eq (local.get 2) (i32.const {align}))
                          (i32.eq (local.get 3) (i32.const 4)))
                (then (return (i32.const {}))))",
            address as i32
        );
        let mut batch = Batch::with_capacity(Encoding::Plain, 1, 4);
        batch.push(b"four");
        let [direct, other] = both_ways(&Guest { realloc, ..Guest::default() });
        let outcomes = (direct.classify(&batch), other.classify(&batch));
        assert!(matches!(outcomes.0, Err(Fault::Contract(_))), "{outcomes:?}");
        assert!(agree(&outcomes.0, &outcomes.1), "{outcomes:?}");
    }
}

#[test]
fn arguments_and_answers_lie_anywhere_in_the_largest_memory() {
    let limits = Limits { memory_bytes: 4096 << 20, ..Limits::default() };
    let mut batch = Batch::with_capacity(Encoding::Plain, 1, 4);
    batch.push(b"four");
    // The payloads and their ends are its last bytes, and the answer is or is not.
    for (answer, is_there) in [(-44, true), (-40, false)] {
        let guest = Guest {
            open: "(drop (memory.grow (i32.const 65534)))".to_owned(),
            realloc: "(if (i32.eq (local.get 3) (i32.const 4))
                (then (return (select (i32.const -4) (i32.const -8)
                                      (i32.eq (local.get 2) (i32.const 4))))))"
                .to_owned(),
            classify: format!(
                "(if (i32.ne (i32.load (i32.const -8)) (i32.const {})) (then (unreachable)))
                (if (i32.ne (i32.load (i32.const -4)) (i32.const 4)) (then (unreachable)))
                (memory.copy (i32.const -44) (i32.const {OUTCOME}) (i32.const 44))
                (return (i32.const {answer}))",
                u32::from_le_bytes(*b"four")
            ),
            ..Guest::default()
        };
        let [direct, other] = [guest.component(), guest.wrapped_otherwise()].map(|component| {
            let engine = Engine::new(limits).expect("an engine");
            let rule = Rule::load(&engine, &component).expect("a rule");
            rule.open("{}").expect("opened").classify(&batch)
        });
        assert_eq!(direct.is_ok(), is_there, "{direct:?}");
        assert!(agree(&direct, &other), "{direct:?}, {other:?}");
    }
}

/// The memory that the SDK offers for arguments is enough or not, and given back in between.
#[cfg(feature = "default-rule")]
#[test]
fn rules_of_the_sdk_answer_alike_from_batch_to_batch() {
    for component in [weir::DEFAULT_RULE, weir::FOREST_RULE] {
        let settings = r#"{"upper":1.5,"annotate":true}"#;
        let components = [component.to_vec(), weir_tests::rule::wrapped_otherwise(component)];
        let [direct, other] = components.map(|component| {
            load(&component).open(settings).expect("opened").instances(weir::Instances::Kept)
        });
        for records in [3, 0, 1, 2000, 2, 250, 251, 1] {
            let mut batch = Batch::with_capacity(Encoding::Plain, records, 0);
            for n in 0..records {
                let note = "a".repeat(n % 90);
                let document = format!(
                    r#"{{"ANOMALY_SCORE":{},"x":{n},"y":{records},"note":"{note}"}}"#,
                    n % 3
                );
                batch.push(document.as_bytes());
            }
            let outcome = direct.classify(&batch).expect("an outcome");
            assert_eq!(outcome.verdicts.len(), records);
            assert_eq!(Ok(outcome), other.classify(&batch), "{records} records");
            if records % 2 == 0 {
                let state = direct.snapshot().expect("a state");
                assert_eq!(other.snapshot().as_ref(), Ok(&state));
                assert_eq!(direct.restore(&state), other.restore(&state));
            }
        }
    }
}

/// A rule that offers room for arguments, of so many bytes at an address, and says with its verdict
/// whether that was used: it flags what lies elsewhere.
fn offering(address: u32, bytes: u32, mutable: bool) -> Filter {
    let at = 3000;
    let ty = if mutable { "(mut i32)" } else { "i32" };
    let numbers: String = [address, bytes]
        .iter()
        .flat_map(|n| n.to_le_bytes())
        .map(|b| format!("\\{b:02x}"))
        .collect();
    let fields = format!(
        "(global (export \"weir:room-for-arguments\") {ty} (i32.const {at}))
        (data (i32.const {at}) \"{numbers}\")"
    );
    let classify = format!(
        "(if (i32.and (i32.ne (local.get 1) (i32.const {PAYLOADS}))
                      (i32.ne (local.get 1) (i32.const {})))
            (then (unreachable)))
        (if (i32.ne (i32.load (local.get 3)) (i32.const 5)) (then (unreachable)))
        (if (i32.ne (i32.load8_u offset=4 (local.get 1)) (i32.const 101)) (then (unreachable)))
        (if (i32.eq (local.get 1) (i32.const {PAYLOADS}))
            (then (i32.store8 (i32.const {}) (i32.const 2))))",
        address as i32,
        crate::guest::LISTS,
    );
    load(&Guest { fields, classify, ..Guest::default() }.component()).open("{}").expect("opened")
}

#[test]
fn room_for_arguments_is_used_where_it_is_enough() {
    let mut batch = Batch::with_capacity(Encoding::Plain, 1, 5);
    batch.push(b"abcde");
    let is_used = |address, bytes, mutable| {
        let outcome = offering(address, bytes, mutable).classify(&batch).expect("an outcome");
        outcome.verdicts[0] == weir::Verdict::Pass
    };
    // Five bytes, three to align, and where they end.
    assert!(is_used(100_000, 12, false));
    assert!(is_used(2 * 65536 - 16, 12, false));
    assert!(is_used(100_000, u32::MAX, false));
    // Too little, none, not aligned, not there, and not to be relied on.
    assert!(!is_used(100_000, 11, false));
    assert!(!is_used(100_000, 0, false));
    assert!(!is_used(100_004, 12, false));
    assert!(!is_used(2 * 65536 - 8, 12, false));
    assert!(!is_used(u32::MAX - 7, 12, false));
    assert!(!is_used(100_000, 12, true));
}
