//! States in Amazon S3, one object each, by conditional writes.
//!
//! Source: Amazon S3 User Guide, "How to prevent object overwrites with conditional writes":
//! `If-None-Match: *` and `If-Match: ETAG`; 412 if the condition does not hold, 409 if another write
//! came at the same time, 404 if the object is gone.

use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ConnectorError, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::timeout;

use super::request::{Denied, Line, status};
use super::store::{SaveError, StateStore, StoreError, Stored, Version};
use crate::aws::{self, STATE_TIMEOUT};

/// A bucket of states, one object each, below a prefix. Versions are entity tags.
#[derive(Clone, Debug)]
pub struct S3Store {
    client: Client,
    bucket: String,
    prefix: String,
    line: Arc<Line>,
}

impl S3Store {
    /// The store in a bucket, reached as the environment says: credentials, profile, region and
    /// endpoint are found as every AWS SDK finds them. The prefix may be empty.
    pub async fn connect(bucket: &str, prefix: &str) -> Self {
        let client = aws::s3_client(&aws::retrying_configuration().await);
        Self::with_client(client, bucket, prefix)
    }

    /// The same, through a client that is set up already.
    pub fn with_client(client: Client, bucket: &str, prefix: &str) -> Self {
        let line = Arc::new(Line::new(format!("s3://{bucket}/{prefix}")));
        Self { client, bucket: bucket.to_owned(), prefix: prefix.to_owned(), line }
    }

    fn object(&self, key: &str) -> String {
        match self.prefix.as_str() {
            "" => key.to_owned(),
            prefix => format!("{prefix}/{key}"),
        }
    }

    async fn get(&self, key: &str, max_bytes: usize) -> Result<Option<Stored>, StoreError> {
        let request = self.client.get_object().bucket(&self.bucket).key(self.object(key)).send();
        // The SDK's timeouts end with the headers of an answer.
        let whole = async {
            let whole = timeout(STATE_TIMEOUT, async {
                let answer = request.await?;
                Ok((answer.e_tag, read(answer.body, max_bytes).await?))
            });
            match whole.await {
                Ok(whole) => whole,
                Err(late) => Err(SdkError::timeout_error(late)),
            }
        };
        match self.line.call(whole, |error| status(error) == Some(404)).await {
            Ok((tag, Some(bytes))) => Ok(Some(Stored { bytes, version: self.tag(tag)? })),
            Ok((_, None)) => Err(StoreError::too_large(self.object(key), max_bytes)),
            Err(Denied::Known(error)) => self.absent(&error).map(|()| None),
            Err(Denied::Failed(error)) => Err(error),
        }
    }

    async fn head(&self, key: &str) -> Result<Option<Version>, StoreError> {
        let request = self.client.head_object().bucket(&self.bucket).key(self.object(key)).send();
        match self.line.call(request, |error| status(error) == Some(404)).await {
            Ok(answer) => self.tag(answer.e_tag).map(Some),
            // It has no body that could say what is not there.
            Err(Denied::Known(_)) => Ok(None),
            Err(Denied::Failed(error)) => Err(error),
        }
    }

    async fn put(
        &self,
        key: &str,
        state: Vec<u8>,
        expected: Option<&Version>,
    ) -> Result<Version, SaveError> {
        let request = self.client.put_object().bucket(&self.bucket).key(self.object(key));
        let request = match expected {
            Some(Version(tag)) => request.if_match(tag),
            None => request.if_none_match("*"),
        };
        let request = request.body(ByteStream::from(state)).send();
        let is_known = |error: &_| matches!(status(error), Some(404 | 412));
        match self.line.call(request, is_known).await {
            Ok(answer) => Ok(self.tag(answer.e_tag)?),
            Err(Denied::Known(error)) if status(&error) == Some(404) => {
                Err(self.absent(&error).map_or_else(SaveError::from, |()| SaveError::Conflict))
            }
            Err(Denied::Known(_)) => Err(SaveError::Conflict),
            Err(Denied::Failed(error)) => Err(error.into()),
        }
    }

    /// What is not there is the object, and not the bucket.
    fn absent<E: aws_sdk_s3::error::ProvideErrorMetadata>(
        &self,
        error: &aws_sdk_s3::error::SdkError<E>,
    ) -> Result<(), StoreError> {
        match error.as_service_error().and_then(|error| error.code()) {
            Some("NoSuchBucket") => Err(self.line.error("there is no such bucket")),
            _ => Ok(()),
        }
    }

    fn tag(&self, tag: Option<String>) -> Result<Version, StoreError> {
        tag.map(Version).ok_or_else(|| self.line.error("the answer has no entity tag"))
    }
}

/// Reads so much at the most. None if there is more.
async fn read<E>(mut body: ByteStream, max_bytes: usize) -> Result<Option<Vec<u8>>, SdkError<E>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        let cut_short = |error| SdkError::dispatch_failure(ConnectorError::io(Box::new(error)));
        bytes.extend_from_slice(&chunk.map_err(cut_short)?);
        if bytes.len() > max_bytes {
            return Ok(None);
        }
    }
    Ok(Some(bytes))
}

impl StateStore for S3Store {
    fn load<'a>(
        &'a self,
        key: &'a str,
        max_bytes: usize,
    ) -> BoxFuture<'a, Result<Option<Stored>, StoreError>> {
        self.get(key, max_bytes).boxed()
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
        self.put(key, state, expected).boxed()
    }
}
