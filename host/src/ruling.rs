use crate::outcome::{Bound, Cause, Outcome, Verdict};

/// What a rule said of one record.
#[derive(Clone, Debug, PartialEq)]
pub struct Ruling {
    /// The verdict.
    pub verdict: Verdict,
    /// The score that made the rule flag the record; finite.
    pub score: Option<f64>,
    /// The bound that the score crossed.
    pub crossed: Option<Bound>,
    /// Why the record failed.
    pub reason: Option<String>,
    /// Whose fault it is that it failed.
    pub cause: Option<Cause>,
}

impl Ruling {
    /// Whether it is the same to the last bit: a score counts as its 64 bits.
    pub fn is_identical(&self, other: &Self) -> bool {
        // Equal numbers may differ in their sign, if they are 0.
        self == other && self.score.map(f64::to_bits) == other.score.map(f64::to_bits)
    }
}

impl Outcome {
    /// What the rule said of a record. None if there is no such record.
    pub fn ruling(&self, index: usize) -> Option<Ruling> {
        let verdict = *self.verdicts.get(index)?;
        let mut ruling = Ruling { verdict, score: None, crossed: None, reason: None, cause: None };
        // Both lists are ascending by index.
        if let Ok(at) = self.flagged.binary_search_by_key(&index, |flag| flag.index) {
            (ruling.score, ruling.crossed) = (self.flagged[at].score, self.flagged[at].crossed);
        }
        if let Ok(at) = self.failed.binary_search_by_key(&index, |failure| failure.index) {
            let failure = &self.failed[at];
            (ruling.reason, ruling.cause) = (Some(failure.reason.clone()), Some(failure.cause));
        }
        Some(ruling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Failure, Flag};

    #[test]
    fn details_are_those_of_the_record() {
        let flag = |index, score| Flag {
            index,
            score: Some(score),
            crossed: Some(Bound::Upper),
            subject: None,
            message: String::new(),
        };
        let failure = Failure { index: 2, reason: "no".to_owned(), cause: Cause::Record };
        let outcome = Outcome {
            verdicts: vec![Verdict::Flag, Verdict::Pass, Verdict::Fail, Verdict::Flag],
            flagged: vec![flag(0, 1.0), flag(3, 2.0)],
            failed: vec![failure],
            rewritten: None,
        };
        let rulings: Vec<_> = (0..5).map_while(|index| outcome.ruling(index)).collect();
        assert_eq!(rulings.len(), 4);
        assert_eq!((rulings[3].score, rulings[3].crossed), (Some(2.0), Some(Bound::Upper)));
        assert_eq!((rulings[1].score, rulings[1].reason.as_deref()), (None, None));
        assert_eq!(rulings[2].reason.as_deref(), Some("no"));
        assert_eq!(rulings[2].cause, Some(Cause::Record));
    }

    #[test]
    fn zeros_of_either_sign_are_equal_and_not_identical() {
        let ruling = |score| Ruling {
            verdict: Verdict::Flag,
            score: Some(score),
            crossed: None,
            reason: None,
            cause: None,
        };
        assert_eq!(ruling(0.0), ruling(-0.0));
        assert!(!ruling(0.0).is_identical(&ruling(-0.0)));
        assert!(ruling(1.5).is_identical(&ruling(1.5)));
    }
}
