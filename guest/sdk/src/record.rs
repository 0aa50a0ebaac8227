use std::fmt;

use crate::json::{
    self, Document, FieldScanner, Fields, FieldsScanner, Kind, Pointer, Str, SyntaxError, Value,
};

/// One record: its decoded payload.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The payload, and what can be read behind it.
    buffer: &'a [u8],
    length: usize,
}

impl<'a> Record<'a> {
    /// A record of this decoded payload.
    pub fn new(payload: &'a [u8]) -> Self {
        Self { buffer: payload, length: payload.len() }
    }

    /// A record of the payload that the first `length` bytes of a buffer are. Reading it takes less
    /// time where the buffer goes on behind it, for [`json::PADDING`] bytes or more: whatever they
    /// hold.
    ///
    /// # Panics
    ///
    /// If the buffer is shorter.
    #[inline]
    pub fn within(buffer: &'a [u8], length: usize) -> Self {
        assert!(length <= buffer.len(), "the payload is in the buffer");
        Self { buffer, length }
    }

    /// The decoded payload, byte for byte.
    pub fn payload(&self) -> &'a [u8] {
        &self.buffer[..self.length]
    }

    /// Reads one number out of the payload, which must be a JSON object.
    ///
    /// The whole document is validated: a payload that is not JSON has no number in it, wherever
    /// the mistake stands.
    ///
    /// # Errors
    ///
    /// Says which of these it is: not JSON, not an object, no such field, not a number there.
    pub fn number(&self, field: &Pointer) -> Result<f64, FieldError> {
        number(json::scan_within(self.buffer, self.length, field), field)
    }

    /// Does what [`number`](Self::number) does, for the field that a scanner looks for: in a fraction
    /// of the time where records look alike, as those of a stream mostly do.
    ///
    /// # Errors
    ///
    /// As [`number`](Self::number).
    #[inline]
    pub fn number_by(&self, scanner: &mut FieldScanner) -> Result<f64, FieldError> {
        match scanner.number_within(self.buffer, self.length) {
            Ok(number) => Ok(number),
            Err(scanned) => number(scanned, scanner.field()),
        }
    }

    /// Finds several fields of the payload, which must be a JSON object, in one pass. The document is
    /// validated whole, as [`number`](Self::number) does it.
    ///
    /// `found` is called with a field's place in `fields` and the value there. Of what it is called
    /// with for a field the last counts: where a key comes again, there is another value, or none
    /// until another one is found.
    ///
    /// # Errors
    ///
    /// If the payload is not JSON, or not an object. Nothing that was found counts then.
    pub fn fields(
        &self,
        fields: &Fields,
        found: impl FnMut(usize, Option<Value<'a>>),
    ) -> Result<(), FieldError> {
        object(json::scan_fields(self.payload(), fields, found))
    }

    /// Does what [`fields`](Self::fields) does, for the fields that a scanner looks for: in a fraction of
    /// the time where records look alike, as those of a stream mostly do.
    ///
    /// # Errors
    ///
    /// As [`fields`](Self::fields).
    #[inline]
    pub fn fields_by(
        &self,
        scanner: &mut FieldsScanner,
        found: impl FnMut(usize, Option<Value<'a>>),
    ) -> Result<(), FieldError> {
        object(scanner.scan_within(self.buffer, self.length, found))
    }

    /// Reads several numbers out of the payload, which must be a JSON object, in one pass: into
    /// `numbers`, of which there is one for each field.
    ///
    /// # Errors
    ///
    /// As [`number`](Self::number): of fields that are missing or not a number, it names the first.
    ///
    /// # Panics
    ///
    /// If there are more fields than numbers.
    pub fn numbers(&self, fields: &Fields, numbers: &mut [f64]) -> Result<(), FieldError> {
        // No number in JSON's grammar is this.
        numbers.fill(f64::NAN);
        self.fields(fields, |field, value| {
            numbers[field] = value.and_then(|value| value.as_f64()).unwrap_or(f64::NAN);
        })?;
        // What is wrong with one is found in a pass of its own: that is rare.
        let mut missing =
            fields.pointers().iter().zip(numbers).filter(|(_, number)| number.is_nan());
        missing.try_for_each(|(field, number)| self.number(field).map(|found| *number = found))
    }

    /// Hands out the members of the payload, which must be a JSON object, in order. The document is
    /// validated whole, as [`number`](Self::number) does it. Members with the same key are handed
    /// out all; the last one counts.
    ///
    /// # Errors
    ///
    /// If the payload is not JSON, or not an object.
    pub fn members(&self, member: impl FnMut(Str<'a>, Value<'a>)) -> Result<(), FieldError> {
        object(json::scan_members(self.payload(), member))
    }
}

/// The number that was found in a document, which must be an object.
#[inline(always)]
fn number(scanned: Result<Document<'_>, SyntaxError>, field: &Pointer) -> Result<f64, FieldError> {
    if let Ok(Document { root, field: Some(value) }) = &scanned
        && root.kind == Kind::Object
        && let Some(number) = value.as_f64()
    {
        return Ok(number);
    }
    Err(no_number(&scanned, field))
}

/// Why there is none.
#[cold]
#[inline(never)]
fn no_number(scanned: &Result<Document<'_>, SyntaxError>, field: &Pointer) -> FieldError {
    match scanned {
        Err(error) => FieldError::NotJson(*error),
        Ok(Document { root, .. }) if root.kind != Kind::Object => {
            FieldError::NotAnObject(root.kind)
        }
        Ok(Document { field: None, .. }) => FieldError::Missing(field.clone()),
        Ok(Document { field: Some(value), .. }) => {
            FieldError::NotANumber { field: field.clone(), found: value.kind, offset: value.offset }
        }
    }
}

/// Checks that a document is an object.
fn object(scanned: Result<Kind, SyntaxError>) -> Result<(), FieldError> {
    match scanned {
        Ok(Kind::Object) => Ok(()),
        Ok(kind) => Err(FieldError::NotAnObject(kind)),
        Err(error) => Err(FieldError::NotJson(error)),
    }
}

/// Why a payload does not hold the number that a rule asked for. Holds nothing of the payload.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldError {
    /// The payload is not one JSON document.
    NotJson(SyntaxError),
    /// It is JSON, but not an object.
    NotAnObject(Kind),
    /// The object has no such field.
    Missing(Pointer),
    /// The field holds something else than a number.
    NotANumber {
        /// The field that was asked for.
        field: Pointer,
        /// What it holds.
        found: Kind,
        /// Where that begins, in bytes from the start of the payload.
        offset: usize,
    },
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson(error) => write!(f, "not JSON: {error}"),
            Self::NotAnObject(kind) => write!(f, "not a JSON object: found {kind}"),
            Self::Missing(field) => write!(f, "field {field} is missing"),
            Self::NotANumber { field, found, offset } => {
                write!(f, "field {field} is not a number: found {found} at byte {offset}")
            }
        }
    }
}

impl std::error::Error for FieldError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(payload: &str, fields: &[&str]) -> Result<Vec<f64>, String> {
        let mut numbers = vec![7.0; fields.len()];
        let pointers = fields.iter().map(|text| Pointer::parse(text).expect("one"));
        let fields = Fields::new(pointers.collect()).expect("few");
        let read = Record::new(payload.as_bytes()).numbers(&fields, &mut numbers);
        read.map(|()| numbers).map_err(|error| error.to_string())
    }

    #[test]
    fn several_numbers_are_read_at_once() {
        let payload = r#"{"b":1,"a":{"c":[2,-3e2]},"b":0.5}"#;
        assert_eq!(numbers(payload, &["/a/c/1", "/b"]), Ok(vec![-300.0, 0.5]));
    }

    #[test]
    fn the_first_field_that_holds_no_number_is_named() {
        for (payload, reason) in [
            ("{", "not JSON: unexpected end of document at byte 1"),
            ("[1]", "not a JSON object: found an array"),
            (r#"{"b":1}"#, "field /a is missing"),
            (r#"{"a":"1","c":1}"#, "field /a is not a number: found a string at byte 5"),
            (r#"{"a":1,"b":"NaN"}"#, "field /b is not a number: found a string at byte 11"),
            (r#"{"a":1,"b":2,"b":null}"#, "field /b is not a number: found null at byte 17"),
        ] {
            assert_eq!(numbers(payload, &["/a", "/b"]), Err(reason.to_owned()), "{payload}");
        }
    }
}
