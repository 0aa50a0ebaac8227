//! What must hold for any bytes that come in: the bodies of the fuzz targets in `fuzz/`. A test runs
//! them on the corpus that is kept there.

use std::collections::HashSet;

use serde_json::Value;

use crate::contract::{Answer, Contract, Event, FailureCause, Onward, Origin, unpack};

/// Reads bytes as an event of every contract, and checks that the answer names each record once, in
/// order.
///
/// # Panics
///
/// If it does not.
pub fn envelope(bytes: &[u8]) {
    let _ = Contract::detect(bytes);
    for contract in Contract::ALL {
        let read = Event::read(Some(contract), bytes, &Origin::default());
        let Ok((event, batch)) = read else { continue };
        let ids: Vec<String> = (0..event.len()).map(|record| event.id(record).into()).collect();
        let entries: Vec<usize> = (0..batch.len()).map(|entry| event.record_of(entry)).collect();
        assert!(entries.is_sorted() && entries.iter().all(|&record| record < event.len()));
        let entry_ids: HashSet<_> = (0..batch.len()).map(|entry| event.entry_id(entry)).collect();
        assert_eq!(entry_ids.len(), batch.len(), "every entry has an id of its own");
        (0..batch.len()).for_each(|entry| drop(event.key(entry)));
        let failed = vec![Answer::transient(FailureCause::Record, "no"); batch.len()];
        let unreadable = event.unreadable().iter().map(|(_, answer)| answer.clone()).collect();
        let answers = event.answers(failed, unreadable);
        let response = event.respond(&answers, &Onward::default());
        // A record that holds nothing has nothing that could fail.
        let failed = answers.iter().map(|answer| matches!(answer, Answer::Failed { .. }));
        let expected = ids.into_iter().zip(failed);
        let expected: Vec<String> = match contract {
            Contract::Kinesis | Contract::Sqs => {
                expected.filter(|(_, failed)| *failed).map(|(id, _)| id).collect()
            }
            _ => expected.map(|(id, _)| id).collect(),
        };
        assert_eq!(answered(contract, &response), expected, "{contract}");
    }
}

/// The ids that an answer names, in order.
fn answered(contract: Contract, response: &[u8]) -> Vec<String> {
    let documents: Vec<Value> = serde_json::Deserializer::from_slice(response)
        .into_iter()
        .collect::<Result<_, _>>()
        .expect("an answer is JSON");
    let (list, id) = match contract {
        Contract::Ndjson => {
            let id = |line: &Value| line["record"].as_str().map(str::to_owned);
            return documents.iter().map(id).collect::<Option<_>>().expect("ids");
        }
        Contract::Kinesis | Contract::Sqs => ("batchItemFailures", "itemIdentifier"),
        _ => ("records", "recordId"),
    };
    assert_eq!(documents.len(), 1, "one answer");
    let items = documents[0][list].as_array().expect("a list");
    items
        .iter()
        .map(|item| item[id].as_str().map(str::to_owned))
        .collect::<Option<_>>()
        .expect("ids")
}

/// Takes bytes apart as a KPL aggregate: as they are, and with the magic number and the checksum
/// that would keep any from being looked into.
pub fn kpl(bytes: &[u8]) {
    unpack::fuzz_kpl(bytes);
}

/// Inflates bytes as gzip data, within a bound.
///
/// # Panics
///
/// If the bound does not hold.
pub fn gzip(bytes: &[u8]) {
    unpack::fuzz_gzip(bytes);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    #[test]
    fn the_corpus_goes_through() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
        for (target, body) in
            [("envelope", super::envelope as fn(&[u8])), ("kpl", super::kpl), ("gzip", super::gzip)]
        {
            let files = fs::read_dir(corpus.join(target)).expect("a corpus");
            let files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
            assert!(!files.is_empty(), "{target}");
            for file in files {
                body(&fs::read(&file).expect("a file of the corpus"));
            }
        }
    }
}
