use weir_guest::{Bound, Flag, Record, Rule, Settings, SettingsError, Verdict};

use crate::annotate::annotate;
use crate::settings::{SCHEMA, ThresholdSettings};

/// The rule: decodes nothing itself, compares the score with the bounds.
#[derive(Clone, Debug)]
pub struct Threshold {
    settings: ThresholdSettings,
}

impl Rule for Threshold {
    const NAME: &str = "threshold";
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    const SETTINGS_SCHEMA: &str = SCHEMA;
    const REWRITES: bool = true;

    fn open(settings: Settings) -> Result<Self, SettingsError> {
        ThresholdSettings::read(settings).map(|settings| Self { settings })
    }

    fn classify(&mut self, record: &Record<'_>) -> Verdict {
        match record.number(&self.settings.field) {
            Err(error) => Verdict::Fail(error.to_string()),
            Ok(score) => match self.crossed(score) {
                None => Verdict::Pass,
                Some(bound) => Verdict::Flag(Flag {
                    score: Some(score),
                    crossed: Some(bound),
                    ..Flag::default()
                }),
            },
        }
    }

    fn rewriting(&self) -> bool {
        self.settings.annotate
    }

    fn rewrite(&mut self, record: &Record<'_>, verdict: &Verdict, out: &mut Vec<u8>) {
        annotate(record.payload(), matches!(verdict, Verdict::Flag(_)), out);
    }
}

impl Threshold {
    /// The bound that a score crosses. A score of 0 says that the scorer is still training, so it
    /// is never too low.
    fn crossed(&self, score: f64) -> Option<Bound> {
        let ThresholdSettings { upper, lower, exclusive, .. } = self.settings;
        if upper.is_some_and(|upper| score > upper || (score == upper && !exclusive)) {
            return Some(Bound::Upper);
        }
        let too_low = lower.is_some_and(|lower| score < lower || (score == lower && !exclusive));
        (too_low && score != 0.0).then_some(Bound::Lower)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(settings: &str) -> Threshold {
        Threshold::open(Settings::parse(settings).expect("JSON")).expect("settings that fit")
    }

    fn verdict(settings: &str, payload: &str) -> Verdict {
        open(settings).classify(&Record::new(payload.as_bytes()))
    }

    fn crossed(settings: &str, score: &str) -> Option<Bound> {
        match verdict(settings, &format!(r#"{{"ANOMALY_SCORE":{score}}}"#)) {
            Verdict::Pass => None,
            Verdict::Flag(flag) => {
                assert_eq!(flag.score, score.parse().ok());
                flag.crossed
            }
            other => panic!("{other:?}"),
        }
    }

    fn reason(payload: &str) -> String {
        match verdict(r#"{"upper":1.5}"#, payload) {
            Verdict::Fail(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn bounds_are_inclusive() {
        let settings = r#"{"upper":1.5,"lower":0.4}"#;
        assert_eq!(crossed(settings, "1.5"), Some(Bound::Upper));
        assert_eq!(crossed(settings, "1.4999999999999998"), None);
        assert_eq!(crossed(settings, "0.4"), Some(Bound::Lower));
        assert_eq!(crossed(settings, "0.40000000000000008"), None);
    }

    #[test]
    fn exclusive_bounds_let_equal_scores_pass() {
        let settings = r#"{"upper":1.5,"lower":0.4,"exclusive":true}"#;
        assert_eq!(crossed(settings, "1.5"), None);
        assert_eq!(crossed(settings, "1.5000000000000002"), Some(Bound::Upper));
        assert_eq!(crossed(settings, "0.4"), None);
        assert_eq!(crossed(settings, "0.39999999999999997"), Some(Bound::Lower));
    }

    #[test]
    fn a_score_of_zero_is_training_not_low() {
        for zero in ["0", "-0", "0.0", "0e9"] {
            assert_eq!(crossed(r#"{"upper":1.5,"lower":0.4}"#, zero), None, "{zero}");
        }
        assert_eq!(crossed(r#"{"lower":0.4}"#, "-1"), Some(Bound::Lower));
    }

    #[test]
    fn a_score_of_zero_can_still_be_too_high() {
        assert_eq!(crossed(r#"{"upper":0}"#, "0"), Some(Bound::Upper));
    }

    #[test]
    fn without_a_lower_bound_nothing_is_too_low() {
        assert_eq!(crossed(r#"{"upper":1.5}"#, "-1e300"), None);
    }

    #[test]
    fn the_last_of_equal_keys_counts() {
        let payload = r#"{"ANOMALY_SCORE":9,"ANOMALY_SCORE":1}"#;
        assert_eq!(verdict(r#"{"upper":1.5}"#, payload), Verdict::Pass);
    }

    #[test]
    fn what_cannot_be_classified_says_why() {
        assert_eq!(reason("[1.6]"), "not a JSON object: found an array");
        assert_eq!(reason("{}"), "field /ANOMALY_SCORE is missing");
        assert_eq!(
            reason(r#"{"ANOMALY_SCORE":"1.6"}"#),
            "field /ANOMALY_SCORE is not a number: found a string at byte 17"
        );
        assert!(reason(r#"{"ANOMALY_SCORE":1.6"#).starts_with("not JSON: "));
        assert!(reason(r#"{"ANOMALY_SCORE":1.6} x"#).contains("byte 22"));
        assert!(reason(r#"{"ANOMALY_SCORE":1e999}"#).contains("range"));
    }

    #[test]
    fn the_field_can_be_anywhere_in_the_document() {
        let settings = r#"{"upper":1.5,"field":"/scores/0/a~1b"}"#;
        let payload = r#"{"scores":[{"a/b":1.6}]}"#;
        assert!(matches!(verdict(settings, payload), Verdict::Flag(_)));
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        for (settings, path) in [
            ("{}", "/upper"),
            (r#"{"upper":1,"lower":1}"#, "/lower"),
            (r#"{"upper":1,"lower":2}"#, "/lower"),
            (r#"{"upper":"1.5"}"#, "/upper"),
            (r#"{"upper":1,"field":"x"}"#, "/field"),
            (r#"{"upper":1,"threshold":2}"#, "/threshold"),
        ] {
            let error = Threshold::open(Settings::parse(settings).expect("JSON"));
            assert_eq!(error.expect_err(settings).path, path, "{settings}");
        }
    }
}
