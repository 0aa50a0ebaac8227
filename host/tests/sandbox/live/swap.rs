use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use weir::live::{Offer, Stage};
use weir::{Fault, OpenError};

use super::*;

/// Threads that process events while the rule is swapped 1,000 times. What each answer says must be
/// what one version says, and it must name that one.
fn swap_under_load(versions: [Guest; 2], event: &str, check: impl Fn(&Response, bool) + Sync) {
    let host = Host::start(&versions[0], UpdatePolicy::default());
    let rules = versions.map(|guest| Rule::load(&host.engine, &guest.component()).expect("a rule"));
    let answered = [(); 2].map(|()| AtomicU64::new(0));
    let swapping = AtomicBool::new(true);
    thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                while swapping.load(Ordering::Relaxed) {
                    let response = host.process(event);
                    let version = usize::from(response.rule == rules[1].digest());
                    assert_eq!(response.rule, rules[version].digest());
                    assert_eq!(response.counts.records, event.len() as u64, "nothing is lost");
                    check(&response, version == 1);
                    answered[version].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for swap in 1..=1000 {
            let filter = rules[swap % 2].open("{}").expect("an opened rule");
            host.rule().swap(filter);
        }
        let both = || answered.iter().all(|n| n.load(Ordering::Relaxed) > 0);
        // Where threads had no turn before the last swap, they have it now.
        eventually("answers of both versions", || {
            host.rule().swap(rules[1].open("{}").expect("an opened rule"));
            thread::yield_now();
            host.rule().swap(rules[0].open("{}").expect("an opened rule"));
            both()
        });
        swapping.store(false, Ordering::Relaxed);
    });
}

#[test]
fn every_batch_is_classified_by_one_version() {
    let versions = [passing("swap-a"), dropping("swap-b")];
    swap_under_load(versions, &"x".repeat(20), |response, second| {
        let expected = if second { (0, 20) } else { (20, 0) };
        assert_eq!((response.counts.passed, response.counts.dropped), expected);
    });
}

#[test]
fn the_runs_that_find_a_poison_record_are_of_the_same_version() {
    let versions = [on_mark(passing("isolate-a"), TRAP), on_mark(dropping("isolate-b"), TRAP)];
    swap_under_load(versions, "xxxxx!xx", |response, second| {
        let expected = if second { (0, 7, 1) } else { (7, 0, 1) };
        let counts = response.counts;
        assert_eq!((counts.passed, counts.dropped, counts.failed), expected);
    });
}

#[test]
fn a_rule_that_faults_on_nothing_never_serves() {
    let host = Host::start(&passing("nothing-old"), UpdatePolicy::default());
    let candidate = Guest { classify: TRAP.to_owned(), ..passing("nothing-new") };
    let Offer::Refused(reason) = host.rule().offer(host.open(&candidate)) else {
        panic!("it is refused")
    };
    assert!(reason.contains("trapped"), "{reason}");
    assert_eq!(host.rule().offer(host.open(&candidate)), Offer::RefusedBefore);
    assert_eq!(host.process("xx").counts.passed, 2);
    assert_logged("nothing-new", &["rule refused: on a batch without records"]);
}

#[test]
fn a_rule_for_which_there_is_no_room_is_tried_later() {
    let limits = Limits { time: Duration::from_millis(100), ..Limits::default() };
    let host = Host::with_limits(&passing("room-old"), UpdatePolicy::default(), limits);
    let candidate = Arc::new(host.open(&dropping("room-new")));
    let keeping = Guest { keeps_state: true, ..passing("room-kept") };
    let keeping = Rule::load(&host.engine, &keeping.component()).expect("a rule");
    let mut kept = Vec::new();
    let no_room = loop {
        match keeping.open("{}") {
            Ok(filter) => kept.push(filter),
            Err(error) => break error,
        }
    };
    assert_eq!(no_room, OpenError::Fault(Fault::NoRoom { instances: kept.len() }));
    assert_eq!(host.rule().offer(Arc::clone(&candidate)), Offer::Later);
    drop(kept);
    assert_eq!(host.rule().offer(candidate), Offer::Serves);
}

#[test]
fn the_rule_that_serves_need_not_be_tried() {
    let old = passing("same");
    let host = Host::start(&old, comparing(100));
    assert_eq!(host.rule().offer(host.open(&old)), Offer::Known);
    assert_eq!(host.rule().stage(), Stage::Serving);
}
