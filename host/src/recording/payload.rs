//! The forms of a payload in a recording: as JSON where it is JSON, so that it can be read and
//! searched, and always so that the rule can be given the very same bytes again.

use std::borrow::Cow;

use base64_simd::STANDARD;
use serde_json::value::RawValue;

use crate::batch::Encoding;

/// What was given to a rule, decoded where it was base64.
#[derive(Debug, PartialEq)]
pub(super) enum Payload<'a> {
    /// The payload.
    Decoded(Cow<'a, [u8]>),
    /// What was to be base64 and is not, or not as it would be encoded.
    Undecodable(&'a [u8]),
}

impl<'a> Payload<'a> {
    pub(super) fn of(given: &'a [u8], encoding: Encoding) -> Self {
        match encoding {
            Encoding::Plain => Self::Decoded(Cow::Borrowed(given)),
            Encoding::Base64 => match STANDARD.decode_to_vec(given) {
                Ok(payload) if STANDARD.encode_to_string(&payload).as_bytes() == given => {
                    Self::Decoded(Cow::Owned(payload))
                }
                _ => Self::Undecodable(given),
            },
        }
    }
}

/// The payload as it was given to the rule.
pub(super) fn encode(payload: &[u8], encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Plain => payload.to_vec(),
        Encoding::Base64 => STANDARD.encode_to_string(payload).into_bytes(),
    }
}

/// The payload as JSON, if it is a document without a newline, and nothing around it.
pub(super) fn one_line_of_json(payload: &[u8]) -> Option<&RawValue> {
    if payload.contains(&b'\n') || payload.contains(&b'\r') {
        return None;
    }
    let json: &RawValue = serde_json::from_slice(payload).ok()?;
    (json.get().len() == payload.len()).then_some(json)
}
