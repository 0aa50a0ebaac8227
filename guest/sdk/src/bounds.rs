use crate::settings::{Settings, SettingsError};
use crate::verdict::{Bound, Flag, Verdict};

/// The bounds that a score must stay within: the settings `upper`, `lower` and `exclusive`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    /// A score at or above it is flagged.
    pub upper: Option<f64>,
    /// A score at or below it is flagged, unless it is 0.
    pub lower: Option<f64>,
    /// Whether a score that equals a bound passes.
    pub exclusive: bool,
}

impl Bounds {
    /// Takes the three settings. Neither bound need be set.
    ///
    /// # Errors
    ///
    /// If a setting has the wrong type, or if the bounds leave nothing between them.
    pub fn take(settings: &mut Settings<'_>) -> Result<Self, SettingsError> {
        let upper = settings.number("upper")?;
        let lower = settings.number("lower")?;
        let exclusive = settings.boolean("exclusive")?.unwrap_or(false);
        match (lower, upper) {
            (Some(lower), Some(upper)) if lower >= upper => Err(SettingsError {
                path: "/lower".to_owned(),
                value: lower.to_string(),
                expected: format!("a number below /upper, which is {upper}"),
            }),
            _ => Ok(Self { upper, lower, exclusive }),
        }
    }

    /// Whether there is no bound, so that no score crosses any.
    pub fn is_unbounded(&self) -> bool {
        self.upper.is_none() && self.lower.is_none()
    }

    /// The bound that a score crosses. A score of 0 says that the scorer is still training, so it
    /// is never too low.
    #[inline]
    pub fn crossed(&self, score: f64) -> Option<Bound> {
        let Self { upper, lower, exclusive } = *self;
        if upper.is_some_and(|upper| score > upper || (score == upper && !exclusive)) {
            return Some(Bound::Upper);
        }
        let too_low = lower.is_some_and(|lower| score < lower || (score == lower && !exclusive));
        (too_low && score != 0.0).then_some(Bound::Lower)
    }

    /// The verdict on a score: a flag, if it crosses a bound.
    #[inline]
    pub fn verdict(&self, score: f64) -> Verdict {
        match self.crossed(score) {
            None => Verdict::Pass,
            Some(bound) => {
                Verdict::Flag(Flag { score: Some(score), crossed: Some(bound), ..Flag::default() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crossed(bounds: &str, score: f64) -> Option<Bound> {
        let mut settings = Settings::parse(bounds).expect("JSON");
        let bounds = Bounds::take(&mut settings).expect("bounds that fit");
        settings.finish().expect("no other setting");
        let crossed = bounds.crossed(score);
        match bounds.verdict(score) {
            Verdict::Pass => assert_eq!(crossed, None),
            Verdict::Flag(flag) => assert_eq!((flag.score, flag.crossed), (Some(score), crossed)),
            other => panic!("{other:?}"),
        }
        crossed
    }

    #[test]
    fn bounds_are_inclusive() {
        let bounds = r#"{"upper":1.5,"lower":0.4}"#;
        assert_eq!(crossed(bounds, 1.5), Some(Bound::Upper));
        assert_eq!(crossed(bounds, 1.5_f64.next_down()), None);
        assert_eq!(crossed(bounds, 0.4), Some(Bound::Lower));
        assert_eq!(crossed(bounds, 0.4_f64.next_up()), None);
    }

    #[test]
    fn exclusive_bounds_let_equal_scores_pass() {
        let bounds = r#"{"upper":1.5,"lower":0.4,"exclusive":true}"#;
        assert_eq!(crossed(bounds, 1.5), None);
        assert_eq!(crossed(bounds, 1.5_f64.next_up()), Some(Bound::Upper));
        assert_eq!(crossed(bounds, 0.4), None);
        assert_eq!(crossed(bounds, 0.4_f64.next_down()), Some(Bound::Lower));
    }

    #[test]
    fn a_score_of_zero_is_training_not_low() {
        assert_eq!(crossed(r#"{"upper":1.5,"lower":0.4}"#, 0.0), None);
        assert_eq!(crossed(r#"{"upper":1.5,"lower":0.4}"#, -0.0), None);
        assert_eq!(crossed(r#"{"lower":0.4}"#, -1.0), Some(Bound::Lower));
    }

    #[test]
    fn a_score_of_zero_can_still_be_too_high() {
        assert_eq!(crossed(r#"{"upper":0}"#, 0.0), Some(Bound::Upper));
    }

    #[test]
    fn without_a_lower_bound_nothing_is_too_low() {
        assert_eq!(crossed(r#"{"upper":1.5}"#, -1e300), None);
    }

    #[test]
    fn bounds_leave_something_between_them() {
        for lower in [1, 2] {
            let text = format!(r#"{{"upper":1,"lower":{lower}}}"#);
            let error = Bounds::take(&mut Settings::parse(&text).expect("JSON"));
            assert_eq!(error.expect_err("nothing between").path, "/lower");
        }
    }
}
