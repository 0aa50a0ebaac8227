//! Dead letters to Amazon SQS, with `SendMessageBatch`.
//!
//! Source of the limits: Amazon SQS API Reference, `SendMessageBatch`; Amazon SQS Developer Guide,
//! "Amazon SQS message quotas".

use std::sync::Arc;
use std::time::Instant;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::{DeadLetter, DeadLetterQueue};
use crate::alert;
use crate::aws::{self, Answer, Destination, Entry, Line, RequestFailure, entry_failure, fifo_id};
use crate::receipt::PublishError;

/// What is put into one request, in bytes: queues that were made before the larger limit take no
/// more.
const MAX_REQUEST_BYTES: usize = 256 << 10;

/// The largest message, in bytes.
const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// An Amazon SQS queue for dead letters. The message is the letter as a JSON document.
#[derive(Clone, Debug)]
pub struct SqsQueue {
    client: Client,
    url: String,
    line: Arc<Line>,
}

/// A letter, ready to be sent.
pub(crate) struct SqsEntry {
    index: usize,
    body: String,
    group: String,
    deduplication_id: String,
}

impl SqsQueue {
    /// Connects to the queue at `url` as the environment says: credentials, profile, region and
    /// endpoint are found as every AWS SDK finds them. Where the URL names a region, it is that one.
    ///
    /// # Errors
    ///
    /// If `url` is not that of a queue.
    pub async fn connect(url: &str) -> Result<Self, InvalidQueue> {
        let invalid = || InvalidQueue(url.to_owned());
        let (_, rest) = url.split_once("://").ok_or_else(invalid)?;
        let (host, path) = rest.split_once('/').ok_or_else(invalid)?;
        if path.split('/').count() < 2 {
            return Err(invalid());
        }
        let region = host.strip_prefix("sqs.").and_then(|rest| rest.split('.').next());
        let config = aws::configuration(region.map(str::to_owned)).await;
        Ok(Self::with_client(Client::new(&config), url))
    }

    /// The queue at `url`, reached through a client that is set up already. The client should make
    /// one attempt at a request: what is sent again is decided here.
    pub fn with_client(client: Client, url: &str) -> Self {
        Self { client, url: url.to_owned(), line: Arc::new(Line::new(url)) }
    }
}

impl SqsEntry {
    fn new(index: usize, letter: &DeadLetter) -> Result<Self, PublishError> {
        let body = serde_json::to_string(letter).expect("texts are JSON");
        // The only characters that JSON leaves as they are and SQS does not take.
        let body = body.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff");
        if body.len() > MAX_MESSAGE_BYTES {
            return Err(PublishError::Rejected(format!(
                "the letter has {} bytes, a queue takes {MAX_MESSAGE_BYTES}",
                body.len()
            )));
        }
        let DeadLetter { source, record, data, .. } = letter;
        let identity = [source, record, data].map(|part| part.as_bytes());
        Ok(Self { index, body, group: fifo_id(source), deduplication_id: alert::digest(identity) })
    }
}

impl Entry for SqsEntry {
    fn index(&self) -> usize {
        self.index
    }

    fn bytes(&self) -> usize {
        self.body.len()
    }
}

impl Destination for SqsQueue {
    type Entry = SqsEntry;

    fn line(&self) -> &Line {
        &self.line
    }

    async fn request(&self, entries: &[SqsEntry]) -> Answer {
        let fifo = self.url.ends_with(".fifo");
        let entry = |(id, entry): (usize, &SqsEntry)| {
            let request = SendMessageBatchRequestEntry::builder()
                .id(id.to_string())
                .message_body(&entry.body);
            let request = match fifo {
                false => request,
                true => request
                    .message_group_id(&entry.group)
                    .message_deduplication_id(&entry.deduplication_id),
            };
            request.build().expect("id and body are set")
        };
        let out = entries.iter().enumerate().map(entry).collect();
        let request = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(out));
        let answer = request.send().await.map_err(|error| RequestFailure::of(&error, &self.url))?;
        let confirmed = answer.successful().iter().map(|entry| (Some(entry.id()), Ok(())));
        let failed = answer.failed().iter().map(|entry| {
            let failure = entry_failure(entry.code(), entry.message(), entry.sender_fault());
            (Some(entry.id()), Err(failure))
        });
        Ok(aws::by_id(entries.len(), confirmed.chain(failed), "SQS"))
    }
}

impl DeadLetterQueue for SqsQueue {
    fn send(
        &self,
        letters: Vec<DeadLetter>,
        deadline: Option<Instant>,
    ) -> BoxFuture<'_, Vec<Result<(), PublishError>>> {
        async move {
            let mut results = vec![None; letters.len()];
            let mut entries = Vec::with_capacity(letters.len());
            for (index, letter) in letters.iter().enumerate() {
                match SqsEntry::new(index, letter) {
                    Ok(entry) => entries.push(entry),
                    Err(error) => results[index] = Some(Err(error)),
                }
            }
            aws::send(self, entries, MAX_REQUEST_BYTES, false, results, deadline).await
        }
        .boxed()
    }
}

/// What is not the URL of a queue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the URL of an SQS queue (https://sqs.REGION.amazonaws.com/ACCOUNT/NAME): {0:?}")]
pub struct InvalidQueue(String);
