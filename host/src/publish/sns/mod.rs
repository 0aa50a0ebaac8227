//! Publishing to Amazon SNS, with `PublishBatch`.
//!
//! Source of the limits: Amazon SNS API Reference, `PublishBatch`, `PublishBatchRequestEntry`.

mod dry_run;

mod entry;

use std::sync::Arc;
use std::time::Instant;

use aws_sdk_sns::Client;
use aws_sdk_sns::types::PublishBatchRequestEntry;

use super::{PublishError, Publisher};
use crate::alert::Alert;
use crate::aws::{self, Answer, Destination, Line, RequestFailure, entry_failure, fifo_id};
use entry::{Attribute, SnsEntry};

pub use dry_run::DryRun;
pub use entry::{InvalidSubject, check_subject};

/// The most that SNS takes in one request by default: all messages, with their attributes. Bytes.
pub const DEFAULT_MAX_BYTES: usize = 256 << 10;

/// The group of messages on a FIFO topic that have none of their own.
const DEFAULT_GROUP: &str = "weir";

/// An Amazon SNS topic. A clone is the same topic, with the same knowledge of whether it can be
/// reached.
#[derive(Clone, Debug)]
pub struct SnsTopic {
    client: Client,
    arn: String,
    max_bytes: usize,
    line: Arc<Line>,
}

impl SnsTopic {
    /// Connects to the topic `arn`, in its region, as the environment says: credentials, profile and
    /// endpoint are found as every AWS SDK finds them.
    ///
    /// `max_bytes` is the most that the topic takes in one request, and so in one message.
    ///
    /// # Errors
    ///
    /// If `arn` is not that of an SNS topic.
    pub async fn connect(arn: &str, max_bytes: usize) -> Result<Self, InvalidTopic> {
        let region = region_of(arn)?.to_owned();
        let config = aws::configuration(Some(region)).await;
        Ok(Self::with_client(Client::new(&config), arn, max_bytes))
    }

    /// The topic `arn`, reached through a client that is set up already. The client should make one
    /// attempt at a request: what is sent again is decided here.
    pub fn with_client(client: Client, arn: &str, max_bytes: usize) -> Self {
        Self { client, arn: arn.to_owned(), max_bytes, line: Arc::new(Line::new(arn)) }
    }

    /// Whether it is a FIFO topic: it keeps the order within a group, and drops what it has had.
    pub fn is_fifo(&self) -> bool {
        self.arn.ends_with(".fifo")
    }

    fn request_entry(&self, id: usize, entry: &SnsEntry) -> PublishBatchRequestEntry {
        let attribute = |attribute: &Attribute| (attribute.name.to_owned(), attribute.value());
        let request = PublishBatchRequestEntry::builder()
            .id(id.to_string())
            .subject(&entry.subject)
            .message(&entry.message)
            .set_message_attributes(Some(entry.attributes.iter().map(attribute).collect()));
        let request = match self.is_fifo() {
            false => request,
            true => request
                .message_group_id(fifo_id(entry.group.as_deref().unwrap_or(DEFAULT_GROUP)))
                .message_deduplication_id(fifo_id(&entry.deduplication_id)),
        };
        request.build().expect("id and message are set")
    }
}

impl Publisher for SnsTopic {
    fn keeps_order(&self) -> bool {
        self.is_fifo()
    }

    async fn publish(
        &self,
        alerts: Vec<Alert>,
        deadline: Option<Instant>,
    ) -> Vec<Result<(), PublishError>> {
        let mut results = vec![None; alerts.len()];
        let mut entries = Vec::with_capacity(alerts.len());
        for (index, alert) in alerts.into_iter().enumerate() {
            match SnsEntry::new(index, alert, self.max_bytes) {
                Ok(entry) => entries.push(entry),
                Err(reason) => results[index] = Some(Err(PublishError::Rejected(reason))),
            }
        }
        aws::send(self, entries, self.max_bytes, self.is_fifo(), results, deadline).await
    }
}

impl Destination for SnsTopic {
    type Entry = SnsEntry;

    fn line(&self) -> &Line {
        &self.line
    }

    async fn request(&self, entries: &[SnsEntry]) -> Answer {
        let entries_out = entries.iter().enumerate();
        let entries_out = entries_out.map(|(id, entry)| self.request_entry(id, entry)).collect();
        let request = self.client.publish_batch().topic_arn(&self.arn);
        let answer = request
            .set_publish_batch_request_entries(Some(entries_out))
            .send()
            .await
            .map_err(|error| RequestFailure::of(&error, &self.arn))?;
        let confirmed = answer.successful().iter().map(|entry| (entry.id(), Ok(())));
        let failed = answer.failed().iter().map(|entry| {
            let failure = entry_failure(entry.code(), entry.message(), entry.sender_fault());
            (Some(entry.id()), Err(failure))
        });
        Ok(aws::by_id(entries.len(), confirmed.chain(failed), "SNS"))
    }
}

/// What is not the ARN of a topic that can be published to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTopic {
    /// It has another form.
    #[error("not the ARN of an SNS topic (arn:aws:sns:REGION:ACCOUNT:NAME): {0:?}")]
    NotAnArn(String),
}

/// The region in the ARN of a topic.
fn region_of(arn: &str) -> Result<&str, InvalidTopic> {
    let parts: Vec<_> = arn.split(':').collect();
    match parts[..] {
        ["arn", partition, "sns", region, account, name]
            if ![partition, region, account, name].contains(&"") =>
        {
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
    }
}
