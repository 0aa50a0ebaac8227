//! Which instance a batch meets.

use weir::{Instances, Limits, Verdict};

use crate::guest::{Guest, LISTS, batch};

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

/// A rule that lets the first batch of an instance pass, drops later ones and takes more memory with
/// each.
fn growing(pages: u32) -> Guest {
    Guest {
        fields: "(global $used (mut i32) (i32.const 0))".to_owned(),
        classify: format!(
            "(if (global.get $used) (then (i32.store8 (i32.const {LISTS}) (i32.const 2))))
             (global.set $used (i32.const 1))
             (drop (memory.grow (i32.const {pages})))"
        ),
        ..Guest::default()
    }
}

/// What a rule says of one record after the other, each a batch of its own, in kept instances.
fn one_by_one<const N: usize>(rule: &Guest, limits: Limits) -> [Verdict; N] {
    let filter = rule.open(limits).instances(Instances::Kept);
    [(); N].map(|()| filter.classify(&batch(1)).expect("an outcome").verdicts[0])
}

#[test]
fn an_instance_can_be_kept() {
    use Verdict::{Drop, Pass};
    assert_eq!(one_by_one(&growing(0), Limits::default()), [Pass, Drop, Drop, Drop]);
}

#[test]
fn a_batch_on_which_a_kept_instance_faults_runs_in_a_fresh_one() {
    assert_eq!(one_by_one(&once(false), Limits::default()), [Verdict::Pass; 4]);
}

#[test]
fn a_kept_instance_is_given_up_when_it_has_half_of_its_memory() {
    use Verdict::{Drop, Pass};
    // It begins with 2 pages: after the third batch it has 11, and half would be 8.
    let limits = Limits { memory_bytes: 16 << 16, ..Limits::default() };
    assert_eq!(one_by_one(&growing(3), limits), [Pass, Drop, Drop, Pass, Drop, Drop]);
}
