//! What the rule can be told: which field holds the score, and the bounds it must stay within.

use weir_guest::json::Pointer;
use weir_guest::{Bounds, Settings, SettingsError};

/// The JSON Schema of the settings document.
pub const SCHEMA: &str = include_str!("settings.schema.json");

/// The field that `RANDOM_CUT_FOREST` of Kinesis Data Analytics writes its score to.
pub const DEFAULT_FIELD: &str = "/ANOMALY_SCORE";

/// The settings document, read.
#[derive(Clone, Debug, PartialEq)]
pub struct ThresholdSettings {
    /// Where the score stands in the payload.
    pub field: Pointer,
    /// What the score must stay within.
    pub bounds: Bounds,
    /// Whether the payload goes on with its verdict written into it.
    pub annotate: bool,
}

impl ThresholdSettings {
    /// Reads the settings document.
    ///
    /// # Errors
    ///
    /// If a setting has the wrong type or is not known, if there is no bound at all, or if the
    /// bounds leave nothing between them.
    pub fn read(mut settings: Settings<'_>) -> Result<Self, SettingsError> {
        let field = settings.pointer("field")?;
        let bounds = Bounds::take(&mut settings)?;
        let annotate = settings.boolean("annotate")?.unwrap_or(false);
        settings.finish()?;

        if bounds.is_unbounded() {
            return Err(SettingsError {
                path: "/upper".to_owned(),
                value: String::new(),
                expected: "a number here or at /lower: without a bound nothing is an anomaly"
                    .to_owned(),
            });
        }
        Ok(Self { field: field.unwrap_or_else(default_field), bounds, annotate })
    }
}

fn default_field() -> Pointer {
    Pointer::parse(DEFAULT_FIELD).expect("the default field is a JSON Pointer")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_schema_lists_the_settings_that_are_known_and_no_other() {
        let schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
        let properties = schema["properties"].as_object().expect("properties");
        let mut document = json!({"field": "/a", "exclusive": true, "annotate": true});
        document["lower"] = json!(1);
        document["upper"] = json!(2);
        assert_eq!(
            properties.keys().collect::<Vec<_>>(),
            document.as_object().expect("an object").keys().collect::<Vec<_>>()
        );
        let document = document.to_string();
        let settings = Settings::parse(&document).expect("JSON");
        ThresholdSettings::read(settings).expect("every setting is known");
        assert_eq!(properties["field"]["default"], DEFAULT_FIELD);
    }
}
