//! Publishing to Amazon SNS, with `PublishBatch`.
//!
//! Source of the limits: Amazon SNS API Reference, `PublishBatch`, `PublishBatchRequestEntry`.

mod entry;

mod pack;

mod send;

use std::time::{Duration, Instant};

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_sns::Client;
use futures_util::{StreamExt, stream};

use super::{PublishError, Publisher};
use crate::alert::Alert;
use entry::Entry;
use send::{Batch, send};

pub use entry::{InvalidSubject, check_subject};

/// The most that SNS takes in one request by default: all messages, with their attributes. Bytes.
pub const DEFAULT_MAX_BYTES: usize = 256 << 10;

/// How many requests of one event are under way at once.
const CONCURRENT_REQUESTS: usize = 8;

/// How long one attempt at a request may take before it is given up and made again.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// An Amazon SNS topic.
#[derive(Clone, Debug)]
pub struct SnsTopic {
    client: Client,
    arn: String,
    max_bytes: usize,
}

impl SnsTopic {
    /// Connects to the topic `arn` as the environment says: credentials, profile, region and
    /// endpoint are found as every AWS SDK finds them. Where no region is set, it is the topic's.
    ///
    /// `max_bytes` is the most that the topic takes in one request, and so in one message.
    ///
    /// # Errors
    ///
    /// If `arn` is not that of a standard SNS topic.
    pub async fn connect(arn: &str, max_bytes: usize) -> Result<Self, InvalidTopic> {
        let region = region_of(arn)?;
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(
                aws_config::meta::region::RegionProviderChain::default_provider()
                    .or_else(Region::new(region.to_owned())),
            )
            .timeout_config(
                TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build(),
            )
            .load()
            .await;
        Ok(Self::with_client(Client::new(&config), arn, max_bytes))
    }

    /// The topic `arn`, reached through a client that is set up already.
    pub fn with_client(client: Client, arn: &str, max_bytes: usize) -> Self {
        Self { client, arn: arn.to_owned(), max_bytes }
    }
}

impl Publisher for SnsTopic {
    async fn publish(
        &self,
        alerts: Vec<Alert>,
        deadline: Option<Instant>,
    ) -> Vec<Result<(), PublishError>> {
        let mut results: Vec<Option<Result<(), PublishError>>> = vec![None; alerts.len()];
        let mut entries = Vec::with_capacity(alerts.len());
        for (index, alert) in alerts.into_iter().enumerate() {
            match Entry::new(index, alert, self.max_bytes) {
                Ok(entry) => entries.push(entry),
                Err(reason) => results[index] = Some(Err(PublishError::Rejected(reason))),
            }
        }

        let batches = pack::pack(entries, self.max_bytes);
        let mut answers = stream::iter(batches)
            .map(|entries| send(&self.client, &self.arn, Batch::new(entries), deadline))
            .buffer_unordered(CONCURRENT_REQUESTS);
        while let Some(answer) = answers.next().await {
            for (index, result) in answer {
                results[index] = Some(result);
            }
        }
        let unanswered = || Err(PublishError::Unconfirmed("it was not attempted".to_owned()));
        results.into_iter().map(|result| result.unwrap_or_else(unanswered)).collect()
    }
}

/// What is not the ARN of a topic that can be published to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTopic {
    /// It has another form.
    #[error("not the ARN of an SNS topic (arn:aws:sns:REGION:ACCOUNT:NAME): {0:?}")]
    NotAnArn(String),
    /// FIFO topics need a message group, which alerts do not have yet.
    #[error("{0:?} is a FIFO topic; only standard topics can be published to")]
    Fifo(String),
}

/// The region in the ARN of a topic.
fn region_of(arn: &str) -> Result<&str, InvalidTopic> {
    let parts: Vec<_> = arn.split(':').collect();
    match parts[..] {
        ["arn", partition, "sns", region, account, name]
            if ![partition, region, account, name].contains(&"") =>
        {
            if name.ends_with(".fifo") {
                return Err(InvalidTopic::Fifo(arn.to_owned()));
            }
            Ok(region)
        }
        _ => Err(InvalidTopic::NotAnArn(arn.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_told_by_its_arn() {
        assert_eq!(region_of("arn:aws:sns:eu-west-1:123456789012:alarms"), Ok("eu-west-1"));
        assert_eq!(region_of("arn:aws-cn:sns:cn-north-1:123456789012:a"), Ok("cn-north-1"));
        for wrong in ["", "alarms", "arn:aws:sqs:eu-west-1:123456789012:q", "arn:aws:sns::1:a"] {
            assert!(matches!(region_of(wrong), Err(InvalidTopic::NotAnArn(_))), "{wrong}");
        }
        let fifo = region_of("arn:aws:sns:eu-west-1:123456789012:alarms.fifo");
        assert!(matches!(fifo, Err(InvalidTopic::Fifo(_))));
    }
}
