use std::error::Error;
use std::future::Future;
use std::time::Instant;

use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};

use super::store::StoreError;
use crate::aws::{Breaker, RequestFailure};

/// How requests reach a store of AWS. A store that is away costs the time for a few of them, and not
/// for those of each batch.
#[derive(Debug)]
pub(super) struct Line {
    /// What errors call the store.
    pub(super) place: String,
    breaker: Breaker,
}

/// Why a request came to nothing.
pub(super) enum Denied<E> {
    /// The service says so, in a way that its caller knows.
    Known(
        #[cfg_attr(not(feature = "s3"), expect(dead_code, reason = "only S3 asks how it says so"))]
        Box<SdkError<E>>,
    ),
    Failed(StoreError),
}

impl Line {
    pub(super) fn new(place: String) -> Self {
        Self { breaker: Breaker::new(&place), place }
    }

    /// Makes a request, unless the service counts as away. The caller knows what to make of some
    /// errors.
    pub(super) async fn call<T, E: ProvideErrorMetadata + Error + 'static>(
        &self,
        request: impl Future<Output = Result<T, SdkError<E>>>,
        is_known: impl Fn(&SdkError<E>) -> bool,
    ) -> Result<T, Denied<E>> {
        let admitted = self.breaker.admit(Instant::now());
        let attempt = admitted.map_err(|away| Denied::Failed(self.error(away.to_string())))?;
        let error = match request.await {
            Ok(answer) => {
                attempt.succeeded();
                return Ok(answer);
            }
            Err(error) if is_known(&error) => {
                attempt.succeeded();
                return Err(Denied::Known(Box::new(error)));
            }
            Err(error) => error,
        };
        let reason = match RequestFailure::of(&error, &self.place) {
            RequestFailure::Away(reason) => {
                attempt.failed(Instant::now(), &reason);
                reason
            }
            RequestFailure::Refused(reason) | RequestFailure::Invalid(reason) => {
                attempt.succeeded();
                reason
            }
        };
        Err(Denied::Failed(StoreError(reason)))
    }

    pub(super) fn error(&self, what: impl std::fmt::Display) -> StoreError {
        StoreError(format!("{}: {what}", self.place))
    }
}

/// The status of an error's answer, if it has one.
#[cfg(feature = "s3")]
pub(super) fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}
