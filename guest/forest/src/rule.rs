use weir_guest::{Record, Rule, Settings, SettingsError, Verdict, annotate};

use crate::columns::{Columns, Unusable};
use crate::model::{Model, Scorers};
use crate::scorer::{Scored, Work};
use crate::settings::{Explanation, RuleSettings, SCHEMA};
use crate::state;

/// The rule: it scores a record's numbers, learns them, and compares the score with the bounds.
///
/// A record without one of the columns, or with something else than a number there, fails, and is
/// not learnt. What it has beside them is ignored.
///
/// With shingles, records that come again are scored as the sequence they come in. The first of
/// them, of each key, score 0, until there is a whole shingle.
#[derive(Debug)]
pub struct ForestRule {
    settings: RuleSettings,
    /// What is known. Without columns that are set, there is none before the first record.
    model: Option<Model>,
    /// The numbers of a record, and its key.
    point: Vec<f64>,
    key: String,
    /// What is to be written into the record that was classified last.
    annotation: String,
}

impl Rule for ForestRule {
    const NAME: &str = "forest";
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    const SETTINGS_SCHEMA: &str = SCHEMA;
    const KEEPS_STATE: bool = true;
    const REWRITES: bool = true;

    fn open(settings: Settings<'_>) -> Result<Self, SettingsError> {
        RuleSettings::read(settings).map(Self::new)
    }

    fn begin_batch(&mut self) {
        if let Some(model) = &mut self.model {
            model.replay.end();
        }
    }

    fn classify(&mut self, record: &Record<'_>) -> Verdict {
        self.judge(record, true).unwrap_or_else(|unusable| Verdict::Fail(unusable.to_string()))
    }

    fn replay(&mut self, record: &Record<'_>) -> Verdict {
        self.judge(record, false).unwrap_or_else(|unusable| Verdict::Fail(unusable.to_string()))
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        state::write(&self.settings, self.model.as_ref(), out);
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), String> {
        match state::read(&self.settings, self.model.take(), snapshot) {
            Ok(model) => {
                self.model = model;
                Ok(())
            }
            Err(reason) => {
                // Whatever comes of it, what was learnt until now does not count.
                *self = Self::new(self.settings.clone());
                Err(reason)
            }
        }
    }

    fn rewriting(&self) -> bool {
        self.settings.annotate
    }

    fn rewrite(&mut self, record: &Record<'_>, _verdict: &Verdict, out: &mut Vec<u8>) {
        annotate(record.payload(), &self.annotation, out);
    }
}

impl ForestRule {
    fn new(settings: RuleSettings) -> Self {
        let model = settings.columns.clone().map(|columns| Model::new(&settings, columns));
        let (point, key, annotation) = Default::default();
        Self { settings, model, point, key, annotation }
    }

    /// The verdict on a record, which is learnt if it can be scored and has not been before.
    fn judge(&mut self, record: &Record<'_>, learn: bool) -> Result<Verdict, Unusable> {
        let mut first = None;
        let model = match &mut self.model {
            Some(model) => model,
            None => {
                let columns = Columns::of_record(record, self.settings.key.as_ref())?;
                first.insert(Model::new(&self.settings, columns))
            }
        };
        model.columns.read(record, &mut self.point, &mut self.key)?;
        let work = Work { explain: self.settings.explanation != Explanation::None, learn };
        let point = match learn {
            true => Some(&*self.point),
            false => model.replay.point(&self.key, &self.point),
        };
        let scored = match (point, &mut model.scorers) {
            (None, _) => Scored::zero(self.point.len(), work),
            (Some(point), Scorers::One(scorer)) => scorer.score(point, work),
            (Some(point), Scorers::PerKey(keys)) => keys.score(&self.key, point, work),
        };
        let mut verdict = self.settings.bounds.verdict(scored.score);
        if self.settings.annotate {
            let flagged = matches!(verdict, Verdict::Flag(_));
            let anomaly = (!self.settings.bounds.is_unbounded()).then_some(flagged);
            model.annotator.write(&scored, anomaly, &mut self.annotation);
            if let Verdict::Flag(flag) = &mut verdict {
                flag.message = self.message(record);
            }
        }
        if learn && first.is_some() {
            self.model = first;
        }
        Ok(verdict)
    }

    /// The record as it goes on, for those who are told of it.
    fn message(&self, record: &Record<'_>) -> Option<String> {
        let mut message = Vec::new();
        annotate(record.payload(), &self.annotation, &mut message);
        message.pop();
        String::from_utf8(message).ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use weir_guest::Bound;

    use super::*;

    fn open(settings: &str) -> ForestRule {
        ForestRule::open(Settings::parse(settings).expect("JSON")).expect("settings that fit")
    }

    /// The vital signs of a healthy patient, as they come in record after record.
    fn vital_signs(record: u64) -> String {
        let pulse = 60 + record * 7919 % 41;
        let systolic = 100 + record * 104_729 % 31;
        format!(r#"{{"device_id":"d{}","pulse":{pulse},"systolic":{systolic}}}"#, record % 3)
    }

    const FIT: &str = r#"{"device_id":"d0","pulse":80,"systolic":115}"#;
    const ILL: &str = r#"{"device_id":"d0","pulse":190,"systolic":230}"#;

    fn learn(rule: &mut ForestRule, records: std::ops::Range<u64>) {
        for record in records {
            rule.classify(&Record::new(vital_signs(record).as_bytes()));
        }
    }

    fn classify(rule: &mut ForestRule, payload: &str) -> Verdict {
        rule.classify(&Record::new(payload.as_bytes()))
    }

    fn replay(rule: &mut ForestRule, payload: &str) -> Verdict {
        rule.replay(&Record::new(payload.as_bytes()))
    }

    fn reason(verdict: Verdict) -> String {
        match verdict {
            Verdict::Fail(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    fn rewritten(rule: &mut ForestRule, payload: &str) -> Value {
        let record = Record::new(payload.as_bytes());
        let (verdict, mut out) = (rule.classify(&record), Vec::new());
        rule.rewrite(&record, &verdict, &mut out);
        serde_json::from_slice(&out).expect("JSON")
    }

    fn snapshot(rule: &ForestRule) -> Vec<u8> {
        let mut snapshot = Vec::new();
        rule.snapshot(&mut snapshot);
        snapshot
    }

    const FOREST: &str = r#"{"upper":2,"numberOfTrees":20,"subSampleSize":64"#;

    fn settings(more: &str) -> String {
        format!("{FOREST}{more}}}")
    }

    #[test]
    fn what_is_unlike_all_before_is_flagged() {
        for scorer in ["forest", "zscore"] {
            let settings =
                format!(r#"{{"upper":2,"lower":0,"subSampleSize":64,"scorer":"{scorer}"}}"#);
            let mut rule = open(&settings);
            learn(&mut rule, 0..300);
            assert_eq!(classify(&mut rule, FIT), Verdict::Pass, "{scorer}");
            let Verdict::Flag(flag) = classify(&mut rule, ILL) else { panic!("{scorer}") };
            assert!(flag.score > Some(2.0) && flag.crossed == Some(Bound::Upper));
            assert_eq!(flag.message, None);
        }
    }

    #[test]
    fn the_first_records_score_zero() {
        let mut rule = open(r#"{"annotate":true,"numberOfTrees":10,"subSampleSize":16}"#);
        for record in 0..16 {
            assert_eq!(rewritten(&mut rule, &vital_signs(record))["ANOMALY_SCORE"], 0);
        }
        assert_ne!(rewritten(&mut rule, &vital_signs(16))["ANOMALY_SCORE"], 0);
    }

    #[test]
    fn columns_are_those_of_the_first_record_that_has_any() {
        let mut rule = open(&settings(""));
        assert!(reason(classify(&mut rule, "{")).starts_with("not JSON"));
        assert!(reason(classify(&mut rule, r#"{"a":"1"}"#)).contains("nothing to score"));
        assert!(reason(classify(&mut rule, r#"{"a":1,"b":1e36}"#)).contains("/b is beyond"));
        assert_eq!(classify(&mut rule, r#"{"a":1,"b":2,"c":"x"}"#), Verdict::Pass);
        assert_eq!(reason(classify(&mut rule, r#"{"a":1}"#)), "field /b is missing");
        assert!(reason(classify(&mut rule, r#"{"a":"NaN","b":1}"#)).starts_with("field /a is not"));
        assert_eq!(classify(&mut rule, r#"{"c":1,"d":5,"b":2,"a":1}"#), Verdict::Pass);
    }

    #[test]
    fn what_fails_and_what_comes_again_is_not_learnt() {
        let mut rule = open(&settings(r#","columns":["/pulse","/systolic"]"#));
        learn(&mut rule, 0..100);
        let before = snapshot(&rule);
        for payload in [r#"{"pulse":1}"#, r#"{"pulse":1,"systolic":1e300}"#, "[]"] {
            reason(classify(&mut rule, payload));
        }
        let Verdict::Flag(first) = replay(&mut rule, ILL) else { panic!("it passes") };
        let Verdict::Flag(again) = replay(&mut rule, ILL) else { panic!("it passes") };
        assert_eq!(first.score, again.score);
        assert!(snapshot(&rule) == before, "nothing was learnt");
        let Verdict::Flag(classified) = classify(&mut rule, ILL) else { panic!("it passes") };
        assert_eq!(first.score, classified.score);
        assert!(snapshot(&rule) != before, "it was learnt");
    }

    #[test]
    fn a_record_that_comes_again_tells_no_columns() {
        let mut rule = open(&settings(""));
        let before = snapshot(&rule);
        assert_eq!(replay(&mut rule, FIT), Verdict::Pass);
        assert_eq!(snapshot(&rule), before);
    }

    #[test]
    fn a_record_goes_on_with_what_is_known_of_it() {
        let mut rule =
            open(&settings(r#","annotate":true,"explanation":true,"withDirectionality":true"#));
        learn(&mut rule, 0..300);
        let payload = rewritten(&mut rule, ILL);
        assert_eq!((&payload["pulse"], &payload["anomaly"]), (&190.into(), &true.into()));
        let score = payload["ANOMALY_SCORE"].as_f64().expect("a number");
        let explanation = payload["ANOMALY_EXPLANATION"].as_str().expect("a text");
        let explanation: Value = serde_json::from_str(explanation).expect("JSON");
        let mut sum = 0.0;
        for column in ["pulse", "systolic"] {
            assert_eq!(explanation[column]["DIRECTION"], "HIGH");
            let part = explanation[column]["ATTRIBUTION_SCORE"].as_str().expect("a text");
            sum += part.parse::<f64>().expect("a number");
        }
        assert!((sum - score).abs() < 0.001, "{sum} is not {score}");
        assert_eq!(rewritten(&mut rule, FIT)["anomaly"], false);
    }

    #[test]
    fn who_is_told_of_a_record_is_told_its_score() {
        let mut rule = open(&settings(r#","annotate":true"#));
        learn(&mut rule, 0..300);
        let Verdict::Flag(flag) = classify(&mut rule, ILL) else { panic!("it passes") };
        let message = flag.message.expect("a message");
        let payload: Value = serde_json::from_str(&message).expect("JSON");
        assert_eq!(payload["ANOMALY_SCORE"].as_f64(), flag.score);
        assert!(message.ends_with(",\"anomaly\":true}"));
    }

    #[test]
    fn the_records_of_each_key_are_scored_by_themselves() {
        let mut rule = open(r#"{"upper":2,"key":"/k","columns":["/a"],"subSampleSize":16}"#);
        let record = |key: &str, value: u64| format!(r#"{{"k":{key},"a":{value}}}"#);
        for n in 0..100 {
            assert_eq!(classify(&mut rule, &record("\"low\"", n % 10)), Verdict::Pass);
            assert_eq!(classify(&mut rule, &record("7", 1000 + n % 10)), Verdict::Pass);
        }
        assert!(matches!(classify(&mut rule, &record("\"low\"", 1005)), Verdict::Flag(_)));
        assert!(matches!(classify(&mut rule, &record("7", 5)), Verdict::Flag(_)));
        assert_eq!(classify(&mut rule, &record("\"new\"", 500)), Verdict::Pass, "in training");
        assert_eq!(reason(classify(&mut rule, r#"{"a":1}"#)), "field /k is missing");
    }

    /// Each with another kind of state.
    fn kinds() -> Vec<String> {
        let per_key = r#""key":"/device_id","memoryMiB":1"#;
        vec![
            settings(r#","annotate":true"#),
            settings(r#","shingleSize":3,"columns":["/pulse"]"#),
            settings(&format!(",{per_key}")),
            r#"{"upper":3,"scorer":"zscore"}"#.to_owned(),
            format!(r#"{{"upper":3,"scorer":"zscore",{per_key}}}"#),
        ]
    }

    #[test]
    fn a_state_that_was_taken_over_goes_on_as_it_would_have() {
        for settings in kinds() {
            let mut rule = open(&settings);
            for learnt in [0, 1, 40, 300] {
                learn(&mut rule, 0..learnt);
                let taken = snapshot(&rule);
                let mut other = open(&settings);
                other.restore(&taken).expect("its own state");
                assert!(snapshot(&other) == taken, "{settings} after {learnt}");
                for payload in (300..500).map(vital_signs).chain([ILL.to_owned()]) {
                    let expected = classify(&mut rule, &payload);
                    assert_eq!(classify(&mut other, &payload), expected, "{settings}");
                }
                assert!(snapshot(&other) == snapshot(&rule), "{settings} after {learnt}");
            }
        }
    }

    #[test]
    fn a_state_that_is_not_whole_is_refused() {
        for settings in kinds() {
            let mut rule = open(&settings);
            let fresh = snapshot(&rule);
            learn(&mut rule, 0..100);
            let taken = snapshot(&rule);
            let mut other = open(&settings);
            for length in (0..taken.len()).step_by(1 + taken.len() / 300) {
                assert!(other.restore(&taken[..length]).is_err(), "{settings} cut to {length}");
                let mut damaged = taken.clone();
                damaged[length] ^= 0x10;
                assert!(other.restore(&damaged).is_err(), "{settings} damaged at {length}");
            }
            let longer = [&*taken, b"x"].concat();
            assert!(other.restore(&longer).is_err());
            assert!(snapshot(&other) == fresh, "{settings}");
        }
    }

    #[test]
    fn a_state_that_was_taken_with_other_settings_is_refused_by_name() {
        let mut rule = open(&settings(""));
        learn(&mut rule, 0..10);
        let taken = snapshot(&rule);
        for (other, reason) in [
            (settings(r#","seed":1"#), "taken with seed 0, here it is 1"),
            (settings(r#","timeDecay":500"#), "taken with timeDecay 100000, here it is 500"),
            (settings(r#","key":"/k""#), "taken with key none, here it is [\"/k\"]"),
            (
                settings(r#","columns":["/pulse"]"#),
                "taken with columns those of the first record, here it is [\"/pulse\"]",
            ),
            (r#"{"upper":1,"scorer":"zscore"}"#.to_owned(), "taken with scorer forest"),
        ] {
            let error = open(&other).restore(&taken).expect_err(&other);
            assert!(error.contains(reason), "{error}");
        }
        let bounds = r#","lower":1,"exclusive":true,"annotate":true"#;
        open(&settings(bounds)).restore(&taken).expect("the state does not depend on these");
        assert!(rule.restore(b"WRCF").expect_err("foreign").contains("not a snapshot"));
        let mut newer = taken;
        newer[4] = 2;
        assert!(rule.restore(&newer).expect_err("newer").contains("format 2"));
    }
}
