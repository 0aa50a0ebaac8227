use std::fmt;

use crate::json::{self, Kind, Pointer, SyntaxError};

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
    /// time where the buffer goes on behind it.
    pub(crate) fn within(buffer: &'a [u8], length: usize) -> Self {
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
        let document =
            json::scan_within(self.buffer, self.length, field).map_err(FieldError::NotJson)?;
        if document.root.kind != Kind::Object {
            return Err(FieldError::NotAnObject(document.root.kind));
        }
        let Some(value) = document.field else {
            return Err(FieldError::Missing(field.clone()));
        };
        value.as_f64().ok_or_else(|| FieldError::NotANumber {
            field: field.clone(),
            found: value.kind,
            offset: value.offset,
        })
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
