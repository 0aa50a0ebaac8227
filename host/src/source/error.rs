use std::time::Duration;

use crate::digest::Digest;

/// A rule could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rule {rule}: {problem}")]
pub struct FetchError {
    /// Where it was to come from, without secrets.
    pub rule: String,
    /// Why it did not.
    pub problem: FetchProblem,
}

/// Why a rule could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchProblem {
    /// There is nothing.
    #[error("not found: {0}")]
    NotFound(String),
    /// It is not given to whoever asked.
    #[error("access denied: {0}")]
    Denied(String),
    /// The server is not the one that was asked for, or none that is trusted.
    #[error(
        "the server is not trusted: {0}; if its certificate is of an authority of your own, name \
         the authority's file in SSL_CERT_FILE"
    )]
    Untrusted(String),
    /// The place is away for now, or the way to it is.
    #[error("not available now: {0}")]
    Unavailable(String),
    /// It took too long.
    #[error("not fetched within {time:?}{}", after(.last))]
    Timeout {
        /// The limit.
        time: Duration,
        /// What the last attempt that ended in time ran into.
        last: Option<Box<FetchProblem>>,
    },
    /// It is larger than is read. In bytes.
    #[error("refused, size: {part} is larger than {maximum} bytes")]
    TooLarge {
        /// What is too large: the component, its signature, what a registry says of it.
        part: &'static str,
        /// The limit.
        maximum: usize,
    },
    /// It was replaced while it was read, each time.
    #[error("it changed while it was read")]
    Changed,
    /// It is another component than the one that it was pinned to.
    #[error("refused, digest: expected the component {expected}, found {found}")]
    WrongComponent {
        /// What it was pinned to.
        expected: Digest,
        /// What was found.
        found: Digest,
    },
    /// What came is not what its digest says.
    #[error("damaged or forged on its way: {0}")]
    WrongDigest(String),
    /// What is there is no rule in a form that can be fetched.
    #[error("{0}")]
    Invalid(String),
}

impl FetchProblem {
    /// Whether another attempt may succeed although nobody mends anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Timeout { .. } | Self::Changed)
    }
}

fn after(last: &Option<Box<FetchProblem>>) -> String {
    last.as_ref().map(|problem| format!("; before that: {problem}")).unwrap_or_default()
}

/// What was to say where a rule comes from does not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a source of a rule: {0}")]
pub struct InvalidSource(pub(super) String);
