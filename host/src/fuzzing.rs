//! What must hold for any bytes that come in: the bodies of the fuzz targets in `fuzz/`. A test runs
//! them on the corpus that is kept there.

mod reference;

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use serde_json::value::RawValue;

use crate::batch::Batch;
use crate::contract::{
    Answer, Contract, EnvelopeError, Event, FailureCause, Onward, Origin, unpack,
};

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

/// Reads bytes as an event of every contract with an envelope, and as one whose contract is told by its
/// shape. Checks that it is accepted, or refused, and holds in all its fields what `serde_json` says.
///
/// # Panics
///
/// If it does not.
pub fn agreement(bytes: &[u8]) {
    // A key by which `serde_json` hands itself something.
    if bytes.windows(RAW_VALUE.len()).any(|window| window == RAW_VALUE) {
        return;
    }
    let known = Contract::ALL.into_iter().filter(|&contract| contract != Contract::Ndjson);
    for contract in known.map(Some).chain([None]) {
        let read = Event::read(contract, bytes, &Origin::default());
        match (read, reference::read(bytes, contract)) {
            (Ok((event, batch)), Ok(expected)) => assert_agreement(&event, &batch, &expected),
            // What else is wrong may come first.
            (Err(_), Err(reference::Refusal::NotJson)) => {}
            (Err(error), Err(reference::Refusal::Otherwise)) => {
                let says_so =
                    matches!(error, EnvelopeError::NotJson(_) | EnvelopeError::NotUtf8(_));
                assert!(!says_so, "{contract:?}: it is JSON: {error}");
            }
            (read, expected) => panic!("{contract:?}: {read:?}, by serde_json: {expected:?}"),
        }
    }
}

const RAW_VALUE: &[u8] = b"$serde_json::private::RawValue";

fn assert_agreement(event: &Event<'_>, batch: &Batch, expected: &reference::Event<'_>) {
    assert_eq!(event.contract, expected.contract);
    assert_eq!(event.source, expected.source);
    assert_eq!(event.len(), expected.records.len());
    for (record, expected) in expected.records.iter().enumerate() {
        assert_eq!(event.id(record), expected.id());
        assert_eq!(event.record_data(record), expected.data);
        assert_eq!(event.record_key(record).as_deref(), expected.key.as_deref());
    }
    for entry in 0..batch.len() {
        let data = &expected.records[event.record_of(entry)].data;
        // Not what was unpacked.
        let is_packed = event.contract != Contract::Sqs && data.starts_with("H4sI");
        if event.data(entry).is_some() && !is_packed {
            assert_eq!(batch.payload(entry), Some(data.as_bytes()));
        }
    }
    for share in event.shares(batch) {
        for entry in share.runs.iter().flat_map(|run| run.entries.clone()) {
            let record = &expected.records[event.record_of(entry)];
            let Some(shard) = &record.shard else { continue };
            let parts = [event.contract.name(), &expected.source, shard];
            let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            assert_eq!(share.partition.as_str(), parts.join(" "));
        }
    }
    // Ids go back byte for byte.
    let failed = vec![Answer::transient(FailureCause::Record, "no"); event.len()];
    let response = event.respond(&failed, &Onward::default());
    let lists: HashMap<&str, Vec<HashMap<&str, &RawValue>>> =
        serde_json::from_slice(&response).expect("an answer is JSON");
    let items = lists.into_values().flatten();
    let id = |item: HashMap<&str, &RawValue>| {
        let id = item.get("recordId").or(item.get("itemIdentifier"));
        id.map(|id| id.get().to_owned())
    };
    assert!(items.map(id).eq(expected.records.iter().map(|record| Some(record.id.to_owned()))));
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
        type Body = fn(&[u8]);
        let targets: [(&str, Body); 4] = [
            ("envelope", super::envelope),
            ("envelope", super::agreement),
            ("kpl", super::kpl),
            ("gzip", super::gzip),
        ];
        for (target, body) in targets {
            let files = fs::read_dir(corpus.join(target)).expect("a corpus");
            let files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
            assert!(!files.is_empty(), "{target}");
            for file in files {
                body(&fs::read(&file).expect("a file of the corpus"));
            }
        }
    }
}
