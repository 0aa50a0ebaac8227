//! Which instance a batch meets.

use std::{iter, thread};

use weir::{Engine, Fault, Filter, Instances, LimitExceeded, Limits, RestoreError, Rule, Verdict};

use crate::guest::{Guest, LISTS, OUTCOME, RESTORED, SNAPSHOT, batch};

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
    let filter = filter.instances(Instances::Kept);
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
fn idle_instances_give_way_to_whoever_needs_the_room() {
    let engine = Engine::new(Limits::default()).expect("an engine");
    let load = |guest: Guest| Rule::load(&engine, &guest.component()).expect("a rule");
    let rule = load(growing(0));
    let open = |_| rule.open("{}").expect("opened").instances(Instances::Kept);
    let filters: Vec<_> = (0..engine.max_instances()).map(open).collect();
    let verdict = |filter: &Filter| filter.classify(&batch(1)).expect("an outcome").verdicts[0];
    let verdicts = || filters.iter().map(verdict).collect::<Vec<_>>();
    assert_eq!(verdicts(), vec![Verdict::Pass; filters.len()]);
    assert_eq!(verdicts(), vec![Verdict::Drop; filters.len()], "all are kept");

    let kept = load(once(true)).open("{}").expect("opened");
    assert!(kept.classify(&batch(1)).is_ok());
    // That of the first filter has given way, and now does that of the second.
    assert_eq!(verdict(&filters[0]), Verdict::Pass);
    assert_eq!(verdict(&filters[filters.len() - 1]), Verdict::Drop);
    assert_eq!(verdict(&filters[1]), Verdict::Pass);
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
fn nothing_is_left_of_the_answer_of_a_kept_instance_that_faulted() {
    // From the second batch of an instance on, it hands back rewritten payloads, for no record.
    let classify = format!(
        "(i32.store8 (i32.const {}) (global.get $used)) (global.set $used (i32.const 1))",
        OUTCOME + 24
    );
    let filter = Guest { classify, rewrites: true, ..once(false) }.open(Limits::default());
    let filter = filter.instances(Instances::Kept);
    for _ in 0..4 {
        assert_eq!(filter.classify(&batch(1)).expect("an outcome").rewritten, None);
    }
}

#[test]
fn the_fresh_one_takes_the_place_of_the_kept_one() {
    let engine = Engine::new(Limits::default()).expect("an engine");
    let load = |guest: Guest| Rule::load(&engine, &guest.component()).expect("a rule");
    let kept = load(once(false)).open("{}").expect("opened").instances(Instances::Kept);
    // All other instances that the engine can have are in use.
    let keeping = load(once(true));
    let mut others: Vec<_> = iter::from_fn(|| keeping.open("{}").ok()).take(1000).collect();
    assert!(keeping.open("{}").is_err(), "no more than {}", others.len());
    others.pop().expect("an instance");
    assert_eq!([(); 3].map(|()| kept.classify(&batch(1)).is_ok()), [true; 3]);
}

#[test]
fn a_kept_instance_is_given_up_when_it_has_half_of_its_memory() {
    use Verdict::{Drop, Pass};
    // It begins with 2 pages: after the third batch it has 11, and half would be 8.
    let limits = Limits { memory_bytes: 16 << 16, ..Limits::default() };
    assert_eq!(one_by_one(&growing(3), limits), [Pass, Drop, Drop, Pass, Drop, Drop]);
}

/// A rule whose state is how many batches it has seen. It drops the records of all but the first two.
fn counting() -> Guest {
    remembering(format!(
        "(if (i32.ge_u (global.get $seen) (i32.const 2))
             (then (i32.store8 (i32.const {LISTS}) (i32.const 2))))
         (global.set $seen (i32.add (global.get $seen) (i32.const 1)))"
    ))
}

/// A rule whose state is the byte `$seen`. It refuses a snapshot of any other length than 1.
pub(crate) fn remembering(classify: String) -> Guest {
    let reason = RESTORED + 12;
    Guest {
        fields: format!(
            r#"(global $seen (mut i32) (i32.const 0))
               (data (i32.const {reason}) "not mine")"#
        ),
        classify,
        snapshot: format!(
            "(i32.store8 (i32.const {state}) (global.get $seen))
             (i32.store (i32.const {SNAPSHOT}) (i32.const {state}))
             (i32.store (i32.const {length}) (i32.const 1))",
            state = SNAPSHOT + 8,
            length = SNAPSHOT + 4,
        ),
        restore: format!(
            "(i32.store8 (i32.const {RESTORED}) (i32.ne (local.get 2) (i32.const 1)))
             (i32.store (i32.const {at}) (i32.const {reason}))
             (i32.store (i32.const {length}) (i32.const 8))
             (global.set $seen (i32.load8_u (local.get 1)))",
            at = RESTORED + 4,
            length = RESTORED + 8,
        ),
        keeps_state: true,
        ..Guest::default()
    }
}

#[test]
fn a_state_goes_on_in_another_instance() {
    use Verdict::{Drop, Pass};
    let first = counting().open(Limits::default());
    assert_eq!(first.classify(&batch(1)).expect("an outcome").verdicts, [Pass]);
    let snapshot = first.snapshot().expect("a snapshot");
    assert_eq!(snapshot, [1]);

    let second = counting().open(Limits::default());
    second.restore(&snapshot).expect("its own snapshot");
    assert_eq!(second.classify(&batch(1)).expect("an outcome").verdicts, [Pass]);
    assert_eq!(second.classify(&batch(1)).expect("an outcome").verdicts, [Drop]);
}

#[test]
fn a_snapshot_that_is_refused_leaves_the_rule_as_it_was_opened() {
    let filter = counting().open(Limits::default());
    assert!(filter.classify(&batch(1)).is_ok());
    let refused = filter.restore(&[7, 7]).expect_err("two bytes");
    assert_eq!(refused, RestoreError::Refused("not mine".to_owned()));
    assert_eq!(filter.snapshot(), Ok(vec![0]));
}

#[test]
fn a_long_reason_to_refuse_a_snapshot_is_cut() {
    // From where memory holds nothing but zeros.
    let restore = format!(
        "(i32.store8 (i32.const {RESTORED}) (i32.const 1))
         (i32.store (i32.const {at}) (i32.const 70000))
         (i32.store (i32.const {length}) (i32.const 5000))",
        at = RESTORED + 4,
        length = RESTORED + 8,
    );
    let filter = Guest { restore, ..counting() }.open(Limits::default());
    let reason = "\0".repeat(1000) + "…";
    assert_eq!(filter.restore(&[1]), Err(RestoreError::Refused(reason)));
}

#[test]
fn a_snapshot_is_restored_as_the_first_thing_after_opening() {
    let traps = "(if (global.get $seen) (then (unreachable)))";
    let guest = Guest { restore: format!("{traps} {}", counting().restore), ..counting() };
    let filter = guest.open(Limits::default());
    assert!(filter.classify(&batch(1)).is_ok());
    assert_eq!(filter.restore(&[2]), Ok(()));
    assert_eq!(filter.restore(&[1]), Ok(()));
    assert_eq!(filter.snapshot(), Ok(vec![1]));
}

/// What a refused snapshot has left is there for no batch, whoever waits for the rule.
#[test]
fn no_batch_meets_what_a_refused_snapshot_left() {
    let drops =
        format!("(if (global.get $seen) (then (i32.store8 (i32.const {LISTS}) (i32.const 2))))");
    let filter = remembering(drops).open(Limits::default());
    thread::scope(|threads| {
        threads.spawn(|| (0..2000).for_each(|_| assert!(filter.restore(&[7, 7]).is_err())));
        for _ in 0..2000 {
            let outcome = filter.classify(&batch(1)).expect("an outcome");
            assert_eq!(outcome.verdicts, [Verdict::Pass]);
        }
    });
}

#[test]
fn a_rule_without_state_has_no_snapshot_and_takes_none() {
    let filter = Guest::default().open(Limits::default());
    assert_eq!(filter.snapshot(), Ok(Vec::new()));
    assert!(matches!(filter.restore(&[]), Err(RestoreError::Refused(_))));
}

#[test]
fn a_snapshot_is_within_the_limit_of_output() {
    let limits = |output_bytes| Limits { output_bytes, ..Limits::default() };
    let guest = Guest {
        snapshot: format!("(i32.store (i32.const {}) (i32.const 100))", SNAPSHOT + 4),
        keeps_state: true,
        ..Guest::default()
    };
    assert_eq!(guest.open(limits(100)).snapshot().map(|bytes| bytes.len()), Ok(100));
    let too_much = Fault::Limit(LimitExceeded::Output { maximum: 99 });
    assert_eq!(guest.open(limits(99)).snapshot(), Err(too_much));
}

#[test]
fn a_trap_in_a_snapshot_costs_the_state_and_no_more() {
    let guest = Guest { snapshot: "(unreachable)".to_owned(), ..counting() };
    let filter = guest.open(Limits::default());
    assert!(filter.classify(&batch(1)).is_ok());
    assert!(filter.snapshot().is_err());
    assert!(filter.classify(&batch(1)).is_ok());
}
