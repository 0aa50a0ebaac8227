use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// Where a field stands in a JSON payload, as a JSON Pointer (RFC 6901): `/device/id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPointer(String);

impl FieldPointer {
    /// The field's value, if it is there and a finite number.
    #[cfg(feature = "cli")]
    pub(crate) fn number(&self, payload: &Value) -> Option<f64> {
        payload.pointer(&self.0)?.as_f64().filter(|number| number.is_finite())
    }

    /// The field's value as text, if it is there and one value: a string, a number, true or false.
    pub(crate) fn text<'a>(&self, payload: &'a Value) -> Option<Cow<'a, str>> {
        match payload.pointer(&self.0)? {
            Value::String(text) => Some(Cow::Borrowed(text)),
            value @ (Value::Number(_) | Value::Bool(_)) => Some(Cow::Owned(value.to_string())),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

impl FieldPointer {
    /// Its steps: the names of members, and the indices of elements.
    pub(crate) fn steps(&self) -> impl Iterator<Item = String> {
        // In this order: `~01` is `~1`, not `/`.
        self.0.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"))
    }
}

impl FromStr for FieldPointer {
    type Err = InvalidPointer;

    fn from_str(text: &str) -> Result<Self, InvalidPointer> {
        // After a tilde, only 0 and 1 mean something.
        let escaped = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        match text.starts_with('/') && escaped {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidPointer(text.to_owned())),
        }
    }
}

impl fmt::Display for FieldPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no JSON Pointer to a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a JSON Pointer to a field, such as /device_id, found {0:?}")]
pub struct InvalidPointer(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_if_it_is_one_value() {
        let payload =
            serde_json::json!({"a": {"b/c": "x"}, "n": 1.5, "t": true, "o": {}, "z": null});
        let text = |pointer: &str| {
            let pointer: FieldPointer = pointer.parse().expect("a pointer");
            pointer.text(&payload).map(Cow::into_owned)
        };
        assert_eq!(text("/a/b~1c").as_deref(), Some("x"));
        assert_eq!(text("/n").as_deref(), Some("1.5"));
        assert_eq!(text("/t").as_deref(), Some("true"));
        #[cfg(feature = "cli")]
        assert_eq!("/n".parse::<FieldPointer>().expect("a pointer").number(&payload), Some(1.5));
        assert_eq!([text("/o"), text("/z"), text("/missing")], [None, None, None]);
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        for wrong in ["", "device", "/a~2", "/a~"] {
            assert!(wrong.parse::<FieldPointer>().is_err(), "{wrong}");
        }
    }
}
