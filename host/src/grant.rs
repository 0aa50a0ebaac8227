use std::fmt;
use std::str::FromStr;

/// Something that rules may import, although rules import nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Grant {
    /// WASI 0.2 with nothing behind it, for rules in languages whose toolchains ask for it. No call
    /// reaches a file, the environment, the network or a clock: it is answered by the type of its
    /// result, the same at every time and on every machine. There are no files, arguments, variables
    /// and hosts; what is written goes nowhere, and to read is to be at the end; the time is midnight
    /// of 1 January 1970, and stands still; random bytes are a fixed sequence; to wait takes no time;
    /// to exit is a trap.
    InertWasi,
}

impl Grant {
    /// Its name: `inert-wasi`.
    pub fn name(self) -> &'static str {
        match self {
            Self::InertWasi => "inert-wasi",
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Grant {
    type Err = InvalidGrant;

    fn from_str(text: &str) -> Result<Self, InvalidGrant> {
        match text {
            "inert-wasi" => Ok(Self::InertWasi),
            _ => Err(InvalidGrant(text.to_owned())),
        }
    }
}

/// What was to be granted is nothing that can be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected inert-wasi, found {0:?}")]
pub struct InvalidGrant(String);
