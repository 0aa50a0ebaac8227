use std::error::Error;

use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};

use crate::receipt::PublishError;

/// Why a request failed as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RequestFailure {
    /// The service throttles, is broken or cannot be reached. Another attempt may succeed.
    Away(String),
    /// The destination takes nothing until somebody mends it, or the right to it.
    Refused(String),
    /// Something in the request is not valid: of several entries, one may be to blame.
    Invalid(String),
}

/// The names of what is wrong with a request itself, not with its destination.
///
/// Source: Amazon SNS API Reference, `PublishBatch`; Amazon SQS API Reference, `SendMessageBatch`.
const INVALID: [&str; 8] = [
    "InvalidParameter",
    "InvalidParameterValue",
    "ParameterValueInvalid",
    "ValidationException",
    "InvalidMessageContents",
    "BatchRequestTooLong",
    "AWS.SimpleQueueService.BatchRequestTooLong",
    "InvalidBatchEntryId",
];

impl RequestFailure {
    pub(crate) fn of<E>(error: &SdkError<E>, destination: &str) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let service = error.as_service_error();
        let code = service.and_then(ProvideErrorMetadata::code);
        let message = service.and_then(ProvideErrorMetadata::message);
        let status = error.raw_response().map(|response| response.status().as_u16());
        let reason = match (service, code, status) {
            (Some(_), Some(code), _) => {
                format!("{destination}: {code}: {}", message.unwrap_or("no message"))
            }
            // An answer without a body, as to a HEAD.
            (Some(_), None, Some(status)) => format!("{destination}: status {status}"),
            _ => format!("{destination}: {}", chain(error)),
        };
        match status {
            // Throttling has several names and comes with 400 or with 429.
            Some(400..=499) if !matches!(status, Some(408 | 429)) && !may_pass(code) => {
                let is_of_entries = !message.is_some_and(names_destination);
                match is_of_entries && code.is_some_and(|code| INVALID.contains(&code)) {
                    true => Self::Invalid(reason),
                    false => Self::Refused(reason),
                }
            }
            _ => Self::Away(reason),
        }
    }
}

/// Whether it is the destination that the service calls invalid, as SNS does with a topic of another region
/// ("Invalid parameter: TopicArn"): the entries are none the worse for it.
fn names_destination(message: &str) -> bool {
    ["TopicArn", "TargetArn", "QueueUrl"].iter().any(|parameter| message.contains(parameter))
}

/// What became of an entry that the service says it did not take.
pub(crate) fn entry_failure(code: &str, message: Option<&str>, sender_fault: bool) -> PublishError {
    let reason = format!("{code}: {}", message.unwrap_or("no message"));
    match (sender_fault && !may_pass(Some(code)), INVALID.contains(&code)) {
        (true, true) => PublishError::Rejected(reason),
        (true, false) => PublishError::Refused(reason),
        (false, _) => PublishError::Unconfirmed(reason),
    }
}

/// Whether an error of this name is one of the moment.
fn may_pass(code: Option<&str>) -> bool {
    let code = code.unwrap_or_default().to_ascii_lowercase();
    ["throttl", "toomanyrequests", "requestlimit", "internal", "unavailable", "timeout"]
        .iter()
        .any(|name| code.contains(name))
}

/// An error with all that caused it: the SDK's own words stop at "dispatch failure".
fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_that_is_invalid_is_no_fault_of_entries() {
        assert!(names_destination("Invalid parameter: TopicArn"));
        assert!(!names_destination("Invalid parameter: Message too long"));
    }

    #[test]
    fn only_what_is_known_to_be_wrong_with_an_entry_is_its_fault() {
        let of = |code, sender_fault| entry_failure(code, None, sender_fault);
        assert!(matches!(of("ParameterValueInvalid", true), PublishError::Rejected(_)));
        assert!(matches!(of("KMSAccessDenied", true), PublishError::Refused(_)));
        assert!(matches!(of("Throttled", true), PublishError::Unconfirmed(_)));
        assert!(matches!(of("InvalidParameter", false), PublishError::Unconfirmed(_)));
    }
}
