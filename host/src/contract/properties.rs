//! What holds for any records, whichever contract they come by.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Answer, Contract, Disposal, Event, FailureCause, Onward, Origin};
use crate::batch::Payloads;
use crate::fuzzing;

/// An event of a contract with these ids and data.
fn event(contract: Contract, records: &[(String, String)]) -> String {
    let data = |text: &str| base64_simd::STANDARD.encode_to_string(text);
    let records = records.iter().map(|(id, text)| match contract {
        Contract::Kinesis => {
            json!({ "kinesis": { "sequenceNumber": id, "data": data(text), "partitionKey": text } })
        }
        Contract::Sqs => json!({ "messageId": id, "body": text }),
        _ => json!({ "recordId": id, "data": data(text) }),
    });
    let records: Vec<Value> = records.collect();
    match contract {
        Contract::Kinesis | Contract::Sqs => json!({ "Records": records }).to_string(),
        _ => json!({ "records": records }).to_string(),
    }
}

fn contract() -> impl Strategy<Value = Contract> {
    prop::sample::select(vec![
        Contract::AnalyticsOutput,
        Contract::AnalyticsInput,
        Contract::Firehose,
        Contract::Kinesis,
        Contract::Sqs,
    ])
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        Just(Answer::Done),
        Just(Answer::Published { score: Some(1.5), crossed: None }),
        Just(Answer::Dropped),
        Just(Answer::Disposed { reason: "r".to_owned(), disposal: Disposal::Drop }),
        Just(Answer::transient(FailureCause::Record, "t")),
        Just(Answer::permanent(FailureCause::Record, "p")),
    ]
}

/// Ids of any text, or numbers with leading zeros, each once; data of any text.
fn records(contract: Contract) -> impl Strategy<Value = Vec<(String, String)>> {
    let ids = if contract == Contract::Kinesis { "[0-9]{1,40}" } else { ".{0,12}" };
    prop::collection::hash_map(ids, ".{0,40}", 0..40).prop_map(|map| map.into_iter().collect())
}

proptest! {
    #[test]
    fn each_record_is_answered_once_in_order_by_what_became_of_it(
        (contract, records, answers) in contract().prop_flat_map(|contract| {
            (Just(contract), records(contract), prop::collection::vec(answer(), 40))
        }),
    ) {
        let body = event(contract, &records);
        fuzzing::envelope(body.as_bytes());
        fuzzing::agreement(body.as_bytes());

        let (event, batch) = Event::read(Some(contract), body.as_bytes(), &Origin::default())
            .expect("an event");
        prop_assert_eq!(batch.len(), records.len());
        for entry in 0..batch.len() {
            let data = event.data(entry).map(|data| data.into_owned().into_bytes());
            prop_assert_eq!(batch.payload(entry), data.as_deref(), "each is its record's data");
        }
        let ids: Vec<_> = (0..event.len()).map(|record| event.id(record)).collect();
        let ids: Vec<&str> = ids.iter().map(|id| &**id).collect();
        if contract == Contract::Kinesis {
            let number = |id: &&str| id.trim_start_matches('0').to_owned();
            let numbers: Vec<String> = ids.iter().map(number).collect();
            prop_assert!(numbers.is_sorted_by_key(|number| (number.len(), number.clone())));
        } else {
            prop_assert!(ids.iter().eq(records.iter().map(|(id, _)| id)), "as they came");
        }

        let mut answers = event.answers(answers[..records.len()].to_vec(), Vec::new());
        let rewritten: Payloads =
            answers.iter().map(|_| Some(b"rewritten".to_vec())).collect();
        let onward = Onward { rewritten: Some(&rewritten), ..Onward::default() };
        prop_assert!(event.fit(&mut answers, &onward).is_empty());
        let response: Value =
            serde_json::from_slice(&event.respond(&answers, &onward)).expect("JSON");
        let failed: Vec<&str> = ids
            .iter()
            .zip(&answers)
            .filter(|(_, answer)| matches!(answer, Answer::Failed { .. }))
            .map(|(id, _)| *id)
            .collect();
        let answered = match contract {
            Contract::Kinesis | Contract::Sqs => {
                response["batchItemFailures"].as_array().expect("a list").iter().collect::<Vec<_>>()
            }
            _ => {
                let all = response["records"].as_array().expect("a list");
                prop_assert!(all.iter().map(|one| one["recordId"].as_str()).eq(ids.iter().map(|id| Some(*id))));
                all.iter().filter(|one| one["result"] != "Ok" && one["result"] != "Dropped").collect()
            }
        };
        let id = |one: &&Value| one["itemIdentifier"].as_str().or(one["recordId"].as_str()).map(str::to_owned);
        let answered: Vec<_> = answered.iter().filter_map(id).collect();
        prop_assert_eq!(answered, failed);
    }
}
