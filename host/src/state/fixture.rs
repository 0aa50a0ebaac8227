//! What tests have to do with: a rule that keeps state, and records of shards.

use std::sync::Arc;
use std::time::Duration;

use crate::batch::Batch;
use crate::contract::{Contract, Event, Origin, Share};
use crate::filter::Filter;
use crate::{Engine, FOREST_RULE, Limits, Rule};

/// A rule that keeps state.
pub(super) fn filter() -> Arc<Filter> {
    let limits = Limits { time: Duration::from_millis(500), ..Limits::default() };
    let engine = Engine::new(limits).expect("an engine");
    let rule = Rule::load(&engine, FOREST_RULE).expect("a rule");
    Arc::new(rule.open(r#"{"upper":1.5}"#).expect("an opened rule"))
}

/// What a shard holds of an event with one record: `{"pulse":1}`.
pub(super) fn share(shard: &str, number: u64) -> (Share, Batch) {
    let body = format!(
        r#"{{"Records":[{{"eventID":"{shard}:{number}","eventSourceARN":"arn:s","kinesis":{{"sequenceNumber":"{number}","data":"eyJwdWxzZSI6MX0="}}}}]}}"#
    );
    read(Contract::Kinesis, &body, &Origin::default())
}

/// What a file holds of an event with one line.
pub(super) fn line(origin: Origin<'_>) -> (Share, Batch) {
    read(Contract::Ndjson, r#"{"pulse":1}"#, &origin)
}

fn read(contract: Contract, body: &str, origin: &Origin<'_>) -> (Share, Batch) {
    let (event, batch) = Event::read(Some(contract), body.as_bytes(), origin).expect("an event");
    (event.shares(&batch).remove(0), batch)
}
