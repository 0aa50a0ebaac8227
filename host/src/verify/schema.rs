//! The JSON Schema that a rule describes its settings by, and whether settings fit it.
//!
//! The schema is the rule's, and the rule is not trusted: what compiling it and checking against it can cost is
//! bounded, as its length is by [`Rule`](crate::Rule).

mod cost;

mod pattern;

mod shape;

use std::thread;

use boon::{Compiler, Draft, SchemaIndex, Schemas, SchemeUrlLoader, ValidationError};
use serde_json::Value;

use self::shape::PatternSizes;
use super::refusal::on_one_line;

/// The stack for what follows a schema, in bytes: the schemas that are within each other take some each.
const STACK_BYTES: usize = 32 << 20;

/// What the schema is known by where it refers to itself. Nothing is fetched from there.
const URL: &str = "https://weir.invalid/settings";

/// A schema of settings, compiled.
pub(crate) struct SettingsSchema {
    document: Value,
    patterns: PatternSizes,
    schemas: Schemas,
    compiled: SchemaIndex,
}

impl SettingsSchema {
    /// Reads and compiles a schema.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it.
    pub(crate) fn parse(schema: &str) -> Result<Self, String> {
        let document: Value =
            serde_json::from_str(schema).map_err(|error| format!("it is not JSON: {error}"))?;
        let (patterns, unfit) = with_stack(|| shape::check(&document))?;
        let compiled = with_stack(|| {
            let mut schemas = Schemas::new();
            let compiled = compile(document.clone(), &mut schemas)?;
            Ok((schemas, compiled))
        });
        // The compiler takes a pattern that is none for a mistake of its own.
        let (schemas, compiled) = compiled.map_err(|error| unfit.unwrap_or(error))?;
        Ok(Self { document, patterns, schemas, compiled })
    }

    /// Checks a settings document.
    ///
    /// # Errors
    ///
    /// Says what is wrong: with the settings and where, or with the schema.
    pub(crate) fn check(&self, settings: &str) -> Result<(), String> {
        let settings: Value = serde_json::from_str(settings).map_err(|error| error.to_string())?;
        with_stack(|| {
            cost::check(&self.document, &self.patterns, &settings)
                .map_err(|error| format!("the rule's schema: {error}"))?;
            self.schemas.validate(&settings, self.compiled).map_err(|error| describe(&error))
        })
    }
}

fn with_stack<T: Send>(follow: impl FnOnce() -> Result<T, String> + Send) -> Result<T, String> {
    thread::scope(|threads| {
        let thread = thread::Builder::new().stack_size(STACK_BYTES);
        let thread = thread.spawn_scoped(threads, follow).map_err(|error| error.to_string())?;
        thread.join().unwrap_or_else(|_| Err("the schema cannot be followed".to_owned()))
    })
}

fn compile(schema: Value, schemas: &mut Schemas) -> Result<SchemaIndex, String> {
    let mut compiler = Compiler::new();
    compiler.set_default_draft(Draft::V2020_12);
    // Without a loader for any scheme, there is nothing but the schema and the drafts' own.
    compiler.use_loader(Box::new(SchemeUrlLoader::new()));
    let unfit = |error| on_one_line(&format!("{error:#}"));
    compiler.add_resource(URL, schema).map_err(unfit)?;
    compiler.compile(URL, schemas).map_err(unfit)
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

    fn check(schema: &str, settings: &str) -> Result<(), String> {
        SettingsSchema::parse(schema)?.check(settings)
    }

    fn refused(schema: &str, settings: &str) -> String {
        check(schema, settings).expect_err("it does not fit")
    }

    fn not_compiled(schema: &str) -> String {
        SettingsSchema::parse(schema).err().expect("it is no schema")
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
        for schema in [r#"{"type": "numbre"}"#, r##"{"$ref": "#/$defs/missing"}"##, "3", "{"] {
            not_compiled(schema);
        }
        let patterns = r#"{"default": [{"pattern": "*.log"}]}"#;
        assert_eq!(check(patterns, "{}"), Ok(()), "it is no pattern of the schema's");
        let error = not_compiled(r#"{"pattern": "*.log"}"#);
        assert!(error.contains(r#"its pattern "*.log""#), "{error}");
        let long = not_compiled(&format!(r##"{{"$ref": "#{}"}}"##, "a".repeat(1000)));
        assert!(long.len() < 200, "{long}");
    }

    #[test]
    fn nothing_is_fetched_for_a_schema() {
        for url in ["file:///etc/hostname", "https://example.org/schema.json"] {
            let error = not_compiled(&format!(r#"{{"$ref": "{url}"}}"#));
            assert!(error.contains("refers to nothing"), "{error}");
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
    fn what_is_compiled_is_bounded() {
        let patterns = |pattern: &str, times: usize| {
            let patterns = vec![format!(r#"{{"pattern": "{pattern}"}}"#); times].join(",");
            format!(r#"{{"allOf": [{patterns}]}}"#)
        };
        assert_eq!(check(&patterns("a", 32), "{}"), Ok(()));
        assert!(not_compiled(&patterns("a", 33)).contains("patterns"));
        assert_eq!(check(&patterns("^a{1500}$", 32), "{}"), Ok(()));
        assert!(not_compiled(&patterns("^a{4000}$", 32)).contains("parts"));
        for pattern in ["(?:(?:a?){999}){999}", ".{20000}"] {
            assert!(not_compiled(&patterns(pattern, 1)).contains("parts"), "{pattern}");
        }
        let properties = r#"{"patternProperties": {"(?:(?:a?){999}){999}": {}}}"#;
        assert!(not_compiled(properties).contains("parts"));

        let schemas = |schema: &str, times: usize| {
            format!(r#"{{"allOf": [{}]}}"#, vec![schema; times].join(","))
        };
        assert_eq!(check(&schemas("{}", 1_000), "{}"), Ok(()));
        for schema in ["{}", "true"] {
            assert!(not_compiled(&schemas(schema, 5_000)).contains("schemas"));
        }
        let below =
            |name: &str| format!(r#"{{"properties": {{"{name}": {}}}}}"#, schemas("{}", 1_000));
        assert_eq!(check(&below("name"), "{}"), Ok(()));
        assert!(not_compiled(&below(&"n".repeat(2_000))).contains("places"));
    }

    /// A schema that applies another 512 times.
    fn often(schema: &str) -> String {
        let chain = chain(3, |next| format!(r#"{{"allOf": [{}]}}"#, [next; 8].join(",")));
        let (before, _) = chain.rsplit_once("{}").expect("the end of the chain");
        format!("{before}{schema}}}}}")
    }

    #[test]
    fn what_a_schema_lists_counts_each_time_that_it_is_applied() {
        let names: Vec<String> = (0..1_000).map(|number| format!("\"{number}\"")).collect();
        let names = format!("[{}]", names.join(","));
        for keyword in [
            format!(r#""dependentRequired": {{"a": {names}}}"#),
            format!(r#""dependencies": {{"a": {names}}}"#),
            format!(r#""required": {names}"#),
            format!(r#""const": {{"a": {names}}}"#),
            format!(r#""enum": [{{"a": {names}}}]"#),
        ] {
            let schema = often(&format!("{{{keyword}}}"));
            assert!(refused(&schema, r#"{"a": 1}"#).contains("steps"), "{schema}");
        }
    }

    #[test]
    fn what_settings_hold_counts_each_time_that_it_is_looked_at() {
        let many: Vec<String> = (0..1_000).map(|number| format!(r#""{number}": {{}}"#)).collect();
        let many = format!("{{{}}}", many.join(","));
        let lists = many.replace(": {}", "").replace('{', "[").replace('}', "]");
        let name = format!(r#"{{"{}": 1}}"#, "n".repeat(1 << 16));
        for (schema, settings) in [
            (r#"{"unevaluatedProperties": true}"#, &many),
            (r#"{"minProperties": 1}"#, &many),
            (r#"{"uniqueItems": true}"#, &lists),
            (r#"{"propertyNames": {"maxLength": 9}}"#, &name),
            (r#"{"minProperties": 1}"#, &name),
        ] {
            assert_eq!(check("{}", settings), Ok(()));
            assert!(refused(&often(schema), settings).contains("steps"), "{schema}");
        }
        let holding = format!(r#"[{}]"#, vec!["[1]"; 3_000].join(","));
        assert!(refused(r#"{"uniqueItems": true}"#, &holding).contains("steps"));
        let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let lists = |depth: usize| {
            let wide = vec!["1"; 200].join(",");
            deep(depth).replace('1', &wide)
        };
        let bounds = vec![r#"{"minimum": 2}"#; 50].join(",");
        let recursive = format!(
            r##"{{"if": {{"type": "array"}}, "then": {{"items": {{"$ref": "#"}}}},
                "else": {{"allOf": [{bounds}]}}}}"##
        );
        assert!(!refused(&recursive, &lists(1)).contains("steps"));
        assert!(refused(&recursive, &lists(40)).contains("steps"));
    }

    #[test]
    fn a_pattern_counts_by_its_size_and_the_length_of_the_text() {
        let large = "^(?:[a-z]?){2000}$";
        for (keyword, settings) in [
            (format!(r#""pattern": "{large}""#), r#""abc""#),
            (format!(r#""patternProperties": {{"{large}": {{}}}}"#), r#"{"abc": 1}"#),
            (format!(r#""propertyNames": {{"pattern": "{large}"}}"#), r#"{"abc": 1}"#),
        ] {
            let schema = format!("{{{keyword}}}");
            assert_eq!(check(&schema, settings), Ok(()));
            assert!(refused(&often(&schema), settings).contains("steps"), "{schema}");
        }
        let long = format!(r#""{}""#, "a".repeat(2_000));
        assert!(refused(&format!(r#"{{"pattern": "{large}"}}"#), &long).contains("steps"));
        // In drafts that have texts checked for being patterns.
        let draft = r#""$schema": "http://json-schema.org/draft-07/schema#""#;
        let schema = format!(r#"{{{draft}, "format": "regex"}}"#);
        assert_eq!(check(&schema, r#""[a-z]""#), Ok(()));
        let digits = format!(r#""{}""#, r"\\d".repeat(5_000));
        assert!(refused(&schema, &digits).contains("steps"));
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
        // Each is met for itself before it is met within the next.
        let link = |link: usize| format!(r##"{{"$ref": "#/$defs/{link}"}}"##);
        let links = |each: &dyn Fn(usize) -> String| (1..9).map(each).collect::<Vec<_>>().join(",");
        let chains = format!(
            r#"{{"allOf": [{}], "$defs": {{"0": {{}}, {}}}}}"#,
            links(&link),
            links(&|number| format!(r#""{number}": {}"#, not(60, &link(number - 1))))
        );
        assert!(refused(&chains, "{}").contains("within each other"));
    }

    #[test]
    fn a_reference_means_the_same_wherever_it_is_met() {
        for keyword in ["$id", "$dynamicRef", "$schema"] {
            let schema = format!(r##"{{"properties": {{"a": {{"{keyword}": "#a"}}}}}}"##);
            assert!(not_compiled(&schema).contains("use $ref"), "{schema}");
        }
        let dynamic = r##"{"$dynamicRef": "#/$defs/a", "$defs": {"a": {}}}"##;
        assert!(not_compiled(dynamic).contains("use $ref"));
        for reference in ["#a", "other#/a", "#/%24defs", ""] {
            let schema = format!(r#"{{"allOf": [{{"$ref": "{reference}"}}], "$defs": {{}}}}"#);
            assert!(not_compiled(&schema).contains("refers to nothing"), "{schema}");
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
