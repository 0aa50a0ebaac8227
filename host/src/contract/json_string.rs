use std::borrow::Cow;

use weir_json::Str;

/// The text of a JSON string, borrowed where it has no escapes.
pub(super) fn text(string: Str<'_>) -> Cow<'_, str> {
    if !string.escaped() {
        return Cow::Borrowed(string.inner());
    }
    Cow::Owned(serde_json::from_str(string.json()).expect("the reader vouches for the string"))
}
