use std::fmt;

use crate::digest::Digest;
use crate::fault::Fault;
use crate::printable::{cut, printable};
use crate::rule::LoadError;
use crate::session::OpenError;

/// Why a rule was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refused, {check}: {reason}")]
pub struct Refusal {
    /// The digest of the component that was refused.
    pub digest: Digest,
    /// The check that it did not pass.
    pub check: Check,
    /// The reason, for a person to read: one line.
    pub reason: String,
}

/// A check that a rule passes before it runs, in the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Check {
    /// It is no larger than allowed.
    Size,
    /// It is the very component that was demanded.
    Digest,
    /// One of the signers that were demanded signed it.
    Signature,
    /// It is a valid component, and can be compiled.
    Component,
    /// It imports nothing.
    Imports,
    /// It speaks the contract that this host speaks.
    Contract,
    /// The system can run the compiler, and give what the memory of its instances begins as. If not, it is
    /// not the rule's fault, and may pass.
    Host,
    /// It describes itself as the contract says.
    Description,
    /// Its settings fit its schema and itself.
    Settings,
    /// Its golden records are classified as they are to be.
    GoldenRecords,
}

impl Check {
    /// The name: `signature`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Digest => "digest",
            Self::Signature => "signature",
            Self::Component => "component",
            Self::Imports => "imports",
            Self::Contract => "contract",
            Self::Host => "host",
            Self::Description => "description",
            Self::Settings => "settings",
            Self::GoldenRecords => "golden records",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A check that a component did not pass, and why.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) check: Check,
    pub(super) reason: String,
}

impl Refused {
    pub(super) fn new(check: Check, reason: impl fmt::Display) -> Self {
        Self { check, reason: on_one_line(&reason.to_string()) }
    }

    /// The refusal of the component of a digest.
    pub(super) fn of(self, digest: Digest) -> Refusal {
        let Self { check, reason } = self;
        Refusal { digest, check, reason }
    }
}

/// The most characters that a reason has.
const MAX_REASON: usize = 500;

/// Some of a reason may be a rule's own words, which are not trusted: they are cut to one line, without
/// anything that a terminal would obey.
pub(super) fn on_one_line(reason: &str) -> String {
    let words: Vec<&str> = reason.split_whitespace().take(MAX_REASON).collect();
    printable(&cut(&words.join(" "), MAX_REASON))
}

impl From<OpenError> for Refused {
    fn from(error: OpenError) -> Self {
        let check = match error {
            OpenError::Fault(Fault::NoRoom { .. }) => Check::Host,
            OpenError::Fault(_) | OpenError::Settings(_) => Check::Settings,
        };
        Self::new(check, error)
    }
}

impl From<LoadError> for Refused {
    fn from(error: LoadError) -> Self {
        let check = match error {
            LoadError::NotAComponent(_) | LoadError::Costly(_) | LoadError::Compile(_) => {
                Check::Component
            }
            LoadError::Imports(_) | LoadError::Granted(..) => Check::Imports,
            LoadError::Contract { .. } | LoadError::Exports(_) | LoadError::Interface(_) => {
                Check::Contract
            }
            LoadError::Compiler(_)
            | LoadError::Memory(_)
            | LoadError::Describe(Fault::NoRoom { .. }) => Check::Host,
            LoadError::Describe(_) | LoadError::Description(_) => Check::Description,
        };
        Self::new(check, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_that_a_terminal_shows_as_it_is() {
        let refused = Refused::new(Check::Settings, "a\n  b\u{1b}[2J");
        assert_eq!(refused.reason, "a b\u{fffd}[2J");
        let long = Refused::new(Check::Settings, "ü".repeat(MAX_REASON + 1)).reason;
        assert_eq!(long, "ü".repeat(MAX_REASON) + "…");
        let whole = "ü".repeat(MAX_REASON);
        assert_eq!(Refused::new(Check::Settings, &whole).reason, whole);
    }
}
