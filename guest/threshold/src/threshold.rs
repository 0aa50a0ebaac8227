use weir_guest::json::FieldScanner;
use weir_guest::{Bounds, FieldError, Record, Rule, Settings, SettingsError, Verdict, annotate};

use crate::settings::{SCHEMA, ThresholdSettings};

/// The rule: decodes nothing itself, compares the score with the bounds.
#[derive(Clone, Debug)]
pub struct Threshold {
    score: FieldScanner,
    bounds: Bounds,
    annotate: bool,
}

impl Rule for Threshold {
    const NAME: &str = "threshold";
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    const SETTINGS_SCHEMA: &str = SCHEMA;
    const REWRITES: bool = true;

    fn open(settings: Settings<'_>) -> Result<Self, SettingsError> {
        let ThresholdSettings { field, bounds, annotate } = ThresholdSettings::read(settings)?;
        Ok(Self { score: FieldScanner::new(field), bounds, annotate })
    }

    fn classify(&mut self, record: &Record<'_>) -> Verdict {
        match record.number_by(&mut self.score) {
            Ok(score) => self.bounds.verdict(score),
            Err(error) => fail(&error),
        }
    }

    fn rewriting(&self) -> bool {
        self.annotate
    }

    fn rewrite(&mut self, record: &Record<'_>, verdict: &Verdict, out: &mut Vec<u8>) {
        let flagged = matches!(verdict, Verdict::Flag(_));
        let annotation = if flagged { r#"{"anomaly":true}"# } else { r#"{"anomaly":false}"# };
        annotate(record.payload(), annotation, out);
    }
}

/// Apart from what is done for each record.
#[cold]
fn fail(error: &FieldError) -> Verdict {
    Verdict::Fail(error.to_string())
}

#[cfg(test)]
mod tests {
    use weir_guest::Bound;

    use super::*;

    fn open(settings: &str) -> Threshold {
        Threshold::open(Settings::parse(settings).expect("JSON")).expect("settings that fit")
    }

    fn verdict(settings: &str, payload: &str) -> Verdict {
        open(settings).classify(&Record::new(payload.as_bytes()))
    }

    fn reason(payload: &str) -> String {
        match verdict(r#"{"upper":1.5}"#, payload) {
            Verdict::Fail(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_score_that_crosses_a_bound_is_flagged() {
        let settings = r#"{"upper":1.5,"lower":0.4,"exclusive":true}"#;
        let verdict = |score| verdict(settings, &format!(r#"{{"ANOMALY_SCORE":{score}}}"#));
        for passes in ["1.5", "0.4", "1", "0", "-0", "0.0", "0e9"] {
            assert_eq!(verdict(passes), Verdict::Pass, "{passes}");
        }
        for (score, bound) in [("1.5000000000000002", Bound::Upper), ("-1", Bound::Lower)] {
            let Verdict::Flag(flag) = verdict(score) else { panic!("{score} passes") };
            assert_eq!((flag.score, flag.crossed), (score.parse().ok(), Some(bound)));
        }
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
