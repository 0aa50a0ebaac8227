//! What checking a document against a schema costs, before it is done: each keyword that holds schemas is
//! followed as a validator follows it, without looking at whether anything fits.
//!
//! Source of the keywords: JSON Schema, draft 2020-12, and those before it from draft-06 on.

use std::collections::HashMap;
use std::ptr;

use serde_json::{Map, Value};

/// How many schemas may be looked at, each time for one value of the document. What is listed in a schema
/// counts as well, and so does the length of a text.
const MAX_STEPS: u64 = 100_000;

/// So many bytes of text count as one step.
const BYTES_PER_STEP: usize = 64;

/// How many schemas may be within each other where they are applied: each takes some of the stack.
const MAX_DEPTH: usize = 200;

/// Keywords by which the meaning of a reference depends on where it is met, or on other documents.
const ELSEWHERE: [&str; 4] = ["$id", "$schema", "$dynamicRef", "$recursiveRef"];

/// Checks that a document can be checked against a schema within bounds.
///
/// # Errors
///
/// Says what the schema exceeds, or what in it cannot be followed.
pub(super) fn check(schema: &Value, document: &Value) -> Result<(), String> {
    if let Value::Object(root) = schema {
        // Drafts before that name schemas by `id`.
        if root.get("$schema").and_then(Value::as_str).is_some_and(|url| url.contains("draft-04")) {
            return Err("it is of draft-04: 2020-12 is expected".to_owned());
        }
        root.values().try_for_each(refuse_elsewhere)?;
    }
    Walk { root: schema, known: HashMap::new() }.steps(schema, document, 0).map(drop)
}

fn refuse_elsewhere(value: &Value) -> Result<(), String> {
    match value {
        Value::Array(items) => items.iter().try_for_each(refuse_elsewhere),
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            match ELSEWHERE.contains(&name.as_str()) && value.is_string() {
                true => Err(format!("{name} is taken at its root only: use $ref")),
                false => refuse_elsewhere(value),
            }
        }),
        _ => Ok(()),
    }
}

/// A walk through a schema and a document at once.
struct Walk<'a> {
    root: &'a Value,
    /// The steps of pairs that were walked through, by where they are.
    known: HashMap<(*const Value, *const Value), u64>,
}

impl<'a> Walk<'a> {
    /// The steps that it takes to check a value against a schema.
    fn steps(&mut self, schema: &'a Value, value: &'a Value, depth: usize) -> Result<u64, String> {
        let Value::Object(keywords) = schema else { return Ok(1) };
        if depth > MAX_DEPTH {
            return Err(format!("it applies over {MAX_DEPTH} schemas within each other"));
        }
        let pair = (ptr::from_ref(schema), ptr::from_ref(value));
        if let Some(steps) = self.known.get(&pair) {
            return Ok(*steps);
        }
        let mut steps = 1 + value.as_str().map_or(0, |text| (text.len() / BYTES_PER_STEP) as u64);
        for (keyword, held) in keywords {
            steps += self.keyword(keyword, held, value, depth + 1)?;
            if steps > MAX_STEPS {
                return Err(format!("checking against it takes over {MAX_STEPS} steps"));
            }
        }
        self.known.insert(pair, steps);
        Ok(steps)
    }

    fn keyword(
        &mut self,
        keyword: &str,
        held: &'a Value,
        value: &'a Value,
        depth: usize,
    ) -> Result<u64, String> {
        let members = value.as_object().into_iter().flat_map(Map::values);
        let elements = value.as_array().into_iter().flatten();
        match keyword {
            "$ref" => {
                let target = self.target(held)?;
                self.steps(target, value, depth)
            }
            "not" | "if" | "then" | "else" | "contentSchema" => self.steps(held, value, depth),
            "allOf" | "anyOf" | "oneOf" => self.all(schemas(held), [value], depth),
            "dependentSchemas" | "dependencies" => self.all(schemas(held), [value], depth),
            "properties" => {
                let Value::Object(properties) = held else { return Ok(1) };
                let mut steps = properties.len() as u64;
                for (name, schema) in properties {
                    if let Some(member) = value.get(name.as_str()) {
                        steps += self.steps(schema, member, depth)?;
                    }
                }
                Ok(steps)
            }
            "patternProperties" => self.all(schemas(held), members, depth),
            "additionalProperties" | "unevaluatedProperties" => self.all([held], members, depth),
            // The names are values of no members.
            "propertyNames" => {
                let names = members.map(|_| &Value::Null);
                self.all([held], names, depth)
            }
            "items" | "prefixItems" | "additionalItems" | "unevaluatedItems" | "contains" => {
                match held {
                    Value::Array(schemas) => self.all(schemas, elements, depth),
                    schema => self.all([schema], elements, depth),
                }
            }
            _ => Ok(match held {
                Value::Array(list) => list.len() as u64,
                _ => 0,
            }),
        }
    }

    /// The steps of checking each value against each schema.
    fn all(
        &mut self,
        schemas: impl IntoIterator<Item = &'a Value>,
        values: impl IntoIterator<Item = &'a Value> + Clone,
        depth: usize,
    ) -> Result<u64, String> {
        let mut steps = 1;
        for schema in schemas {
            for value in values.clone() {
                steps += self.steps(schema, value, depth)?;
                if steps > MAX_STEPS {
                    return Ok(steps);
                }
            }
        }
        Ok(steps)
    }

    /// What a reference refers to.
    fn target(&self, reference: &Value) -> Result<&'a Value, String> {
        let reference = reference.as_str().unwrap_or_default();
        let pointer = reference.strip_prefix('#').filter(|pointer| !pointer.contains('%'));
        pointer.and_then(|pointer| self.root.pointer(pointer)).ok_or_else(|| {
            format!("{reference:?} refers to nothing in it: a reference begins with #/")
        })
    }
}

/// The schemas in a list, or in the members of an object.
fn schemas(held: &Value) -> Vec<&Value> {
    match held {
        Value::Array(schemas) => schemas.iter().collect(),
        Value::Object(schemas) => schemas.values().collect(),
        _ => Vec::new(),
    }
}
