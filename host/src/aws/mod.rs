//! What requests of many messages to AWS have in common, whichever service takes them: how they are
//! packed, what is sent again, and when a service counts as away.

mod breaker;

mod failure;

mod pack;

mod retry;

use std::future::Future;
use std::time::{Duration, Instant};

use aws_config::meta::region::RegionProviderChain;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use futures_util::{StreamExt, stream};
use tokio::sync::Semaphore;

use crate::digest::sha256_hex;
use crate::receipt::PublishError;

pub(crate) use breaker::Breaker;
pub(crate) use failure::{RequestFailure, entry_failure};

/// How many requests of one event are under way at once.
const REQUESTS_OF_AN_EVENT: usize = 8;

/// How many requests to one destination are under way at once.
const REQUESTS_AT_ALL: usize = 32;

/// How long one attempt at a request may take before it is given up and made again.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one attempt to read or write a state may take: it has a few megabytes at the most.
#[cfg(any(feature = "s3", feature = "dynamodb"))]
const STATE_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long all of them may take: a batch waits for it.
#[cfg(any(feature = "s3", feature = "dynamodb"))]
pub(crate) const STATE_TIMEOUT: Duration = Duration::from_secs(6);

/// What becomes of the entries of a request: one result each, in order, or a failure of them all.
pub(crate) type Answer = Result<Vec<Result<(), PublishError>>, RequestFailure>;

/// Where requests of many entries go.
pub(crate) trait Destination: Sync {
    /// One message.
    type Entry: Entry;

    /// Makes one request.
    fn request(&self, entries: &[Self::Entry]) -> impl Future<Output = Answer> + Send;

    /// What it has in common for all events.
    fn line(&self) -> &Line;
}

/// A message that fits the rules of its service.
pub(crate) trait Entry: Send + Sync {
    /// Its index among the messages to send.
    fn index(&self) -> usize;

    /// What it counts for in a request, in bytes.
    fn bytes(&self) -> usize;
}

/// What a destination is reached by: known to all who send to it.
#[derive(Debug)]
pub(crate) struct Line {
    breaker: Breaker,
    requests: Semaphore,
}

impl Line {
    pub(crate) fn new(destination: &str) -> Self {
        Self { breaker: Breaker::new(destination), requests: Semaphore::new(REQUESTS_AT_ALL) }
    }
}

/// Sends messages: one result each, in order. A message that is not among the entries has its
/// result already.
///
/// In order, each request waits for the one before it.
pub(crate) async fn send<D: Destination>(
    destination: &D,
    entries: Vec<D::Entry>,
    max_bytes: usize,
    in_order: bool,
    mut results: Vec<Option<Result<(), PublishError>>>,
    deadline: Option<Instant>,
) -> Vec<Result<(), PublishError>> {
    let at_once = if in_order { 1 } else { REQUESTS_OF_AN_EVENT };
    let mut answers = stream::iter(pack::pack(entries, max_bytes))
        .map(|entries| retry::send(destination, entries, deadline))
        .buffer_unordered(at_once);
    while let Some(answer) = answers.next().await {
        for (index, result) in answer {
            results[index] = Some(result);
        }
    }
    let unanswered = || Err(PublishError::Unconfirmed("it was not attempted".to_owned()));
    results.into_iter().map(|result| result.unwrap_or_else(unanswered)).collect()
}

/// The results of a request's entries, whose ids are their places in it. An id that is not mentioned
/// counts as failed.
pub(crate) fn by_id<'a>(
    entries: usize,
    answers: impl Iterator<Item = (Option<&'a str>, Result<(), PublishError>)>,
    service: &str,
) -> Vec<Result<(), PublishError>> {
    let unmentioned = format!("{service} did not say what became of it");
    let mut results = vec![Err(PublishError::Unconfirmed(unmentioned)); entries];
    for (id, answer) in answers {
        let place = id.and_then(|id| id.parse::<usize>().ok());
        if let Some(result) = place.and_then(|place| results.get_mut(place)) {
            *result = answer;
        }
    }
    results
}

/// The configuration of a client, as the environment says: credentials, profile, region and endpoint
/// are found as every AWS SDK finds them. But what is known to be in a region is reached there.
///
/// The SDK itself makes one attempt: what is sent again is decided in one place, which knows of
/// entries.
pub(crate) async fn configuration(region: Option<String>) -> SdkConfig {
    let region = RegionProviderChain::first_try(region.map(Region::new)).or_default_provider();
    aws_config::defaults(BehaviorVersion::latest())
        .region(region)
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build())
        .load()
        .await
}

/// The configuration of a client whose requests are one thing each: what is sent again is the SDK's
/// to decide.
#[cfg(any(feature = "s3", feature = "dynamodb"))]
pub(crate) async fn retrying_configuration() -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(STATE_ATTEMPT_TIMEOUT)
        .operation_timeout(STATE_TIMEOUT)
        .build();
    let configuration = configuration(None).await.into_builder();
    configuration.retry_config(RetryConfig::standard()).timeout_config(timeouts).build()
}

/// A client of Amazon S3, or of what speaks its API.
#[cfg(feature = "s3")]
pub(crate) fn s3_client(configuration: &SdkConfig) -> aws_sdk_s3::Client {
    // What is not Amazon's own seldom has a host name for each bucket.
    let elsewhere = configuration.endpoint_url().is_some();
    let builder = aws_sdk_s3::config::Builder::from(configuration).force_path_style(elsewhere);
    aws_sdk_s3::Client::from_conf(builder.build())
}

/// An id that FIFO topics and queues take for a group or for deduplication: the text itself, or its
/// SHA-256 where it is too long or has other characters.
///
/// Source: Amazon SNS API Reference, `PublishBatchRequestEntry`: 128 characters, alphanumeric and
/// punctuation.
pub(crate) fn fifo_id(text: &str) -> String {
    let fits = (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    match fits {
        true => text.to_owned(),
        false => sha256_hex(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_does_not_fit_is_hashed() {
        assert_eq!(fifo_id("patient:7"), "patient:7");
        assert_eq!(fifo_id(&"x".repeat(128)).len(), 128);
        for text in ["", "two words", "ü", &"x".repeat(129)] {
            let id = fifo_id(text);
            assert_eq!(id.len(), 64, "{text:?}");
            assert_eq!(fifo_id(text), id);
        }
    }
}
