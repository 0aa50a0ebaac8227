use std::process::ExitCode;

use super::note::note;
use super::secrets::without_secrets;
use crate::source::FetchError;

/// Something could not be processed.
pub(super) const INCOMPLETE: u8 = 1;

/// It was called or configured wrongly.
const USAGE: u8 = 2;

/// Why a command ends early.
#[derive(Debug)]
pub(super) enum Failure {
    /// The person who called it can mend it.
    Usage(anyhow::Error),
    /// Something in its way.
    Runtime(anyhow::Error),
}

impl Failure {
    pub(super) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self::Usage(error.into())
    }

    /// Only what may pass by itself is not for the caller to mend.
    pub(super) fn fetching(error: FetchError) -> Self {
        match error.problem.is_transient() {
            true => Self::runtime(error),
            false => Self::usage(error),
        }
    }

    pub(super) fn runtime(error: impl Into<anyhow::Error>) -> Self {
        Self::Runtime(error.into())
    }
}

/// Reports how a command ended and turns it into an exit code.
pub(super) fn code(result: Result<ExitCode, Failure>) -> ExitCode {
    let (error, code) = match result {
        Ok(code) => return code,
        Err(Failure::Usage(error)) => (error, USAGE),
        Err(Failure::Runtime(error)) => (error, INCOMPLETE),
    };
    note(format_args!("error: {}", without_secrets(&format!("{error:#}"))));
    ExitCode::from(code)
}
