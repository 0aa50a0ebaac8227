//! A large batch is handed to a rule in parts, which nobody notices.

use weir::{Batch, Encoding, Fault, LimitExceeded, Limits, Verdict};

use crate::guest::{Answer, FAIL, FLAG, Guest, PASS};

/// A batch of records of which no two fit into one part.
fn large(records: usize) -> Batch {
    let mut batch = Batch::with_capacity(Encoding::Plain, records, 0);
    (0..records).for_each(|_| batch.push(&vec![b'x'; 1 << 20]));
    batch
}

/// A rule that has memory for them.
fn guest(answer: Answer) -> Guest {
    Guest { open: "(drop (memory.grow (i32.const 64)))".to_owned(), answer, ..Guest::default() }
}

#[test]
fn each_part_is_a_batch_to_the_rule() {
    // It has one verdict for each batch, whatever is in it.
    let answer = Answer { verdicts: vec![PASS], ..Answer::default() };
    let outcome = guest(answer).open(Limits::default()).classify(&large(3));
    assert_eq!(outcome.expect("an outcome").verdicts, [Verdict::Pass; 3]);
}

#[test]
fn a_rule_that_keeps_state_has_the_whole_batch() {
    let answer = Answer { verdicts: vec![PASS; 3], ..Answer::default() };
    let guest = Guest { keeps_state: true, ..guest(answer) };
    let outcome = guest.open(Limits::default()).classify(&large(3));
    assert_eq!(outcome.expect("an outcome").verdicts, [Verdict::Pass; 3]);
}

#[test]
fn details_are_those_of_the_record_that_they_are_for() {
    let rewritten = Some((1, vec![1]));
    let answer = Answer { verdicts: vec![FAIL], failed: vec![0], rewritten, ..Answer::default() };
    let guest = Guest { rewrites: true, ..guest(answer) };
    let outcome = guest.open(Limits::default()).classify(&large(3)).expect("an outcome");
    let failed: Vec<_> = outcome.failed.iter().map(|failure| failure.index).collect();
    assert_eq!(failed, [0, 1, 2]);
    let rewritten = outcome.rewritten.expect("rewritten payloads");
    let lengths = (0..4).map(|index| rewritten.get(index).map(<[u8]>::len));
    assert_eq!(lengths.collect::<Vec<_>>(), [Some(1), Some(1), Some(1), None]);
}

#[test]
fn what_is_handed_back_for_all_parts_is_limited() {
    let (verdicts, flagged) = (vec![FLAG], vec![(0, 1.0)]);
    let answer = Answer { verdicts, flagged, text_bytes: 500_000, ..Answer::default() };
    let limits = Limits { output_bytes: 1 << 20, ..Limits::default() };
    let filter = guest(answer).open(limits);
    assert_eq!(filter.classify(&large(2)).expect("within the limits").flagged.len(), 2);
    let exceeded = LimitExceeded::Output { maximum: limits.output_bytes };
    assert_eq!(filter.classify(&large(3)), Err(Fault::Limit(exceeded)));
}

#[cfg(feature = "default-rule")]
mod default_rule {
    use weir::{DEFAULT_RULE, Encoding, Engine, Limits, Rule};
    use weir_guest::{Rule as _, Settings};
    use weir_threshold::Threshold;

    use super::Batch;
    use crate::native::assert_agreement;

    const SETTINGS: &str = r#"{"upper":1.5,"annotate":true}"#;

    fn rule() -> Rule {
        let engine = Engine::new(Limits::default()).expect("an engine");
        Rule::load(&engine, DEFAULT_RULE).expect("the default rule")
    }

    /// So many records, of which some are flagged and some fail.
    fn payloads(records: usize) -> Vec<Vec<u8>> {
        let note = "x".repeat(1000);
        let payload = |n: usize| match n % 7 {
            3 => b"{}".to_vec(),
            _ => format!(r#"{{"ANOMALY_SCORE":{},"note":"{note}"}}"#, n % 3).into_bytes(),
        };
        (0..records).map(payload).collect()
    }

    #[test]
    fn the_outcome_is_that_of_the_whole_batch() {
        let mut source = Threshold::open(Settings::parse(SETTINGS).expect("JSON")).expect("opened");
        let filter = rule().open(SETTINGS).expect("an opened rule");
        assert_agreement(&filter, &mut source, Encoding::Plain, &payloads(3000), 0);
    }

    #[test]
    fn a_large_batch_takes_no_more_memory_than_a_small_one() {
        let filter = rule().open(SETTINGS).expect("an opened rule");
        let memory_for = |records| {
            let mut batch = Batch::with_capacity(Encoding::Plain, records, 0);
            payloads(records).iter().for_each(|payload| batch.push(payload));
            filter.classify_isolating(&batch, None).memory_bytes
        };
        let least = memory_for(1);
        assert_eq!(memory_for(6000), least);
        assert!(least <= 512 << 10, "{least} bytes");
    }
}
