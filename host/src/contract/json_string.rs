use std::borrow::Cow;

use weir_json::Str;

/// The text of a JSON string, borrowed where it has no escapes.
#[inline]
pub(super) fn text(string: Str<'_>) -> Cow<'_, str> {
    match string.escaped() {
        false => Cow::Borrowed(string.inner()),
        true => Cow::Owned(unescaped(string)),
    }
}

#[cold]
fn unescaped(string: Str<'_>) -> String {
    serde_json::from_str(string.json()).expect("the reader vouches for the string")
}
