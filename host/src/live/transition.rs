use std::fmt;

use crate::filter::Filter;
use crate::rule::Description;
use crate::telemetry;

/// A change in which rule serves, or which is tried in its place. Each is logged and counted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transition {
    /// A candidate begins to run beside the serving rule.
    Shadowed,
    /// It serves from now on: it agreed with the rule before it.
    Promoted(String),
    /// It serves from now on, without having been compared.
    Switched,
    /// It will not serve, and is not tried again.
    Refused(String),
    /// It runs no more, and nothing was decided.
    Withdrawn(String),
    /// A rule that took over has passed its probation.
    Proven(String),
    /// It has not: the one before it serves again.
    RolledBack(String),
}

impl Transition {
    /// The name, as metrics have it: `rolled-back`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Shadowed => "shadowed",
            Self::Promoted(_) => "promoted",
            Self::Switched => "switched",
            Self::Refused(_) => "refused",
            Self::Withdrawn(_) => "withdrawn",
            Self::Proven(_) => "proven",
            Self::RolledBack(_) => "rolled-back",
        }
    }

    /// Logs and counts it. It happened to the rule of `subject`.
    pub(super) fn record(&self, subject: &Filter, serving: &Filter) {
        let Description { name, version, .. } = subject.description();
        let digest = subject.rule().digest();
        let serving = serving.rule().digest();
        match self {
            Self::Refused(_) | Self::RolledBack(_) => {
                tracing::warn!(rule = name, version, %digest, %serving, "{self}");
            }
            _ => tracing::info!(rule = name, version, %digest, %serving, "{self}"),
        }
        telemetry::rule_changed(self.name());
    }
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shadowed => write!(f, "rule runs in shadow"),
            Self::Promoted(why) => write!(f, "rule promoted: {why}"),
            Self::Switched => write!(f, "rule switched"),
            Self::Refused(why) => write!(f, "rule refused: {why}"),
            Self::Withdrawn(why) => write!(f, "rule withdrawn: {why}"),
            Self::Proven(why) => write!(f, "rule proven: {why}"),
            Self::RolledBack(why) => write!(f, "rule rolled back: {why}"),
        }
    }
}
