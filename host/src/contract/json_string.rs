use std::borrow::Cow;

use weir_json::Str;

/// The text of a JSON string, borrowed where it has no escapes.
#[inline]
pub(super) fn text(string: Str<'_>) -> Cow<'_, str> {
    string.plain().map_or_else(|| Cow::Owned(unescaped(string)), Cow::Borrowed)
}

/// The same as bytes, which are not looked at.
#[inline]
pub(super) fn bytes(string: Str<'_>) -> Cow<'_, [u8]> {
    match string.escaped() {
        false => Cow::Borrowed(string.inner()),
        true => Cow::Owned(unescaped(string).into_bytes()),
    }
}

#[cold]
fn unescaped(string: Str<'_>) -> String {
    serde_json::from_slice(string.json()).expect("the reader vouches for the string")
}
