//! What is written into a payload: the columns of the table that `RANDOM_CUT_FOREST` and
//! `RANDOM_CUT_FOREST_WITH_EXPLANATION` of Kinesis Data Analytics make, under their names.
//!
//! The explanation is a column of text there, whose text is JSON, and in which numbers are texts of
//! four decimals (Amazon Kinesis Data Analytics for SQL Developer Guide, "Detecting Data Anomalies
//! and Getting an Explanation", step 3). So it is here.

use weir_guest::json::Pointer;

use crate::scorer::{Part, Scored};
use crate::settings::Explanation;

/// The name that a score is written under.
pub(crate) const SCORE: &str = "ANOMALY_SCORE";

/// Writes annotations, for columns of the same names.
#[derive(Clone, Debug)]
pub(crate) struct Annotator {
    explanation: Explanation,
    /// The columns' names, as JSON has them within a string that is itself within a string of JSON.
    names: Vec<String>,
}

impl Annotator {
    pub(crate) fn new(explanation: Explanation, columns: &[Pointer]) -> Self {
        let names = columns.iter().map(|column| inner_json(&inner_json(name(column)))).collect();
        Self { explanation, names }
    }

    /// Makes `annotation` a JSON object that says what a record scored, and whether it is an anomaly,
    /// if there are bounds that tell.
    pub(crate) fn write(&self, scored: &Scored, anomaly: Option<bool>, annotation: &mut String) {
        annotation.clear();
        annotation.push_str(&format!(r#"{{"{SCORE}":{}"#, scored.score));
        if self.explanation != Explanation::None {
            annotation.push_str(r#","ANOMALY_EXPLANATION":"{"#);
            for (number, (name, part)) in self.names.iter().zip(&scored.parts).enumerate() {
                if number > 0 {
                    annotation.push(',');
                }
                annotation.push_str(&self.part(name, part));
            }
            annotation.push_str(r#"}""#);
        }
        if let Some(anomaly) = anomaly {
            annotation.push_str(&format!(r#","anomaly":{anomaly}"#));
        }
        annotation.push('}');
    }

    fn part(&self, name: &str, part: &Part) -> String {
        let Part { score, strength, is_high } = part;
        let direction = match self.explanation {
            Explanation::WithDirection => {
                let direction = if *is_high { "HIGH" } else { "LOW" };
                format!(r#"\"DIRECTION\":\"{direction}\",\"STRENGTH\":\"{strength:.4}\","#)
            }
            _ => String::new(),
        };
        format!(r#"\"{name}\":{{{direction}\"ATTRIBUTION_SCORE\":\"{score:.4}\"}}"#)
    }
}

/// What a column is called: a member of the record by its key, what is deeper in it by its pointer.
fn name(column: &Pointer) -> &str {
    column.as_member().unwrap_or(column.as_str())
}

/// A text as JSON has it between the quotes of a string.
fn inner_json(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    json[1..json.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn annotated(explanation: Explanation, columns: &[&str], anomaly: Option<bool>) -> String {
        let columns: Vec<_> =
            columns.iter().map(|text| Pointer::parse(text).expect("a pointer")).collect();
        let parts = [
            Part { score: 1.25004, strength: 0.5, is_high: true },
            Part { score: 0.0, strength: 0.0, is_high: false },
        ];
        let scored = Scored { score: 1.25, parts: parts.to_vec() };
        let mut annotation = "left over".to_owned();
        Annotator::new(explanation, &columns).write(&scored, anomaly, &mut annotation);
        annotation
    }

    #[test]
    fn a_score_is_a_number() {
        let annotation = annotated(Explanation::None, &["/a", "/b"], None);
        assert_eq!(annotation, r#"{"ANOMALY_SCORE":1.25}"#);
        let annotation = annotated(Explanation::None, &["/a", "/b"], Some(true));
        assert_eq!(annotation, r#"{"ANOMALY_SCORE":1.25,"anomaly":true}"#);
    }

    #[test]
    fn an_explanation_is_json_in_a_string() {
        let annotation = annotated(Explanation::Attribution, &["/a", "/b"], Some(false));
        assert_eq!(
            annotation,
            r#"{"ANOMALY_SCORE":1.25,"ANOMALY_EXPLANATION":"{\"a\":{\"ATTRIBUTION_SCORE\":\"1.2500\"},\"b\":{\"ATTRIBUTION_SCORE\":\"0.0000\"}}","anomaly":false}"#
        );
    }

    #[test]
    fn directions_are_as_kinesis_data_analytics_writes_them() {
        let columns = ["/é\"\\\n", "/vitals/pulse"];
        let annotation = annotated(Explanation::WithDirection, &columns, None);
        let payload: Value = serde_json::from_str(&annotation).expect("JSON");
        let explanation = payload["ANOMALY_EXPLANATION"].as_str().expect("a string");
        assert!(explanation.ends_with(
            r#""/vitals/pulse":{"DIRECTION":"LOW","STRENGTH":"0.0000","ATTRIBUTION_SCORE":"0.0000"}}"#
        ));
        let explanation: Value = serde_json::from_str(explanation).expect("JSON in the string");
        assert_eq!(
            explanation["é\"\\\n"],
            json!({"DIRECTION": "HIGH", "STRENGTH": "0.5000", "ATTRIBUTION_SCORE": "1.2500"})
        );
    }
}
