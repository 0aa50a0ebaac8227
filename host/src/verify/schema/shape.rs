//! What is looked at in a schema before it is compiled, so that this cannot cost without end either.

use std::collections::HashMap;

use serde_json::Value;

use super::pattern;
use crate::printable::cut;

/// The most schemas, which are objects or booleans: each is compared with all that were compiled before it.
const MAX_SCHEMAS: usize = 5_000;

/// The most bytes that the places of all values in it have, each as a JSON Pointer: a schema is known by its
/// place, and so is what is wrong with one.
const MAX_PLACES_BYTES: usize = 1 << 20;

/// The most patterns: each costs memory.
const MAX_PATTERNS: usize = 32;

/// The most parts that all patterns have together: see [`pattern::size`].
const MAX_PATTERN_PARTS: u64 = 100_000;

/// How many characters of a reference are shown.
const SHOWN: usize = 60;

/// Keywords by which the meaning of a reference depends on where it is met, or on other documents.
const ELSEWHERE: [&str; 4] = ["$id", "$schema", "$dynamicRef", "$recursiveRef"];

/// The sizes of patterns: see [`pattern::size`].
pub(super) type PatternSizes = HashMap<String, u64>;

/// Checks that a schema can be compiled within bounds. Answers with the sizes of its patterns, and with what is
/// wrong with the first that is none: it may be data, such as a default.
///
/// # Errors
///
/// Says what it exceeds, or what in it cannot be followed.
pub(super) fn check(schema: &Value) -> Result<(PatternSizes, Option<String>), String> {
    // Drafts before that name schemas by `id`.
    let draft = schema.get("$schema").and_then(Value::as_str);
    if draft.is_some_and(|url| url.contains("draft-04")) {
        return Err("it is of draft-04: 2020-12 is expected".to_owned());
    }
    let mut shape = Shape { root: schema, schemas: 0, places_bytes: 0, patterns: Vec::new() };
    shape.look_at(schema, 0)?;
    let mut sizes = PatternSizes::new();
    let (mut parts, mut unfit) = (0_u64, None);
    for pattern in shape.patterns {
        let size = match pattern::size(pattern) {
            Ok(size) => size,
            // The compiler mends these one after the other, and reads all again for each.
            Err(error) if pattern.contains(r"\c") => return Err(error),
            Err(error) => {
                unfit.get_or_insert(error);
                continue;
            }
        };
        parts = parts.saturating_add(size);
        if parts > MAX_PATTERN_PARTS {
            return Err(format!("its patterns have over {MAX_PATTERN_PARTS} parts"));
        }
        sizes.insert(pattern.to_owned(), size);
    }
    Ok((sizes, unfit))
}

/// What a reference refers to.
///
/// # Errors
///
/// If it is none within the schema.
pub(super) fn target<'a>(root: &'a Value, reference: &str) -> Result<&'a Value, String> {
    let pointer = reference.strip_prefix('#').filter(|pointer| !pointer.contains('%'));
    pointer.and_then(|pointer| root.pointer(pointer)).ok_or_else(|| {
        let reference = cut(reference, SHOWN);
        format!("{reference:?} refers to nothing in it: a reference begins with #/")
    })
}

struct Shape<'a> {
    root: &'a Value,
    schemas: usize,
    places_bytes: usize,
    patterns: Vec<&'a str>,
}

impl<'a> Shape<'a> {
    /// Looks at a value, whose place has so many bytes, and all within it.
    fn look_at(&mut self, value: &'a Value, place_bytes: usize) -> Result<(), String> {
        self.places_bytes += place_bytes;
        if self.places_bytes > MAX_PLACES_BYTES {
            return Err(format!("the places in it have over {MAX_PLACES_BYTES} bytes"));
        }
        match value {
            Value::Bool(_) => self.count_schema(),
            Value::Array(items) => items.iter().enumerate().try_for_each(|(index, item)| {
                self.look_at(item, place_bytes + 1 + index.to_string().len())
            }),
            Value::Object(members) => {
                self.count_schema()?;
                members.iter().try_for_each(|(name, member)| {
                    self.look_at_keyword(name, member, place_bytes == 0)?;
                    self.look_at(member, place_bytes + 1 + name.len())
                })
            }
            _ => Ok(()),
        }
    }

    fn count_schema(&mut self) -> Result<(), String> {
        self.schemas += 1;
        match self.schemas > MAX_SCHEMAS {
            true => Err(format!("it has over {MAX_SCHEMAS} schemas")),
            false => Ok(()),
        }
    }

    fn look_at_keyword(
        &mut self,
        name: &str,
        held: &'a Value,
        is_at_root: bool,
    ) -> Result<(), String> {
        match (name, held) {
            ("pattern", Value::String(pattern)) => self.patterns.push(pattern),
            ("patternProperties", Value::Object(properties)) => {
                self.patterns.extend(properties.keys().map(String::as_str));
            }
            ("$ref", Value::String(reference)) => drop(target(self.root, reference)?),
            ("$id" | "$schema", _) if is_at_root => {}
            (name, Value::String(_)) if ELSEWHERE.contains(&name) => {
                return Err(match name {
                    "$id" | "$schema" => format!("{name} is taken at its root only: use $ref"),
                    name => format!("{name} is not taken: use $ref"),
                });
            }
            _ => {}
        }
        match self.patterns.len() > MAX_PATTERNS {
            true => Err(format!("it has over {MAX_PATTERNS} patterns")),
            false => Ok(()),
        }
    }
}
