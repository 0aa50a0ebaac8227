use std::borrow::Cow;

/// A record's id: as it stands in the event, so that it goes back byte for byte, and as text.
#[derive(Clone, Debug)]
pub(super) struct RecordId<'a> {
    json: Cow<'a, str>,
    /// The text, where it is not what stands between the quotes.
    unescaped: Option<String>,
}

impl<'a> RecordId<'a> {
    /// Of a JSON string, with its quotes and its escapes. None if it is something else.
    pub(super) fn from_json(json: &'a str) -> Option<Self> {
        let inner = json.strip_prefix('"')?;
        let unescaped = match inner.contains('\\') {
            true => Some(serde_json::from_str(json).ok()?),
            false => None,
        };
        Some(Self { json: Cow::Borrowed(json), unescaped })
    }

    /// Of a text that never was JSON.
    pub(super) fn from_text(text: String) -> Self {
        let json = Cow::Owned(serde_json::Value::from(text.as_str()).to_string());
        Self { json, unescaped: Some(text) }
    }

    /// The id as a JSON string, as it came.
    pub(super) fn json(&self) -> &str {
        &self.json
    }

    /// The id as text.
    pub(super) fn text(&self) -> &str {
        match &self.unescaped {
            Some(text) => text,
            None => &self.json[1..self.json.len() - 1],
        }
    }
}
