use weir::live::Offer;

use super::*;
use crate::guest::{RESTORED, SNAPSHOT};

/// A rule whose state is the number of batches with records that it has learnt: it drops what comes
/// after the first three. `takes` is the length of the snapshots that it takes.
fn counting(name: &'static str, takes: u32) -> Guest {
    let guest = passing(name);
    let (state, reason) = (SNAPSHOT + 8, RESTORED + 12);
    Guest {
        fields: format!(
            r#"(global $seen (mut i32) (i32.const 0))
               (data (i32.const {reason}) "not mine")"#
        ),
        classify: format!(
            "(if (i32.ge_u (global.get $seen) (i32.const 3))
                 (then (memory.fill (i32.const {LISTS}) (i32.const 2) (local.get 4))))
             (if (i32.gt_u (local.get 4) (local.get 6))
                 (then (global.set $seen (i32.add (global.get $seen) (i32.const 1)))))"
        ) + &guest.classify,
        snapshot: format!(
            "(i32.store8 (i32.const {state}) (global.get $seen))
             (i32.store (i32.const {SNAPSHOT}) (i32.const {state}))
             (i32.store (i32.const {}) (i32.const 1))",
            SNAPSHOT + 4
        ),
        restore: format!(
            "(i32.store8 (i32.const {RESTORED}) (i32.ne (local.get 2) (i32.const {takes})))
             (i32.store (i32.const {}) (i32.const {reason}))
             (i32.store (i32.const {}) (i32.const 8))
             (global.set $seen (i32.load8_u (local.get 1)))",
            RESTORED + 4,
            RESTORED + 8
        ),
        keeps_state: true,
        ..guest
    }
}

#[test]
fn the_state_goes_on_with_the_next_version() {
    let old = counting("state", 1);
    let new = Guest { fields: old.fields.clone() + "(func)", ..old.clone() };
    let host = Host::start(&old, UpdatePolicy::default());
    (0..2).for_each(|_| drop(host.process("x")));
    assert_eq!(host.rule().offer(host.open(&new)), Offer::Serves);
    assert_eq!(host.process("x").counts.passed, 1, "the third");
    assert_eq!(host.process("x").counts.dropped, 1, "the fourth");
}

#[test]
fn a_version_that_refuses_the_state_starts_anew() {
    let host = Host::start(&counting("anew", 1), UpdatePolicy::default());
    (0..4).for_each(|_| drop(host.process("x")));
    assert_eq!(host.process("x").counts.dropped, 1);
    assert_eq!(host.rule().offer(host.open(&counting("anew", 2))), Offer::Serves);
    assert_eq!(host.process("x").counts.passed, 1, "the first");
}

#[test]
fn a_rule_that_begins_to_keep_state_takes_the_place_of_one_that_does_not() {
    let host = Host::start(&passing("begin-old"), UpdatePolicy::default());
    assert_eq!(host.process("x").counts.passed, 1);
    assert_eq!(host.rule().offer(host.open(&counting("begin-new", 1))), Offer::Serves);
    (0..3).for_each(|_| assert_eq!(host.process("x").counts.passed, 1));
    assert_eq!(host.process("x").counts.dropped, 1, "the fourth");
}

#[test]
fn a_rule_that_has_no_time_for_the_state_leaves_it_to_the_one_before() {
    let old = counting("slow-old", 1);
    let slow = Guest { restore: LOOP.to_owned(), ..counting("slow-old", 1) };
    let policy =
        UpdatePolicy { rollback_faults: 100, rollback_failures: 1.0, ..UpdatePolicy::default() };
    let limits = Limits { time: Duration::from_millis(50), ..Limits::default() };
    let host = Host::with_limits(&old, policy, limits);
    (0..2).for_each(|_| drop(host.process("x")));
    assert_eq!(host.rule().offer(host.open(&slow)), Offer::Serves);
    (0..5).for_each(|_| assert_eq!(host.process("x").counts.failed, 1, "it has no time"));
    assert_eq!(host.rule().offer(host.open(&old)), Offer::Serves, "it is rolled back");
    assert_eq!(host.process("x").counts.passed, 1, "the third");
    assert_eq!(host.process("x").counts.dropped, 1, "the fourth");
}
