use std::borrow::Cow;

use super::json_string;

/// A record's id: as it stands in the event, so that it goes back byte for byte, and as text.
#[derive(Clone, Debug)]
pub(super) struct RecordId<'a> {
    json: Cow<'a, str>,
    text: Cow<'a, str>,
}

impl<'a> RecordId<'a> {
    /// Of a JSON string, with its quotes and its escapes. None if it is something else.
    pub(super) fn from_json(json: &'a str) -> Option<Self> {
        json_string::text(json).map(|text| Self { json: Cow::Borrowed(json), text })
    }

    /// Of a text that never was JSON.
    pub(super) fn from_text(text: String) -> Self {
        let json = Cow::Owned(serde_json::Value::from(text.as_str()).to_string());
        Self { json, text: Cow::Owned(text) }
    }

    /// The id as a JSON string, as it came.
    pub(super) fn json(&self) -> &str {
        &self.json
    }

    /// The id as text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}
