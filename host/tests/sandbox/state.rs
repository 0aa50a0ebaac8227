//! Which instance a batch meets.

use weir::{Limits, Verdict};

use crate::guest::{Guest, batch};

/// A rule that lets the first batch of an instance pass and traps at the second.
fn once(keeps_state: bool) -> Guest {
    Guest {
        fields: "(global $used (mut i32) (i32.const 0))".to_owned(),
        classify: "(if (global.get $used) (then (unreachable)))
            (global.set $used (i32.const 1))"
            .to_owned(),
        keeps_state,
        ..Guest::default()
    }
}

#[test]
fn a_stateless_rule_meets_every_batch_afresh() {
    let filter = once(false).open(Limits::default());
    for _ in 0..200 {
        let outcome = filter.classify(&batch(1)).expect("a fresh instance");
        assert_eq!(outcome.verdicts, [Verdict::Pass]);
    }
}

#[test]
fn a_rule_that_keeps_state_meets_the_next_batch_with_it() {
    let filter = once(true).open(Limits::default());
    assert!(filter.classify(&batch(1)).is_ok());
    assert!(filter.classify(&batch(1)).is_err(), "the same instance");
    assert!(filter.classify(&batch(1)).is_ok(), "a new one, after the fault");
}
