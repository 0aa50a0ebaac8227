//! Whether settings fit the JSON Schema that a rule describes them by.
//!
//! The schema is the rule's, and the rule is not trusted: what checking it can cost is bounded, as its
//! length is by [`Rule`](crate::Rule).

use boon::{Compiler, Draft, Schemas, SchemeUrlLoader, ValidationError};
use serde_json::Value;

/// The most references and patterns that a schema may have: a pattern costs memory, and references
/// to references multiply.
const MAX_COSTLY: usize = 32;

/// What the schema is known by where it refers to itself. Nothing is fetched from there.
const URL: &str = "https://weir.invalid/settings";

/// Checks a settings document.
///
/// # Errors
///
/// Says what is wrong: with the settings and where, or with the schema.
pub(super) fn check(schema: &str, settings: &str) -> Result<(), String> {
    let schema: Value =
        serde_json::from_str(schema).map_err(|error| format!("the rule's schema: {error}"))?;
    if costly(&schema) > MAX_COSTLY {
        return Err(format!("the rule's schema has over {MAX_COSTLY} references and patterns"));
    }
    let settings: Value = serde_json::from_str(settings).map_err(|error| error.to_string())?;

    let mut compiler = Compiler::new();
    compiler.set_default_draft(Draft::V2020_12);
    // Without a loader for any scheme, there is nothing but the schema and the drafts' own.
    compiler.use_loader(Box::new(SchemeUrlLoader::new()));
    let mut schemas = Schemas::new();
    let unfit = |error| format!("the rule's schema: {error:#}");
    compiler.add_resource(URL, schema).map_err(unfit)?;
    let compiled = compiler.compile(URL, &mut schemas).map_err(unfit)?;
    schemas.validate(&settings, compiled).map_err(|error| describe(&error))
}

/// How many references and patterns there are in a schema.
fn costly(schema: &Value) -> usize {
    match schema {
        Value::Array(items) => items.iter().map(costly).sum(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| {
                let own = match (name.as_str(), value) {
                    ("$ref" | "$dynamicRef" | "$recursiveRef" | "pattern", _) => 1,
                    ("patternProperties", Value::Object(patterns)) => patterns.len(),
                    _ => 0,
                };
                own + costly(value)
            })
            .sum(),
        _ => 0,
    }
}

/// The first thing that does not fit: the cause of the cause, where it says most.
fn describe(error: &ValidationError<'_, '_>) -> String {
    match error.causes.first() {
        Some(cause) => describe(cause),
        None => match error.instance_location.to_string() {
            root if root.is_empty() => format!("settings do not fit the schema: {}", error.kind),
            path => format!("setting {path} does not fit the schema: {}", error.kind),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(schema: &str, settings: &str) -> String {
        check(schema, settings).expect_err("it does not fit")
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_place() {
        let schema =
            r#"{"properties": {"above": {"type": "number"}}, "additionalProperties": false}"#;
        assert_eq!(check(schema, r#"{"above": 39}"#), Ok(()));
        let error = refused(schema, r#"{"above": "39"}"#);
        assert!(error.starts_with("setting /above does not fit the schema: "), "{error}");
        let error = refused(schema, r#"{"abov": 39}"#);
        assert!(error.contains("'abov'"), "{error}");
    }

    #[test]
    fn a_schema_is_of_the_draft_that_the_contract_names() {
        // Before that draft, an array of schemas stood in `items`.
        let schema = r#"{"properties": {"pair": {"prefixItems": [{"type": "string"}]}}}"#;
        assert_eq!(check(schema, r#"{"pair": ["a"]}"#), Ok(()));
        assert!(refused(schema, r#"{"pair": [1]}"#).contains("/pair/0"));
    }

    #[test]
    fn a_schema_that_is_none_is_refused() {
        for schema in [r#"{"type": "numbre"}"#, r##"{"$ref": "#/$defs/missing"}"##, "3"] {
            assert!(refused(schema, "{}").starts_with("the rule's schema: "), "{schema}");
        }
    }

    #[test]
    fn nothing_is_fetched_for_a_schema() {
        for url in ["file:///etc/hostname", "https://example.org/schema.json"] {
            let error = refused(&format!(r#"{{"$ref": "{url}"}}"#), "{}");
            assert!(error.starts_with("the rule's schema: "), "{error}");
        }
    }

    /// Each level refers to the next twice, 2^32 times in all; or forever.
    #[test]
    fn a_schema_cannot_make_its_host_work_without_end() {
        let levels: Vec<String> = (0..32)
            .map(|n| format!(r##""{n}": {{"allOf": [{{"$ref": "#/$defs/{m}"}}, {{"$ref": "#/$defs/{m}"}}]}}"##, m = n + 1))
            .collect();
        let schema =
            format!(r##"{{"$ref": "#/$defs/0", "$defs": {{{}, "32": {{}}}}}}"##, levels.join(","));
        assert!(refused(&schema, "{}").contains("references"));
        assert!(refused(r##"{"$ref": "#"}"##, "{}").contains("cycle"));
        let patterns = vec![r#"{"pattern": "a"}"#; 33].join(",");
        assert!(refused(&format!(r#"{{"allOf": [{patterns}]}}"#), "{}").contains("patterns"));
    }

    #[test]
    fn a_pattern_is_matched_in_linear_time() {
        let schema = r#"{"properties": {"a": {"pattern": "^(a|a)*$"}}}"#;
        let settings = format!(r#"{{"a": "{}!"}}"#, "a".repeat(10_000));
        assert!(refused(schema, &settings).contains("/a"));
    }
}
