use std::error::Error as _;
use std::time::{Duration, Instant};

use aws_sdk_sns::Client;
use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sns::operation::publish_batch::PublishBatchError;
use aws_sdk_sns::types::{BatchResultErrorEntry, PublishBatchRequestEntry};
use backon::{BackoffBuilder, ExponentialBuilder};

use super::entry::{Attribute, Entry};
use crate::publish::PublishError;

/// How often entries that fail are sent again. Each attempt has the SDK's own retries in it, which
/// see to requests that fail as a whole.
const RETRIES: usize = 3;

/// What became of an alert, by its index.
type Results = Vec<(usize, Result<(), PublishError>)>;

/// The entries of one request.
pub(super) struct Batch {
    entries: Vec<Entry>,
    /// Why each entry is not confirmed yet.
    reasons: Vec<PublishError>,
}

impl Batch {
    pub(super) fn new(entries: Vec<Entry>) -> Self {
        let unsent = || PublishError::Unconfirmed("the deadline came first".to_owned());
        let reasons = entries.iter().map(|_| unsent()).collect();
        Self { entries, reasons }
    }
}

/// Sends a batch until every entry is confirmed or refused, the retries are used up, or the
/// deadline comes. Entries that fail are sent again alone.
pub(super) async fn send(
    client: &Client,
    topic: &str,
    mut batch: Batch,
    deadline: Option<Instant>,
) -> Results {
    let mut results = Vec::with_capacity(batch.entries.len());
    let attempts = attempts(client, topic, &mut batch, &mut results);
    match deadline {
        None => attempts.await,
        // What is left in the batch then has its reason.
        Some(deadline) => {
            let _ = tokio::time::timeout_at(deadline.into(), attempts).await;
        }
    }
    let left = batch.entries.into_iter().zip(batch.reasons);
    results.extend(left.map(|(entry, reason)| (entry.index, Err(reason))));
    results
}

async fn attempts(client: &Client, topic: &str, batch: &mut Batch, results: &mut Results) {
    let backoff = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_times(RETRIES)
        .with_jitter();
    let mut delays = backoff.build();
    loop {
        let answer = request(client, topic, &batch.entries).await;
        let entries = std::mem::take(&mut batch.entries);
        batch.reasons.clear();
        for (entry, result) in entries.into_iter().zip(answer) {
            match result {
                Err(reason @ PublishError::Unconfirmed(_)) => {
                    batch.entries.push(entry);
                    batch.reasons.push(reason);
                }
                settled => results.push((entry.index, settled)),
            }
        }
        match delays.next() {
            Some(delay) if !batch.entries.is_empty() => {
                tracing::debug!(entries = batch.entries.len(), ?delay, "publishing again");
                tokio::time::sleep(delay).await;
            }
            _ => return,
        }
    }
}

/// One request: one result an entry, in order.
async fn request(client: &Client, topic: &str, entries: &[Entry]) -> Vec<Result<(), PublishError>> {
    let request = client.publish_batch().topic_arn(topic).set_publish_batch_request_entries(Some(
        entries.iter().enumerate().map(|(id, entry)| request_entry(id, entry)).collect(),
    ));
    match request.send().await {
        Err(error) => {
            let error = failed_request(&error, topic);
            entries.iter().map(|_| Err(error.clone())).collect()
        }
        Ok(answer) => {
            // An id in neither list counts as failed.
            let unmentioned =
                || Err(PublishError::Unconfirmed("SNS did not say what became of it".to_owned()));
            let mut results: Vec<_> = entries.iter().map(|_| unmentioned()).collect();
            let slot = |id: Option<&str>| id.and_then(|id| id.parse::<usize>().ok());
            for confirmed in answer.successful() {
                if let Some(result) = slot(confirmed.id()).and_then(|id| results.get_mut(id)) {
                    *result = Ok(());
                }
            }
            for failed in answer.failed() {
                if let Some(result) = slot(Some(failed.id())).and_then(|id| results.get_mut(id)) {
                    *result = Err(failed_entry(failed));
                }
            }
            results
        }
    }
}

fn request_entry(id: usize, entry: &Entry) -> PublishBatchRequestEntry {
    let attribute = |attribute: &Attribute| (attribute.name.to_owned(), attribute.value());
    PublishBatchRequestEntry::builder()
        .id(id.to_string())
        .subject(&entry.subject)
        .message(&entry.message)
        .set_message_attributes(Some(entry.attributes.iter().map(attribute).collect()))
        .build()
        .expect("id and message are set")
}

/// An entry that SNS refuses for the sender's fault never succeeds as it is.
fn failed_entry(failed: &BatchResultErrorEntry) -> PublishError {
    let reason = format!("{}: {}", failed.code(), failed.message().unwrap_or("no message"));
    match failed.sender_fault() {
        true => PublishError::Rejected(reason),
        false => PublishError::Unconfirmed(reason),
    }
}

fn failed_request(error: &SdkError<PublishBatchError>, topic: &str) -> PublishError {
    let reason = match error.as_service_error() {
        Some(service) => format!(
            "{}: {}",
            service.code().unwrap_or("error"),
            service.message().unwrap_or("no message")
        ),
        None => chain(error),
    };
    let reason = format!("{topic}: {reason}");
    match error.raw_response().map(|response| response.status().as_u16()) {
        // Throttling has several names and comes with 400 or with 429.
        Some(400..=499) if !throttled(error) => PublishError::Rejected(reason),
        _ => PublishError::Unconfirmed(reason),
    }
}

fn throttled(error: &SdkError<PublishBatchError>) -> bool {
    error.raw_response().is_some_and(|response| matches!(response.status().as_u16(), 408 | 429))
        || error.code().is_some_and(|code| code.to_ascii_lowercase().contains("throttl"))
}

/// An error with all that caused it: the SDK's own words stop at "dispatch failure".
fn chain(error: &SdkError<PublishBatchError>) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
