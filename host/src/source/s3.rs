//! Objects in Amazon S3, and in what speaks its API.

use std::fmt;
use std::str::FromStr;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectError;

use super::SIGNATURE_SUFFIX;
use super::bounded::Bounded;
use super::error::FetchProblem;
use super::store::{Object, Part, Store};
use crate::aws;

/// The names of what is wrong with credentials, which comes with status 400.
///
/// Source: Amazon S3 API Reference, "Error responses".
const BAD_CREDENTIALS: [&str; 3] = ["ExpiredToken", "InvalidToken", "TokenRefreshRequired"];

/// An object in a bucket.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct S3Object {
    bucket: String,
    key: String,
}

impl S3Object {
    /// The last segment of its key.
    pub(super) fn file_name(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or_default()
    }
}

impl FromStr for S3Object {
    type Err = String;

    /// Reads what follows the scheme.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => {
                Ok(Self { bucket: bucket.to_owned(), key: key.to_owned() })
            }
            _ => Err(format!("expected s3://BUCKET/KEY, found \"s3://{text}\"")),
        }
    }
}

impl fmt::Display for S3Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// An object, with its signature beside it.
pub(super) struct S3Store {
    client: Client,
    object: S3Object,
}

impl S3Store {
    /// Credentials, profile, region and endpoint are found as every AWS SDK finds them.
    pub(super) async fn connect(object: S3Object) -> Self {
        Self { client: aws::s3_client(&aws::configuration(None).await), object }
    }
}

impl Store for S3Store {
    fn name(&self) -> String {
        self.object.to_string()
    }

    async fn get(
        &self,
        part: Part,
        tag: Option<&str>,
        maximum: usize,
    ) -> Result<Object, FetchProblem> {
        let S3Object { bucket, key } = &self.object;
        let key = match part {
            Part::Component => key.clone(),
            Part::Signature => format!("{key}{SIGNATURE_SUFFIX}"),
        };
        let name = format!("s3://{bucket}/{key}");
        let request = self.client.get_object().bucket(bucket).key(key);
        let answer = match request.set_if_none_match(tag.map(str::to_owned)).send().await {
            Ok(answer) => answer,
            Err(error) => return refusal(&error, part, name),
        };
        let announced = answer.content_length().and_then(|length| length.try_into().ok());
        let tag = answer.e_tag().map(str::to_owned);
        let (mut stream, mut body) = (answer.body, Bounded::new(part, maximum, announced)?);
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| {
                let why = DisplayErrorContext(&error);
                FetchProblem::Unavailable(format!("the answer ended early: {why}"))
            })?;
            body.push(&chunk)?;
        }
        Ok(Object::Found { bytes: body.into_bytes(), tag })
    }
}

fn refusal(
    error: &SdkError<GetObjectError>,
    part: Part,
    what: String,
) -> Result<Object, FetchProblem> {
    let code = error.code().unwrap_or_default();
    let said = match error.as_service_error() {
        Some(service) => format!("{what}: {code}: {}", service.message().unwrap_or("no message")),
        None => format!("{what}: {}", DisplayErrorContext(error)),
    };
    match error.raw_response().map(|response| response.status().as_u16()) {
        Some(304) => Ok(Object::Unchanged),
        Some(404) if code != "NoSuchBucket" => Ok(Object::Missing),
        Some(404) => Err(FetchProblem::NotFound(said)),
        // Who may not list a bucket is told so of what is not in it.
        Some(403) if part == Part::Signature => Ok(Object::Missing),
        Some(401 | 403) => Err(FetchProblem::Denied(said)),
        Some(400) if BAD_CREDENTIALS.contains(&code) => Err(FetchProblem::Denied(said)),
        Some(408 | 429 | 500..) | None => Err(FetchProblem::Unavailable(said)),
        Some(301 | 307) => Err(FetchProblem::Invalid(format!(
            "{said}; the bucket is in another region: set AWS_REGION to it"
        ))),
        Some(_) => Err(FetchProblem::Invalid(said)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_and_a_key_are_needed() {
        let object: S3Object = "rules/a/fever.wasm".parse().expect("an object");
        assert_eq!((object.bucket.as_str(), object.key.as_str()), ("rules", "a/fever.wasm"));
        for text in ["", "rules", "rules/", "/a"] {
            assert!(text.parse::<S3Object>().is_err(), "{text}");
        }
    }
}
