use std::mem::discriminant;

use weir::live::{Offer, Stage};

use super::*;

/// Ten records of which one is marked.
const MARKED: &str = "xxxxxxxxx!";

/// What a candidate that does not end has: as much as the serving rule, which needs it on no machine.
const TIME: Duration = Duration::from_millis(300);

#[test]
fn a_candidate_that_agrees_is_promoted_and_proven() {
    let policy = UpdatePolicy { rollback_window: Duration::from_millis(100), ..comparing(50) };
    let host = Host::start(&passing("agrees-old"), policy);
    let candidate = host.open(&passing("agrees-new"));
    let digest = candidate.rule().digest();
    assert_eq!(host.rule().offer(candidate), Offer::Shadows);
    assert_ne!(host.process("xxxxxxxxxx").rule, digest, "it serves nobody yet");
    eventually("its promotion", || {
        host.process("xxxxxxxxxx");
        host.rule().digest() == digest
    });
    assert_eq!(host.process("x").rule, digest);
    eventually("the end of its probation", || host.rule().stage() == Stage::Serving);
    assert_eq!(host.rule().digest(), digest);
    assert_logged("agrees-new", &["rule runs in shadow", "rule promoted: ", "rule proven: "]);
}

#[test]
fn a_candidate_that_differs_is_refused_until_its_bytes_change() {
    let policy = UpdatePolicy { max_difference: 0.5, ..comparing(1000) };
    let host = Host::start(&passing("differs-old"), policy);
    let old = host.rule().digest();
    let candidate = dropping("differs-new");
    assert_eq!(host.rule().offer(host.open(&candidate)), Offer::Shadows);
    eventually("its refusal", || {
        // What it says is not what is answered.
        assert_eq!(host.process("xxxxxxxxxx").counts.passed, 10);
        host.rule().stage() == Stage::Serving
    });
    assert_eq!(host.rule().digest(), old);
    assert_logged("differs-new", &["rule runs in shadow", "rule refused: it may differ on 50 %"]);
    assert!(logged("differs-new")[1].contains("pass → drop"), "the differences are named");

    assert_eq!(host.rule().offer(host.open(&candidate)), Offer::RefusedBefore);
    assert_eq!(host.rule().offer(host.open(&passing("differs-mended"))), Offer::Shadows);
}

#[test]
fn a_candidate_that_traps_on_record_900_is_refused_whatever_it_may_differ() {
    let policy = UpdatePolicy { max_difference: 1.0, ..comparing(2000) };
    let host = Host::start(&passing("traps-old"), policy);
    assert_eq!(host.rule().offer(host.open(&on_mark(passing("traps-new"), TRAP))), Offer::Shadows);
    let mut event = "x".repeat(1000);
    event.replace_range(899..900, "!");
    assert_eq!(host.process(&event).counts.passed, 1000);
    eventually("its refusal", || host.rule().stage() == Stage::Serving);
    assert_logged("traps-new", &["rule runs in shadow", "rule refused: it faults"]);
    let line = &logged("traps-new")[1];
    assert!(line.contains("pass → fail (poison) 1, first at record 900"), "{line}");
}

#[test]
fn a_fault_of_both_is_none_of_the_candidate() {
    let host = Host::start(&on_mark(passing("both-old"), TRAP), comparing(1000));
    let candidate = host.open(&on_mark(passing("both-new"), TRAP));
    assert_eq!(host.rule().offer(candidate), Offer::Shadows);
    host.process(MARKED);
    eventually("the comparison", || matches!(compared(&host), Some((10, 0))));
}

/// How many records were compared, and on how many batches the candidate faulted; nothing if there is
/// no shadow.
fn compared(host: &Host) -> Option<(u64, u64)> {
    match host.rule().stage() {
        Stage::Shadow { agreement, .. } => Some((agreement.records, agreement.faults)),
        _ => None,
    }
}

#[test]
fn a_candidate_that_takes_too_long_is_refused() {
    let limits = Limits { time: TIME, ..Limits::default() };
    let host = Host::with_limits(&passing("slow-old"), comparing(1000), limits);
    assert_eq!(host.rule().offer(host.open(&on_mark(passing("slow-new"), LOOP))), Offer::Shadows);
    assert_eq!(host.process(MARKED).counts.passed, 10);
    eventually("its refusal", || host.rule().stage() == Stage::Serving);
    assert!(logged("slow-new")[1].contains("time limit of 300ms"), "{:?}", logged("slow-new"));
}

#[test]
fn batches_that_a_candidate_cannot_keep_up_with_are_counted() {
    let limits = Limits { time: TIME, ..Limits::default() };
    let host = Host::with_limits(&passing("behind-old"), UpdatePolicy::default(), limits);
    let slow = on_mark(passing("behind-new"), LOOP);
    assert_eq!(host.rule().shadow(host.open(&slow)), Offer::Shadows);
    for _ in 0..1000 {
        assert_eq!(host.process(MARKED).counts.passed, 10);
    }
    let agreement = host.rule().withdraw().expect("a candidate in shadow");
    assert!(agreement.skipped_batches > 0);
    assert_eq!(agreement.records + agreement.skipped_records, 10_000, "{agreement}");
    assert_eq!(host.rule().stage(), Stage::Serving);
    assert_logged("behind-new", &["rule runs in shadow", "rule withdrawn: "]);
}

#[test]
fn a_candidate_that_leaks_from_batch_to_batch_is_refused() {
    let host = Host::start(&passing("leaks-old"), comparing(1_000_000));
    assert_eq!(host.rule().offer(host.open(&leaking("leaks-new"))), Offer::Shadows);
    eventually("its refusal", || {
        assert_eq!(host.process("xx").counts.passed, 2);
        host.rule().stage() == Stage::Serving
    });
    assert!(logged("leaks-new").iter().any(|line| line.contains("memory limit")));
}

#[test]
fn a_candidate_gives_way_to_the_next_and_to_the_rule_that_serves() {
    let old = passing("way-old");
    let host = Host::start(&old, comparing(1000));
    assert_eq!(host.rule().offer(host.open(&passing("way-new"))), Offer::Shadows);
    assert_eq!(host.rule().offer(host.open(&passing("way-new"))), Offer::Known);
    assert_eq!(host.rule().offer(host.open(&passing("way-newer"))), Offer::Shadows);
    assert_logged("way-new", &["rule runs in shadow", "rule withdrawn: another rule was offered"]);
    assert_eq!(host.rule().offer(host.open(&old)), Offer::Known);
    assert_eq!(host.rule().stage(), Stage::Serving);
    let withdrawn = "rule withdrawn: the serving rule was offered again";
    assert_logged("way-newer", &["rule runs in shadow", withdrawn]);
}

#[test]
fn a_candidate_gives_way_to_one_that_is_refused() {
    let host = Host::start(&passing("refusal-old"), comparing(1000));
    let refused = Guest { classify: TRAP.to_owned(), ..passing("refusal-trap") };
    let expected = [
        Offer::Refused("on a batch without records".to_owned()),
        // As the source has it again that had it before.
        Offer::RefusedBefore,
    ];
    for expected in expected {
        assert_eq!(host.rule().offer(host.open(&passing("refusal-new"))), Offer::Shadows);
        let offer = host.rule().offer(host.open(&refused));
        assert_eq!(discriminant(&offer), discriminant(&expected), "{offer:?}");
        assert_eq!(host.rule().stage(), Stage::Serving);
    }
    let shadowed = ["rule runs in shadow", "rule withdrawn: another rule was offered"];
    assert_logged("refusal-new", &[shadowed, shadowed].concat());
}

#[test]
fn a_candidate_that_is_not_to_serve_stays_when_another_is_refused() {
    let host = Host::start(&passing("stays-old"), UpdatePolicy::default());
    assert_eq!(host.rule().shadow(host.open(&passing("stays-new"))), Offer::Shadows);
    let refused = Guest { classify: TRAP.to_owned(), ..passing("stays-trap") };
    assert!(matches!(host.rule().offer(host.open(&refused)), Offer::Refused(_)));
    assert!(matches!(host.rule().stage(), Stage::Shadow { .. }));
}
