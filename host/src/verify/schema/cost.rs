//! What checking a document against a schema costs, before it is done: each keyword that holds schemas is
//! followed as a validator follows it, without looking at whether anything fits.
//!
//! Source of the keywords: JSON Schema, draft 2020-12, and those before it from draft-06 on.

use std::collections::HashMap;
use std::ptr;

use serde_json::{Map, Value};

use super::shape::{PatternSizes, target};

/// How many keywords may be looked at, each time for one value of the document. What is listed in a schema
/// counts as well, and so do the members of a value, the length of a text and the size of a pattern.
const MAX_STEPS: u64 = 100_000;

/// So many bytes of text count as one step.
const BYTES_PER_STEP: usize = 64;

/// A pattern with so many parts takes a step for each byte of the text, and so on in proportion.
const PARTS_PER_STEP: u64 = 256;

/// Where a value is this deep in the document, each step counts as one more: what does not fit is told with its
/// place.
const DEPTH_PER_STEP: usize = 8;

/// How many schemas may be within each other where they are applied: each takes some of the stack.
const MAX_DEPTH: usize = 200;

/// Checks that a document can be checked against a schema within bounds.
///
/// # Errors
///
/// Says what the schema exceeds.
pub(super) fn check(
    schema: &Value,
    patterns: &PatternSizes,
    document: &Value,
) -> Result<(), String> {
    let mut walk = Walk { root: schema, patterns, known: HashMap::new() };
    walk.cost(schema, Subject::Value(document), Depth::default()).map(drop)
}

/// What is checked against a schema.
#[derive(Clone, Copy)]
enum Subject<'a> {
    /// A value of the document.
    Value(&'a Value),
    /// The name of a member.
    Name(&'a str),
}

impl<'a> Subject<'a> {
    fn address(self) -> *const u8 {
        match self {
            Self::Value(value) => ptr::from_ref(value).cast(),
            Self::Name(name) => name.as_ptr(),
        }
    }

    fn text(self) -> Option<&'a str> {
        match self {
            Self::Value(value) => value.as_str(),
            Self::Name(name) => Some(name),
        }
    }

    fn object(self) -> Option<&'a Map<String, Value>> {
        match self {
            Self::Value(value) => value.as_object(),
            Self::Name(_) => None,
        }
    }

    fn array(self) -> Option<&'a Vec<Value>> {
        match self {
            Self::Value(value) => value.as_array(),
            Self::Name(_) => None,
        }
    }

    fn members(self) -> impl Iterator<Item = Self> + Clone {
        self.object().into_iter().flat_map(Map::values).map(Self::Value)
    }

    fn names(self) -> impl Iterator<Item = Self> + Clone {
        self.object().into_iter().flat_map(Map::keys).map(|name| Self::Name(name))
    }

    fn elements(self) -> impl Iterator<Item = Self> + Clone {
        self.array().into_iter().flatten().map(Self::Value)
    }

    /// The steps of going through it, but not into what it holds.
    fn steps(self) -> u64 {
        let names = self.names().filter_map(Self::text).map(|name| 1 + text_steps(name));
        let elements = self.array().map_or(0, Vec::len);
        self.text().map_or(0, text_steps) + names.sum::<u64>() + elements as u64
    }
}

/// How deep a schema is applied: within so many others, and to a value within so many others.
#[derive(Clone, Copy, Default)]
struct Depth {
    schemas: usize,
    values: usize,
}

impl Depth {
    fn within_schema(self) -> Self {
        Self { schemas: self.schemas + 1, ..self }
    }

    fn within_value(self) -> Self {
        Self { values: self.values + 1, ..self }
    }
}

/// What it takes to check a value against a schema.
#[derive(Clone, Copy, Default)]
struct Cost {
    steps: u64,
    /// How many schemas are within each other, this one not counted.
    height: usize,
}

impl Cost {
    fn of_steps(steps: u64) -> Self {
        Self { steps, height: 0 }
    }

    fn add(&mut self, other: Self) {
        self.steps = self.steps.saturating_add(other.steps);
        self.height = self.height.max(other.height);
    }
}

/// A walk through a schema and a document at once.
struct Walk<'a> {
    root: &'a Value,
    patterns: &'a PatternSizes,
    /// The costs of pairs that were walked through, by where they are.
    known: HashMap<(*const Value, *const u8), Cost>,
}

impl<'a> Walk<'a> {
    fn cost(
        &mut self,
        schema: &'a Value,
        subject: Subject<'a>,
        depth: Depth,
    ) -> Result<Cost, String> {
        let Value::Object(keywords) = schema else {
            // A list of names stands where a schema may in `dependencies`.
            return Ok(Cost::of_steps(1 + weight(schema)));
        };
        let pair = (ptr::from_ref(schema), subject.address());
        let known = self.known.get(&pair).copied();
        if depth.schemas + known.map_or(0, |cost| cost.height) > MAX_DEPTH {
            return Err(format!("it applies over {MAX_DEPTH} schemas within each other"));
        }
        if let Some(cost) = known {
            return Ok(cost);
        }
        let keyword_steps = 1 + (depth.values / DEPTH_PER_STEP) as u64;
        let mut within = Cost::of_steps((1 + keywords.len() as u64) * keyword_steps);
        within.steps += subject.steps();
        for (keyword, held) in keywords {
            within.add(self.keyword(keyword, held, subject, depth.within_schema())?);
            if within.steps > MAX_STEPS {
                return Err(format!("checking against it takes over {MAX_STEPS} steps"));
            }
        }
        let cost = Cost { height: within.height + 1, ..within };
        self.known.insert(pair, cost);
        Ok(cost)
    }

    fn keyword(
        &mut self,
        keyword: &str,
        held: &'a Value,
        subject: Subject<'a>,
        depth: Depth,
    ) -> Result<Cost, String> {
        let this = [subject];
        let inner = depth.within_value();
        match keyword {
            "$ref" => {
                let reference = held.as_str().unwrap_or_default();
                self.cost(target(self.root, reference)?, subject, depth)
            }
            "not" | "if" | "then" | "else" | "contentSchema" => self.cost(held, subject, depth),
            "allOf" | "anyOf" | "oneOf" => self.all(schemas(held), this, depth),
            "dependentSchemas" | "dependentRequired" | "dependencies" => {
                self.all(schemas(held), this, depth)
            }
            "properties" => {
                let mut cost = Cost::of_steps(schemas(held).len() as u64);
                let properties = held.as_object().into_iter().flatten();
                for (name, schema) in properties {
                    if let Some(member) = subject.object().and_then(|object| object.get(name)) {
                        cost.add(self.cost(schema, Subject::Value(member), inner)?);
                    }
                    if cost.steps > MAX_STEPS {
                        break;
                    }
                }
                Ok(cost)
            }
            "patternProperties" => {
                let mut cost = self.all(schemas(held), subject.members(), inner)?;
                let patterns = held.as_object().into_iter().flat_map(Map::keys);
                for pattern in patterns {
                    let names = subject.names().filter_map(Subject::text);
                    let steps = names.map(|name| self.pattern_steps(pattern, name));
                    cost.add(Cost::of_steps(steps.fold(0, u64::saturating_add)));
                }
                Ok(cost)
            }
            "additionalProperties" | "unevaluatedProperties" => {
                self.all([held], subject.members(), inner)
            }
            "propertyNames" => self.all([held], subject.names(), inner),
            "items" | "prefixItems" | "additionalItems" | "unevaluatedItems" | "contains" => {
                match held {
                    Value::Array(schemas) => self.all(schemas, subject.elements(), inner),
                    schema => self.all([schema], subject.elements(), inner),
                }
            }
            "uniqueItems" => {
                Ok(Cost::of_steps(subject.array().map_or(0, |items| unique_steps(items))))
            }
            "pattern" => {
                let pattern = held.as_str().unwrap_or_default();
                let steps = subject.text().map(|text| self.pattern_steps(pattern, text));
                Ok(Cost::of_steps(steps.unwrap_or_default()))
            }
            // Of a text that is to be a pattern, all is read again for parts of it.
            "format" => {
                let bytes = subject.text().map_or(0, str::len) as u64;
                let is_pattern = held.as_str() == Some("regex");
                let steps = bytes.saturating_mul(bytes) / BYTES_PER_STEP as u64;
                Ok(Cost::of_steps(if is_pattern { steps } else { 0 }))
            }
            // They are passed over: what is defined counts where it is referred to.
            "$defs" | "definitions" | "title" | "description" | "$comment" | "default"
            | "examples" => Ok(Cost::default()),
            _ => Ok(Cost::of_steps(weight(held))),
        }
    }

    /// The cost of checking each subject against each schema.
    fn all(
        &mut self,
        schemas: impl IntoIterator<Item = &'a Value>,
        subjects: impl IntoIterator<Item = Subject<'a>> + Clone,
        depth: Depth,
    ) -> Result<Cost, String> {
        let mut cost = Cost::default();
        for schema in schemas {
            cost.steps += 1;
            for subject in subjects.clone() {
                cost.add(self.cost(schema, subject, depth)?);
                if cost.steps > MAX_STEPS {
                    return Ok(cost);
                }
            }
        }
        Ok(cost)
    }

    /// The steps of looking for a pattern in a text.
    fn pattern_steps(&self, pattern: &str, text: &str) -> u64 {
        let parts = self.patterns.get(pattern).copied().unwrap_or_default();
        parts.saturating_mul(1 + text.len() as u64) / PARTS_PER_STEP
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

fn text_steps(text: &str) -> u64 {
    (text.len() / BYTES_PER_STEP) as u64
}

/// The steps of reading, or comparing, all that is in a value.
fn weight(value: &Value) -> u64 {
    match value {
        Value::String(text) => text_steps(text),
        Value::Array(items) => items.iter().map(|item| 1 + weight(item)).sum(),
        Value::Object(members) => {
            members.iter().map(|(name, member)| 1 + text_steps(name) + weight(member)).sum()
        }
        _ => 0,
    }
}

/// The steps of looking for two elements that are the same: each of a few is compared with each, and so may
/// be those that hold others, whose hashes can be made to be the same.
fn unique_steps(elements: &[Value]) -> u64 {
    let holding = elements.iter().filter(|element| element.is_array() || element.is_object());
    let holding = holding.count() as u64;
    let weight: u64 = elements.iter().map(|element| 1 + weight(element)).sum();
    let times = if elements.len() <= 20 { elements.len() as u64 } else { 1 };
    weight * times + holding * holding / BYTES_PER_STEP as u64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_walk_ends_once_it_is_too_long() {
        let names = || (0..50).map(|number| number.to_string());
        let member = json!({"$ref": "#/$defs/x"});
        let properties: Map<String, Value> = names().map(|name| (name, member.clone())).collect();
        let each = json!({"items": {"allOf": vec![json!({}); 500]}});
        let schema = json!({"properties": properties, "$defs": {"x": each}});
        let document: Map<String, Value> = names().map(|name| (name, json!(vec![1; 45]))).collect();
        let document = Value::Object(document);
        let sizes = PatternSizes::new();
        let mut walk = Walk { root: &schema, patterns: &sizes, known: HashMap::new() };
        let walked = walk.cost(&schema, Subject::Value(&document), Depth::default());
        assert!(walked.is_err_and(|error| error.contains("steps")));
        assert!(walk.known.len() < MAX_STEPS as usize, "{}", walk.known.len());
    }
}
