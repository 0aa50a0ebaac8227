use wasmtime::Trap;

use crate::exports::Malformed;
use crate::limits::{LimitExceeded, Limits};

/// What a rule did wrong while it was called. The fault of the rule, not of a record's payload
/// being bad: that is a verdict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It ran into a limit.
    #[error("the rule exceeded its {0}")]
    Limit(#[from] LimitExceeded),
    /// It trapped, in the engine's words.
    #[error("the rule trapped: {0}")]
    Trap(String),
    /// Its answer breaks the rule contract.
    #[error("the rule broke its contract: {0}")]
    Contract(String),
    /// There is no room for an instance of it: as many are kept as the engine has room for. Not the rule's
    /// fault.
    #[error("all {instances} instances that the engine has room for are kept")]
    NoRoom {
        /// For how many there is room.
        instances: usize,
    },
    /// It could not be called.
    #[error("the rule could not be run: {0}")]
    Call(String),
}

impl Fault {
    /// Tells what made a call into a rule fail.
    pub(crate) fn of(error: &wasmtime::Error, limits: &Limits) -> Self {
        if let Some(exceeded) = error.downcast_ref::<LimitExceeded>() {
            return Self::Limit(*exceeded);
        }
        match error.downcast_ref::<Malformed>() {
            Some(Malformed::TooMuch) => {
                return Self::Limit(LimitExceeded::Output { maximum: limits.output_bytes });
            }
            Some(malformed) => return Self::Contract(malformed.to_string()),
            None => {}
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => Self::Limit(LimitExceeded::Time { maximum: limits.time }),
            Some(Trap::StackOverflow) => {
                Self::Limit(LimitExceeded::Stack { maximum: limits.stack_bytes })
            }
            Some(trap) => Self::Trap(trap.to_string()),
            // The engine's error for this has no public type.
            None if error.root_cause().to_string().contains("fuel allocated for hostcalls") => {
                Self::Limit(LimitExceeded::Output { maximum: limits.output_bytes })
            }
            None => Self::Call(error.root_cause().to_string()),
        }
    }
}
