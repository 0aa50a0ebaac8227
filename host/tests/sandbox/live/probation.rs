use weir::live::{Offer, Stage, Troubles};

use super::*;

/// What was found in probation.
fn troubles(host: &Host) -> Option<Troubles> {
    match host.rule().stage() {
        Stage::Probation { troubles, .. } => Some(troubles),
        _ => None,
    }
}

/// Has `new` take over from `old`, gives it an event again and again, and checks that the old one
/// serves again, for a reason.
fn rolls_back(old: &Guest, new: &Guest, limits: Limits, event: &str, reason: &str) {
    let host = Host::with_limits(old, UpdatePolicy::default(), limits);
    let before = host.rule().digest();
    let candidate = host.open(new);
    assert_eq!(host.rule().offer(candidate), Offer::Serves);
    assert_ne!(host.rule().digest(), before);
    eventually("the old rule", || {
        host.process(event);
        host.rule().digest() == before
    });
    assert_eq!(host.rule().stage(), Stage::Serving);
    assert_eq!(host.rule().offer(host.open(new)), Offer::RefusedBefore);
    let changes = logged(new.name);
    assert!(changes.iter().any(|line| line.contains("rule switched")), "{changes:#?}");
    let rolled_back = |line: &String| line.contains("rule rolled back") && line.contains(reason);
    assert!(changes.iter().any(rolled_back), "{changes:#?}");
}

#[test]
fn a_rule_that_traps_is_rolled_back() {
    let (old, new) = (passing("trap-old"), on_mark(passing("trap-new"), TRAP));
    rolls_back(&old, &new, Limits::default(), "xx!", "the rule trapped");
}

#[test]
fn a_rule_that_takes_too_long_is_rolled_back() {
    let limits = Limits { time: Duration::from_millis(50), ..Limits::default() };
    let (old, new) = (passing("late-old"), on_mark(passing("late-new"), LOOP));
    rolls_back(&old, &new, limits, "x!", "time limit of 50ms");
}

#[test]
fn a_rule_that_leaks_from_batch_to_batch_is_rolled_back() {
    let (old, new) = (passing("leak-old"), leaking("leak-new"));
    rolls_back(&old, &new, Limits::default(), "xx", "memory limit");
}

#[test]
fn a_rule_that_fails_more_than_the_one_before_it_is_rolled_back() {
    let (old, new) = (passing("fail-old"), failing("fail-new"));
    rolls_back(&old, &new, Limits::default(), "xxxxx", "the rule before it does not");
}

/// Has `new` take over from `old`, gives it events, and checks that it goes on serving.
fn stays(old: &Guest, new: &Guest, policy: UpdatePolicy, events: &[&str]) -> Host {
    let host = Host::start(old, policy);
    let candidate = host.open(new);
    let digest = candidate.rule().digest();
    assert_eq!(host.rule().offer(candidate), Offer::Serves);
    let mut records = 0;
    for event in events {
        records += event.len() as u64;
        host.process(event);
        // The records that it has been given are counted once its failures are.
        eventually("the comparison", || troubles(&host).is_some_and(|t| t.records == records));
    }
    assert_eq!(host.rule().digest(), digest);
    host
}

#[test]
fn what_the_rule_before_it_did_as_well_is_not_held_against_it() {
    let trap = |name| on_mark(passing(name), TRAP);
    let host = stays(&trap("as-old"), &trap("as-new"), UpdatePolicy::default(), &["x!x"; 5]);
    assert_eq!(troubles(&host).map(|troubles| (troubles.faults, troubles.failures)), Some((0, 0)));

    let (old, new) = (failing("fails-old"), failing("fails-new"));
    let host = stays(&old, &new, UpdatePolicy::default(), &["xxx"; 50]);
    assert_eq!(troubles(&host).map(|troubles| troubles.failures), Some(0));
}

#[test]
fn as_much_as_the_policy_bears_is_borne() {
    let policy =
        UpdatePolicy { rollback_faults: 2, rollback_failures: 1.0, ..UpdatePolicy::default() };
    let (old, new) = (passing("bear-old"), on_mark(passing("bear-new"), TRAP));
    let host = stays(&old, &new, policy, &["x!", "x!"]);
    host.process("x!");
    eventually("the third fault", || host.rule().stage() == Stage::Serving);
    assert_ne!(host.rule().digest(), host.open(&new).rule().digest());
}

#[test]
fn without_a_window_there_is_no_probation() {
    let policy = UpdatePolicy { rollback_window: Duration::ZERO, ..UpdatePolicy::default() };
    let host = Host::start(&passing("none-old"), policy);
    assert_eq!(host.rule().offer(host.open(&dropping("none-new"))), Offer::Serves);
    assert_eq!(host.rule().stage(), Stage::Serving);
    assert_eq!(host.process("x").counts.dropped, 1);
}

#[test]
fn in_probation_the_rule_before_is_taken_back_and_others_wait() {
    let old = passing("back-old");
    let host = Host::start(&old, UpdatePolicy::default());
    let before = host.rule().digest();
    assert_eq!(host.rule().offer(host.open(&dropping("back-new"))), Offer::Serves);
    assert_eq!(host.rule().offer(host.open(&passing("back-third"))), Offer::Later);
    assert_eq!(host.rule().offer(host.open(&old)), Offer::Serves);
    assert_eq!(host.rule().digest(), before);
    // It did nothing wrong: it may be tried again.
    assert_eq!(host.rule().offer(host.open(&dropping("back-new"))), Offer::Serves);
}
