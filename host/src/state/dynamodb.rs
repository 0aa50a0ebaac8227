//! States in Amazon DynamoDB. An item has 400 KB at the most, so a state is a head, which has its
//! version, and parts, all written in one transaction on condition of the head's version.
//!
//! | `state` (hash key) | `part` (range key) | | |
//! | --- | --- | --- | --- |
//! | the key | 0 | `version` | `parts`, `bytes` |
//! | the key | 1, 2, … | `version` | `data` |
//!
//! Source: Amazon DynamoDB Developer Guide, "Quotas in Amazon DynamoDB" (400 KB an item),
//! "Managing complex workflows with DynamoDB transactions" (100 items and 4 MB a transaction; a
//! query beside a transaction may see some of its items and not others).

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::timeout;

use super::request::{Denied, Line};
use super::store::{SaveError, StateStore, StoreError, Stored, Version};
use crate::aws::{self, STATE_TIMEOUT};

/// How much of a state is in one item, in bytes: the rest is for keys and version.
const PART_BYTES: usize = 380 << 10;

/// How large a state can be, in bytes: what a transaction takes, less what is around it.
const MAX_BYTES: usize = 4_000_000;

/// How often a state is read again that was replaced in the meantime.
const ATTEMPTS_TO_READ: usize = 3;

/// A table of states, whose hash key is the string `state` and whose range key is the number `part`.
/// A state has 4,000,000 bytes at the most.
#[derive(Clone, Debug)]
pub struct DynamoDbStore {
    client: Client,
    table: String,
    line: Arc<Line>,
}

impl DynamoDbStore {
    /// The store in a table, reached as the environment says: credentials, profile, region and
    /// endpoint are found as every AWS SDK finds them.
    pub async fn connect(table: &str) -> Self {
        Self::with_client(Client::new(&aws::retrying_configuration().await), table)
    }

    /// The same, through a client that is set up already.
    pub fn with_client(client: Client, table: &str) -> Self {
        let line = Arc::new(Line::new(format!("dynamodb://{table}")));
        Self { client, table: table.to_owned(), line }
    }

    async fn get(&self, key: &str, max_bytes: usize) -> Result<Option<Stored>, StoreError> {
        for _ in 0..ATTEMPTS_TO_READ {
            let mut items = Items::default();
            let mut start = None;
            loop {
                let request = self
                    .client
                    .query()
                    .table_name(&self.table)
                    .consistent_read(true)
                    .key_condition_expression("#state = :state")
                    .expression_attribute_names("#state", "state")
                    .expression_attribute_values(":state", AttributeValue::S(key.to_owned()))
                    .set_exclusive_start_key(start)
                    .send();
                let answer = self.line.call(request, |_| false).await.map_err(failed)?;
                answer.items.unwrap_or_default().into_iter().for_each(|item| items.add(item));
                if items.bytes() > max_bytes {
                    return Err(StoreError::too_large(format!("the state {key:?}"), max_bytes));
                }
                start = answer.last_evaluated_key;
                if start.is_none() {
                    break;
                }
            }
            match items.into_state() {
                Ok(state) => return Ok(state),
                Err(Torn) => continue,
            }
        }
        Err(self.line.error(format!("the state {key:?} has parts of different versions")))
    }

    async fn head(&self, key: &str) -> Result<Option<Version>, StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .consistent_read(true)
            .key("state", AttributeValue::S(key.to_owned()))
            .key("part", number(0))
            .send();
        let answer = self.line.call(request, |_| false).await.map_err(failed)?;
        let version = answer.item.as_ref().and_then(|item| item.get("version")?.as_s().ok());
        Ok(version.cloned().map(Version))
    }

    async fn put(
        &self,
        key: &str,
        state: &[u8],
        expected: Option<&Version>,
    ) -> Result<Version, SaveError> {
        if state.len() > MAX_BYTES {
            let bytes = state.len();
            let what = format!("a state has {MAX_BYTES} bytes at the most, this one {bytes}");
            return Err(self.line.error(what).into());
        }
        let parts: Vec<&[u8]> = state.chunks(PART_BYTES).collect();
        // The number of parts tells the next writer what to take away.
        let version = Version(format!("{}-{}", parts.len(), Version::of(state).0));
        let head = self
            .item(key, 0, &version)
            .item("parts", number(parts.len()))
            .item("bytes", number(state.len()))
            .expression_attribute_names("#version", "version");
        let head = match expected {
            None => head.condition_expression("attribute_not_exists(#version)"),
            Some(Version(expected)) => head
                .condition_expression("#version = :expected")
                .expression_attribute_values(":expected", AttributeValue::S(expected.clone())),
        };
        let mut request = self.client.transact_write_items().transact_items(put(head));
        for (index, part) in parts.iter().enumerate() {
            let data = AttributeValue::B(Blob::new(*part));
            let part = self.item(key, index + 1, &version).item("data", data);
            request = request.transact_items(put(part));
        }
        for part in parts.len() + 1..=parts_of(expected) {
            let delete = Delete::builder()
                .table_name(&self.table)
                .key("state", AttributeValue::S(key.to_owned()))
                .key("part", number(part))
                .build()
                .expect("table and key are set");
            request = request.transact_items(TransactWriteItem::builder().delete(delete).build());
        }
        match self.line.call(request.send(), is_conflict).await {
            Ok(_) => Ok(version),
            Err(Denied::Known(_)) => Err(SaveError::Conflict),
            Err(Denied::Failed(error)) => Err(error.into()),
        }
    }

    fn item(
        &self,
        key: &str,
        part: usize,
        version: &Version,
    ) -> aws_sdk_dynamodb::types::builders::PutBuilder {
        Put::builder()
            .table_name(&self.table)
            .item("state", AttributeValue::S(key.to_owned()))
            .item("part", number(part))
            .item("version", AttributeValue::S(version.0.clone()))
    }
}

fn put(item: aws_sdk_dynamodb::types::builders::PutBuilder) -> TransactWriteItem {
    let put = item.build().expect("table and item are set");
    TransactWriteItem::builder().put(put).build()
}

fn number(number: usize) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// How many parts the state of a version has.
fn parts_of(version: Option<&Version>) -> usize {
    let parts = version.and_then(|Version(text)| text.split_once('-')?.0.parse().ok());
    parts.unwrap_or(0).min(MAX_BYTES.div_ceil(PART_BYTES))
}

/// Whether a transaction was given up because the head is of another version.
fn is_conflict(error: &SdkError<TransactWriteItemsError>) -> bool {
    let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) =
        error.as_service_error()
    else {
        return false;
    };
    let mut reasons = canceled.cancellation_reasons().iter();
    reasons.any(|reason| reason.code() == Some("ConditionalCheckFailed"))
}

fn failed<E>(denied: Denied<E>) -> StoreError {
    match denied {
        Denied::Failed(error) => error,
        Denied::Known(_) => StoreError("an answer that is never asked for".to_owned()),
    }
}

type Item = std::collections::HashMap<String, AttributeValue>;

/// The items of a state, as they were read.
#[derive(Default)]
struct Items {
    head: Option<(String, usize)>,
    parts: Vec<(usize, String, Vec<u8>)>,
}

/// Items that are not all of one version.
struct Torn;

impl Items {
    /// Adds an item. What is none of a state's does not count.
    fn add(&mut self, item: Item) {
        let number = |name| item.get(name)?.as_n().ok()?.parse::<usize>().ok();
        let version = item.get("version").and_then(|version| version.as_s().ok()).cloned();
        let (Some(part), Some(version)) = (number("part"), version) else { return };
        match (part, number("parts"), item.get("data").and_then(|data| data.as_b().ok())) {
            (0, Some(parts), _) => self.head = Some((version, parts)),
            (1.., _, Some(data)) => self.parts.push((part, version, data.as_ref().to_vec())),
            _ => {}
        }
    }

    fn bytes(&self) -> usize {
        self.parts.iter().map(|(_, _, data)| data.len()).sum()
    }

    /// The state, if it is whole.
    fn into_state(self) -> Result<Option<Stored>, Torn> {
        let Some((version, parts)) = self.head else {
            return if self.parts.is_empty() { Ok(None) } else { Err(Torn) };
        };
        let is_whole = self.parts.len() == parts
            && self
                .parts
                .iter()
                .zip(1..)
                .all(|((part, of, _), number)| *part == number && *of == version);
        match is_whole {
            true => {
                let bytes = self.parts.into_iter().flat_map(|(_, _, data)| data).collect();
                Ok(Some(Stored { bytes, version: Version(version) }))
            }
            false => Err(Torn),
        }
    }
}

impl StateStore for DynamoDbStore {
    fn load<'a>(
        &'a self,
        key: &'a str,
        max_bytes: usize,
    ) -> BoxFuture<'a, Result<Option<Stored>, StoreError>> {
        // A state may take several requests, each with time of its own.
        timeout(STATE_TIMEOUT, self.get(key, max_bytes))
            .map(|loaded| loaded.unwrap_or_else(|late| Err(self.line.error(late))))
            .boxed()
    }

    fn version<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Version>, StoreError>> {
        self.head(key).boxed()
    }

    fn save<'a>(
        &'a self,
        key: &'a str,
        state: Vec<u8>,
        expected: Option<&'a Version>,
    ) -> BoxFuture<'a, Result<Version, SaveError>> {
        async move { self.put(key, &state, expected).await }.boxed()
    }
}
