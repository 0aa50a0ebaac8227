//! Whether settings fit the JSON Schema that a rule describes them by.
//!
//! The schema is the rule's, and the rule is not trusted: what checking it can cost is bounded, as its
//! length is by [`Rule`](crate::Rule).

mod cost;

use std::thread;

use boon::{Compiler, Draft, Schemas, SchemeUrlLoader, ValidationError};
use serde_json::Value;

/// The most patterns that a schema may have: each costs memory.
const MAX_PATTERNS: usize = 32;

/// The stack for checking, in bytes: the schemas that are within each other take some each.
const STACK_BYTES: usize = 32 << 20;

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
    if patterns(&schema) > MAX_PATTERNS {
        return Err(format!("the rule's schema has over {MAX_PATTERNS} patterns"));
    }
    let settings: Value = serde_json::from_str(settings).map_err(|error| error.to_string())?;
    let check = || {
        cost::check(&schema, &settings).map_err(|error| format!("the rule's schema: {error}"))?;
        validate(schema, &settings)
    };
    thread::scope(|threads| {
        let thread = thread::Builder::new().stack_size(STACK_BYTES);
        let thread = thread.spawn_scoped(threads, check).map_err(|error| error.to_string())?;
        thread.join().unwrap_or_else(|_| Err("the rule's schema cannot be followed".to_owned()))
    })
}

fn validate(schema: Value, settings: &Value) -> Result<(), String> {
    let mut compiler = Compiler::new();
    compiler.set_default_draft(Draft::V2020_12);
    // Without a loader for any scheme, there is nothing but the schema and the drafts' own.
    compiler.use_loader(Box::new(SchemeUrlLoader::new()));
    let mut schemas = Schemas::new();
    let unfit = |error| format!("the rule's schema: {error:#}");
    compiler.add_resource(URL, schema).map_err(unfit)?;
    let compiled = compiler.compile(URL, &mut schemas).map_err(unfit)?;
    schemas.validate(settings, compiled).map_err(|error| describe(&error))
}

/// How many patterns there are in a schema.
fn patterns(schema: &Value) -> usize {
    match schema {
        Value::Array(items) => items.iter().map(patterns).sum(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| {
                let own = match (name.as_str(), value) {
                    ("pattern", _) => 1,
                    ("patternProperties", Value::Object(patterns)) => patterns.len(),
                    _ => 0,
                };
                own + patterns(value)
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

    /// A chain of definitions, each within which the next is referred to.
    fn chain(length: usize, within: impl Fn(&str) -> String) -> String {
        let links: Vec<String> = (0..length)
            .map(|link| {
                let next = format!(r##"{{"$ref": "#/$defs/{}"}}"##, link + 1);
                format!(r#""{link}": {}"#, within(&next))
            })
            .collect();
        let links = links.join(",");
        format!(r##"{{"$ref": "#/$defs/0", "$defs": {{{links}, "{length}": {{}}}}}}"##)
    }

    #[test]
    fn a_schema_cannot_make_its_host_work_without_end() {
        // Each link refers to the next twice, 2^32 times in all.
        let twice = chain(32, |next| format!(r#"{{"allOf": [{next}, {next}]}}"#));
        assert!(refused(&twice, "{}").contains("steps"));
        let patterns = vec![r#"{"pattern": "a"}"#; 33].join(",");
        assert!(refused(&format!(r#"{{"allOf": [{patterns}]}}"#), "{}").contains("patterns"));
        // All of the document's parts, at each part of it.
        let tree = r##"{"anyOf": [{"items": {"$ref": "#"}}, {"items": {"$ref": "#"}}, false]}"##;
        assert_eq!(check(tree, "[[[1]]]"), Ok(()));
        let deep = "[".repeat(40) + &"]".repeat(40);
        assert!(refused(tree, &deep).contains("steps"));
        let long = format!(r#"["{}"]"#, "a".repeat(1 << 16));
        let patterns = vec![r#"{"items": {"pattern": "a"}}"#; 32].join(",");
        assert_eq!(check(&format!(r#"{{"allOf": [{patterns}]}}"#), &long), Ok(()));
        let often = chain(7, |next| format!(r#"{{"allOf": [{next}, {next}, {next}]}}"#));
        let often = often.replacen("{}", r#"{"items": {"pattern": "a"}}"#, 1);
        assert!(refused(&often, &long).contains("steps"));
    }

    #[test]
    fn a_schema_cannot_exhaust_its_hosts_stack() {
        let not = |depth: usize, inner: &str| {
            format!("{}{inner}{}", r#"{"not": "#.repeat(depth), "}".repeat(depth))
        };
        assert!(refused(&chain(31, |next| not(60, next)), "{}").contains("within each other"));
        assert_eq!(check(&not(100, "{}"), "{}"), Ok(()));
        assert_eq!(check(&chain(90, str::to_owned), "{}"), Ok(()));
        assert!(refused(r##"{"$ref": "#"}"##, "{}").contains("within each other"));
    }

    #[test]
    fn a_reference_means_the_same_wherever_it_is_met() {
        for keyword in ["$id", "$dynamicRef", "$schema"] {
            let schema = format!(r##"{{"properties": {{"a": {{"{keyword}": "#a"}}}}}}"##);
            assert!(refused(&schema, "{}").contains("root only"), "{schema}");
        }
        for reference in ["#a", "other#/a", "#/%24defs", ""] {
            let schema = format!(r#"{{"allOf": [{{"$ref": "{reference}"}}], "$defs": {{}}}}"#);
            assert!(refused(&schema, "{}").contains("refers to nothing"), "{schema}");
        }
        let root = r##"{"$id": "https://example.org/a", "$schema":
            "https://json-schema.org/draft/2020-12/schema", "$ref": "#/$defs/a", "$defs": {"a": {}}}"##;
        assert_eq!(check(root, "{}"), Ok(()));
    }

    #[test]
    fn a_schema_may_describe_what_nests() {
        let schema = r##"{"$ref": "#/$defs/rule", "$defs": {"rule": {"type": "object", "properties":
            {"all": {"items": {"$ref": "#/$defs/rule"}}, "above": {"type": "number"}},
            "additionalProperties": false}}}"##;
        let nested = r#"{"all": [{"above": 1}, {"all": [{"all": []}, {"above": 2}]}]}"#;
        assert_eq!(check(schema, nested), Ok(()));
        assert!(refused(schema, &nested.replace('2', "\"2\"")).contains("/all/1/all/1/above"));
    }

    #[test]
    fn a_pattern_is_matched_in_linear_time() {
        let schema = r#"{"properties": {"a": {"pattern": "^(a|a)*$"}}}"#;
        let settings = format!(r#"{{"a": "{}!"}}"#, "a".repeat(10_000));
        assert!(refused(schema, &settings).contains("/a"));
    }
}
