use std::fmt;

use serde::Serialize;

use crate::outcome::{Bound, Verdict};
use crate::printable::printable;
use crate::ruling::Ruling;

/// What a rule said of a record, with its score wherever that was found.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Said {
    pub(super) verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) crossed: Option<Bound>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

impl Said {
    pub(super) fn new(ruling: Ruling, score: Option<f64>) -> Self {
        let Ruling { verdict, crossed, reason, .. } = ruling;
        Self { verdict, score, crossed, reason }
    }
}

/// In a few words.
impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.verdict.name())?;
        if let Some(score) = self.score {
            write!(f, ", score {score}")?;
        }
        match self.crossed {
            Some(Bound::Upper) => f.write_str(", crossed the upper bound")?,
            Some(Bound::Lower) => f.write_str(", crossed the lower bound")?,
            None => {}
        }
        self.reason.as_deref().map_or(Ok(()), |reason| write!(f, ", {}", printable(reason)))
    }
}
