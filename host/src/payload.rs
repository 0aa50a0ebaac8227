use std::borrow::Cow;

use serde_json::Value;

use crate::batch::{Batch, Encoding, Payloads};
use crate::pointer::FieldPointer;

/// Reads fields of payloads on the host, for what is said of a record beside its verdict: only
/// where somebody asks for one, since the rule has read the payload already.
pub(crate) struct PayloadReader<'a> {
    pub(crate) batch: &'a Batch,
    /// As the rule rewrote them, where it did.
    pub(crate) rewritten: Option<&'a Payloads>,
}

impl<'a> PayloadReader<'a> {
    /// The value of a field as text: none if the payload is no JSON, or has no such field.
    pub(crate) fn field(&self, entry: usize, pointer: &FieldPointer) -> Option<String> {
        pointer.text(&self.document(entry)?).map(Cow::into_owned)
    }

    /// The payload as it goes on, if it is JSON.
    pub(crate) fn document(&self, entry: usize) -> Option<Value> {
        if let Some(payload) = self.rewritten.and_then(|payloads| payloads.get(entry)) {
            return serde_json::from_slice(payload).ok();
        }
        match self.batch.encoding() {
            Encoding::Plain => serde_json::from_slice(self.encoded(entry)).ok(),
            Encoding::Base64 => {
                let payload = base64_simd::STANDARD.decode_to_vec(self.encoded(entry)).ok()?;
                serde_json::from_slice(&payload).ok()
            }
        }
    }

    /// The payload as it came to the rule; empty if there is no such entry.
    pub(crate) fn encoded(&self, entry: usize) -> &'a [u8] {
        self.batch.payload(entry).unwrap_or_default()
    }
}
