//! Answers that break the contract, and traps. None of their verdicts counts.

use weir::{Fault, Limits};

use crate::guest::{Answer, FAIL, FLAG, Guest, PASS};

fn broken(answer: Answer, records: usize) -> String {
    let guest = Guest { answer, ..Guest::default() };
    match guest.classify(Limits::default(), records) {
        Err(Fault::Contract(what)) => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_trap_is_reported_as_what_it_is() {
    let guest = Guest { classify: "(unreachable)".to_owned(), ..Guest::default() };
    let fault = guest.classify(Limits::default(), 1).expect_err("it traps");
    assert_eq!(fault, Fault::Trap(wasmtime::Trap::UnreachableCodeReached.to_string()));
}

#[test]
fn a_fault_costs_its_batch_and_not_the_next() {
    // Traps at a batch of two records.
    let classify = "(if (i32.eq (local.get 4) (i32.const 2)) (then (unreachable)))";
    let filter =
        Guest { classify: classify.to_owned(), ..Guest::default() }.open(Limits::default());
    assert!(filter.classify(&crate::guest::batch(2)).is_err());
    assert!(filter.classify(&crate::guest::batch(1)).is_ok());
}

#[test]
fn too_few_verdicts() {
    let answer = Answer { verdicts: vec![PASS], ..Answer::default() };
    assert_eq!(broken(answer, 2), "1 verdicts for 2 records");
}

#[test]
fn too_many_verdicts() {
    let answer = Answer { verdicts: vec![PASS; 3], ..Answer::default() };
    assert_eq!(broken(answer, 2), "3 verdicts for 2 records");
}

#[test]
fn a_verdict_that_is_none() {
    let answer = Answer { verdicts: vec![4], ..Answer::default() };
    assert_eq!(broken(answer, 1), "it answers with a case that its type does not have");
}

#[test]
fn details_out_of_range() {
    let verdicts = vec![FLAG];
    let answer = Answer { verdicts, flagged: vec![(7, 1.0)], ..Answer::default() };
    assert_eq!(broken(answer, 1), "details for record 7 where those of record 0 (Flag) belong");
}

#[test]
fn details_for_a_record_that_passed() {
    let answer = Answer { verdicts: vec![PASS], failed: vec![0], ..Answer::default() };
    assert_eq!(broken(answer, 1), "details for record 0, whose verdict is not Fail");
}

#[test]
fn details_twice() {
    let verdicts = vec![FAIL, FAIL];
    let answer = Answer { verdicts, failed: vec![0, 0], ..Answer::default() };
    assert_eq!(broken(answer, 2), "details for record 0 where those of record 1 (Fail) belong");
}

#[test]
fn no_details() {
    let answer = Answer { verdicts: vec![PASS, FLAG], ..Answer::default() };
    assert_eq!(broken(answer, 2), "no details for record 1 (Flag)");
}

#[test]
fn a_score_that_is_no_number() {
    let verdicts = vec![FLAG];
    let answer = Answer { verdicts, flagged: vec![(0, f64::NAN)], ..Answer::default() };
    assert_eq!(broken(answer, 1), "the score of record 0 is not finite");
}

#[test]
fn payloads_rewritten_against_its_word() {
    let answer =
        Answer { verdicts: vec![PASS], rewritten: Some((0, vec![0])), ..Answer::default() };
    assert_eq!(broken(answer, 1), "payloads rewritten by a rule that says it does not");
}

#[test]
fn rewritten_payloads_that_do_not_add_up() {
    let rewritten = |bytes, ends| {
        let verdicts = vec![PASS; 2];
        let answer = Answer { verdicts, rewritten: Some((bytes, ends)), ..Answer::default() };
        Guest { answer, rewrites: true, ..Guest::default() }.classify(Limits::default(), 2)
    };
    assert!(rewritten(8, vec![3, 8]).is_ok());
    for (bytes, ends) in [(8, vec![8]), (8, vec![3, 9]), (8, vec![3, 7]), (8, vec![9, 8])] {
        let answer = rewritten(bytes, ends.clone());
        assert!(matches!(answer, Err(Fault::Contract(_))), "{bytes} bytes, {ends:?}");
    }
}
